"""An archive as runtimes read it: what its digest covers, and under which names they know the image."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from imagebuild.archive import image_config, write_archive
from imagebuild.dockerfile import Instruction, Stage
from imagebuild.layer import write_layer
from secnet_testing.oci import Image, read_archive

STAGE = Stage(
    name="",
    image="base",
    instructions=[
        Instruction(word="LABEL", text='org.opencontainers.image.title="secnet" other="two words"'),
        Instruction(word="USER", text="root"),
        Instruction(word="ENTRYPOINT", text='["secnet"]'),
    ],
)
VARIABLES = {"PATH": "/opt/secnet/bin:/bin"}


def archive(folder: Path, tag: str, **config: Any) -> Image:
    root = folder / "root"
    (root / "etc").mkdir(parents=True, exist_ok=True)
    layer = write_layer(root, folder / "layer.gz", time=0)
    settings = {"directory": "/", "created": "1970-01-01T00:00:00Z", "version": "1.0"} | config
    write_archive(
        folder / f"{tag}.tar",
        layer=layer,
        blob=folder / "layer.gz",
        config=image_config(STAGE, VARIABLES, **settings),
        name="docker.io/library/secnet",
        tag=tag,
    )
    return read_archive(folder / f"{tag}.tar")


def test_the_image_says_what_the_dockerfile_does(tmp_path: Path) -> None:
    image = archive(tmp_path, "1.0")
    settings = image.config["config"]
    assert settings["Entrypoint"] == ["secnet"]
    assert settings["Env"] == ["PATH=/opt/secnet/bin:/bin"]
    assert settings["Labels"]["other"] == "two words"
    assert settings["Labels"]["org.opencontainers.image.version"] == "1.0"
    assert image.config["os"] == "linux"
    assert list(image.members()) == ["etc"]


def test_it_is_known_by_its_tag_and_by_its_digest(tmp_path: Path) -> None:
    image = archive(tmp_path, "1.0")
    name = "docker.io/library/secnet"
    assert image.names == (f"{name}:1.0", f"{name}@{image.digest}")


def test_the_digest_covers_content_and_settings_but_no_tag(tmp_path: Path) -> None:
    first = archive(tmp_path, "1.0")
    assert archive(tmp_path, "1.1").digest == first.digest
    assert archive(tmp_path, "1.2", directory="/srv").digest != first.digest
    (tmp_path / "root/etc/new").touch()
    assert archive(tmp_path, "1.3").digest != first.digest


def test_an_engine_that_reads_no_index_finds_the_same(tmp_path: Path) -> None:
    image = archive(tmp_path, "1.0")
    with tarfile.open(tmp_path / "1.0.tar") as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        (entry,) = json.load(file)
        assert set(entry["Layers"]) | {entry["Config"]} <= set(tar.getnames())
    assert entry["RepoTags"] == ["secnet:1.0"]
    assert entry["Config"] == f"blobs/sha256/{image.manifest['config']['digest'].removeprefix('sha256:')}"
