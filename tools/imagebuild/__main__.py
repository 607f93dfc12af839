"""The command line of tools/image."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from .archive import image_config, write_archive
from .base import debian, release_of
from .context import Context, source_date
from .dockerfile import Stage, read_dockerfile
from .layer import Layer, write_layer
from .machine import Machine
from .packages import differences, installed, read_lock, write_lock
from .sbom import write_sbom
from .stages import Builder, Built

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILE = Path("deploy/Dockerfile")
LOCK = "image-packages.txt"
REGISTRY = "docker.io/library"


def main() -> int:
    options = _parser().parse_args()
    os.umask(0o022)
    cache: Path = options.cache
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _build(options, cache)
        except (RuntimeError, ValueError, OSError, subprocess.CalledProcessError) as exc:
            print(f"image: {exc}", file=sys.stderr)
            return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/image",
        description="Build an image by its Dockerfile into an OCI archive, without a docker engine.",
    )
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the archive")
    parser.add_argument("--tag", required=True, help="the image is NAME:TAG")
    parser.add_argument("--name", default="secnet", help="of the image (default: %(default)s)")
    parser.add_argument(
        "--dockerfile",
        type=Path,
        default=DOCKERFILE,
        metavar="FILE",
        help="below the repository, whose files it copies (default: %(default)s)",
    )
    parser.add_argument("--sbom", type=Path, metavar="FILE", help="what is in the image, as CycloneDX JSON")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(home, "secnet-image"),
        metavar="DIR",
        help="keeps the base, stages that were built and downloads: the next image takes seconds (default: %(default)s)",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--upgrade", action="store_true", help=f"take Debian's newest versions and write {LOCK} beside the Dockerfile"
    )
    group.add_argument(
        "--locked", action="store_true", help="fail where the mirror no longer has the versions of the lock"
    )
    return parser


def _build(options: argparse.Namespace, cache: Path) -> int:
    began = time.monotonic()
    dockerfile = REPOSITORY / options.dockerfile
    lock = dockerfile.with_name(LOCK)
    locked = {} if options.upgrade else read_lock(lock)
    arguments, stages = read_dockerfile(dockerfile)
    release = release_of(arguments["DEBIAN_IMAGE"])
    kept = cache / "stages" / options.name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="work-") as folder:
        context = Context(REPOSITORY, Path(folder, "context"))
        machine = Machine(REPOSITORY, Path(folder, "machine"), cache / "downloads", release, locked)
        pins = f"{datetime.now(UTC):%F %T}" if options.upgrade else json.dumps(locked, sort_keys=True)
        builder = Builder(
            context=context,
            machine=machine,
            cache=kept,
            base=lambda image, root: debian(
                root,
                release=release_of(image),
                mirror=machine.mirror,
                packages=cache / "downloads/debootstrap",
                log=kept / "debootstrap.log",
            ),
            base_key=context.digest(["tools/imagebuild"]) + pins,
            say=lambda line: print(f"image: {time.monotonic() - began:3.0f} s  {line}", flush=True),
        )
        built = [builder.run(stage, _image(stage, arguments)) for stage in stages]
    final = built[-1]
    everything = [package for stage in built for package in installed(stage.folder)]
    if options.upgrade:
        write_lock(lock, image=installed(final.folder), build=everything)
    elif changed := differences(locked, everything):
        named = lock.relative_to(REPOSITORY)
        print(f"image: Debian packages differ from {named}:", *changed, sep="\n  ", file=sys.stderr)
        if options.locked:
            return 1
    date = source_date(REPOSITORY)
    created = f"{datetime.fromtimestamp(date, UTC):%Y-%m-%dT%H:%M:%SZ}"
    version = tomllib.loads((REPOSITORY / "core/pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    layer, blob = _layer(final, kept, date)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    config = image_config(stages[-1], final.variables, directory=final.directory, created=created, version=version)
    name = f"{REGISTRY}/{options.name}"
    digest = write_archive(options.output, layer=layer, blob=blob, config=config, name=name, tag=options.tag)
    if options.sbom:
        options.sbom.parent.mkdir(parents=True, exist_ok=True)
        write_sbom(
            options.sbom,
            root=final.folder,
            name=options.name,
            release=release,
            version=version,
            digest=digest,
            created=created,
        )
    print(f"image: {options.output}: {options.name}:{options.tag}, {digest}, in {time.monotonic() - began:.0f} s")
    return 0


def _image(stage: Stage, arguments: dict[str, str]) -> str:
    """What a stage begins with: an argument's value, or the name of a stage."""
    return arguments[stage.image[2:-1]] if stage.image.startswith("${") else stage.image


def _layer(final: Built, kept: Path, date: int) -> tuple[Layer, Path]:
    """The layer of the last stage, from the cache where it is the same stage at the same date."""
    blob, about = kept / "layer.tar.gz", kept / "layer.json"
    key = f"{final.key} {date}"
    if about.exists():
        known = json.loads(about.read_text())
        if known.pop("key") == key:
            return Layer(**known), blob
        about.unlink()
    layer = write_layer(final.folder, blob, time=date)
    about.write_text(json.dumps({"key": key, "digest": layer.digest, "content": layer.content, "size": layer.size}))
    return layer, blob


if __name__ == "__main__":
    sys.exit(main())
