"""Write the manifests that are applied as one file: install.yaml of the base, policies.yaml of that component, crds.yaml.

    python deploy/bundle.py            write all three
    python deploy/bundle.py --check    change nothing; exit 1 if one is not what would be written

The files keep the comments of their sources. install.yaml is the base without the ConfigMap secnet-node: that one is the user's,
so that applying the next version does not take the settings away. That kustomize makes the same of the base, a test shows.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent
USERS = "secnet-node"
MARK = "# Written by deploy/bundle.py (`make deploy`) from deploy/{}: change the files there, not this one.\n"

_INSTALL = MARK.format("base") + (
    "# The agent on every node, beside the Pods:  kubectl apply -f install.yaml\n"
    "# Your settings are the ConfigMap secnet-node, which is not part of this file: docs/deployment.md.\n"
)
_POLICIES = MARK.format("components/policies") + (
    "# What binds each agent to its own node, for an installation by install.yaml:  kubectl apply -f policies.yaml\n"
)
_CRDS = MARK.format("crds") + (
    "# For clusters that lack these definitions:  kubectl create -f crds.yaml\n"
    "# create, never apply: it leaves what is there, Antrea's or Multus' own, as it is, and says AlreadyExists.\n"
)


def install() -> str:
    """One YAML stream with everything of the base, the DaemonSet last."""
    kustomization = yaml.safe_load((DEPLOY / "base/kustomization.yaml").read_text(encoding="utf-8"))
    resources = sorted(kustomization["resources"], key=lambda name: name == "daemonset.yaml")
    texts = [(DEPLOY / "base" / name).read_text(encoding="utf-8") for name in resources]
    for entry in kustomization["configMapGenerator"]:
        if entry["name"] == USERS:
            texts[-1] = _replaced(texts[-1], f"            name: {USERS}\n", "            optional: true\n", keep=True)
            continue
        name, text = _config_map(entry["name"], entry["files"], kustomization["namespace"])
        texts.insert(-1, text)
        texts[-1] = _replaced(texts[-1], f"            name: {entry['name']}\n", f"            name: {name}\n")
    return _INSTALL + "".join(f"---\n{text}" for text in texts)


def crds() -> str:
    """One YAML stream with every definition."""
    return _CRDS + _resources("crds")


def policies() -> str:
    """One YAML stream with the policies, and the right that is harmless only within them."""
    return _POLICIES + _resources("components/policies")


def _resources(folder: str) -> str:
    kustomization = yaml.safe_load((DEPLOY / folder / "kustomization.yaml").read_text(encoding="utf-8"))
    texts = [(DEPLOY / folder / name).read_text(encoding="utf-8") for name in kustomization["resources"]]
    return "".join(f"---\n{text}" for text in texts)


def _config_map(name: str, files: list[str], namespace: str) -> tuple[str, str]:
    """Its name, which changes with what is in it so that a change rolls the agents, and the manifest."""
    data = {file: (DEPLOY / "base" / file).read_text(encoding="utf-8") for file in files}
    digest = hashlib.sha256("".join(f"{file}\0{text}\0" for file, text in data.items()).encode()).hexdigest()
    hashed = f"{name}-{digest[:10]}"
    lines = [
        "apiVersion: v1",
        "kind: ConfigMap",
        "metadata:",
        f"  name: {hashed}",
        f"  namespace: {namespace}",
        "data:",
    ]
    for file, text in data.items():
        lines += [f"  {file}: |", *(f"    {line}".rstrip() for line in text.splitlines())]
    return hashed, "\n".join(lines) + "\n"


def _replaced(text: str, old: str, new: str, *, keep: bool = False) -> str:
    if text.count(old) != 1:
        sys.exit(f"deploy/base/daemonset.yaml: {old.strip()!r} must be there once")
    return text.replace(old, old + new if keep else new)


def bundles() -> Iterator[tuple[Path, str]]:
    """Each file and its text."""
    yield DEPLOY / "install.yaml", install()
    yield DEPLOY / "policies.yaml", policies()
    yield DEPLOY / "crds.yaml", crds()


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description="Write the manifests that are applied as one file.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    arguments = parser.parse_args()
    stale = [(file, text) for file, text in bundles() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file, text in stale:
        if not arguments.check:
            file.write_text(text, encoding="utf-8")
        print(f"deploy: {file.name} {'is out of date: run make deploy' if arguments.check else 'written'}")
    return int(arguments.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
