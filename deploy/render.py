"""Write the generated part of deploy/: the ClusterRoles, from what the agent and the IPAM backends say they need.

    python deploy/render.py            write clusterrole.yaml of base, components/dra and components/policies
    python deploy/render.py --check    change nothing; exit 1 if one is not what would be written
    python deploy/render.py --print    print the base's for everything that is installed here, third-party backends too

The committed files are for the distributions of this workspace, whatever else is installed. That of `policies` has the rights
that only a policy makes small enough.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from secnet.agent.cluster.kube import DRA_RULES, POLICED_RULES, RULES
from secnet.agent.plugins.registry import Registry
from secnet.contract import ObjectKind

DEPLOY = Path(__file__).resolve().parent
OURS = ("secnet-ipam",)
NAME = "secnet-agent"
POLICED_NAME = "secnet-agent-nodes"
DRA_NAME = "secnet-agent-dra"
MARK = "# Written by deploy/render.py (`make deploy`): change what the agent or a backend declares, not this file.\n"

Rule = dict[str, list[str]]

# What `secnet doctor` looks at, read-only: the definitions, and which rights the agent has.
_DOCTOR: tuple[Rule, ...] = (
    {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["get"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]},
)


def plugin_rules(kinds: Iterable[ObjectKind]) -> Iterator[Rule]:
    """For each kind that a plugin declares: read it, watch one that a Pod waits for, and update its status."""
    for group, plural in sorted({(kind.group, kind.plural) for kind in kinds}):
        yield {"apiGroups": [group], "resources": [plural], "verbs": ["get", "list", "watch"]}
        yield {"apiGroups": [group], "resources": [f"{plural}/status"], "verbs": ["update"]}


def cluster_role(name: str, rules: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, Any]:
    """A ClusterRole of these rules, each once."""
    distinct: list[Rule] = []
    for rule in rules:
        if (plain := {key: list(value) for key, value in rule.items()}) not in distinct:
            distinct.append(plain)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": distinct,
    }


def role_text(distributions: Sequence[str] | None = OURS) -> str:
    """The file. distributions: whose plugins count; None for all that are installed. Ends the program if one is broken."""
    registry = Registry.load()
    if broken := [str(item.error) for item in registry.problems if _counts(item.distribution, distributions)]:
        sys.exit("\n".join(broken))
    plugins = [*registry.drivers.values(), *registry.backends.values()]
    kinds = [kind for item in plugins if _counts(item.distribution, distributions) for kind in item.info.kinds]
    return _text(cluster_role(NAME, (*RULES, *_DOCTOR, *plugin_rules(kinds))))


def _text(role: dict[str, Any]) -> str:
    return MARK + yaml.dump(role, Dumper=_Dumper, sort_keys=False, width=120)


def roles() -> Iterator[tuple[str, str]]:
    """Each file, by its path below deploy/, and its text."""
    yield "base/clusterrole.yaml", role_text()
    yield "components/dra/clusterrole.yaml", _text(cluster_role(DRA_NAME, DRA_RULES))
    yield "components/policies/clusterrole.yaml", _text(cluster_role(POLICED_NAME, POLICED_RULES))


def _counts(distribution: str, distributions: Sequence[str] | None) -> bool:
    return distributions is None or distribution in distributions


class _Dumper(yaml.SafeDumper):
    """A list of words stands in one line."""


def _list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=all(isinstance(x, str) for x in data))


_Dumper.add_representer(list, _list)


def main() -> int:
    """Write the files, compare them, or print one."""
    parser = argparse.ArgumentParser(description="Write the generated part of deploy/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    parser.add_argument("--print", action="store_true", help="print the role for all plugins that are installed")
    parser.add_argument("--to", type=Path, default=DEPLOY, metavar="FOLDER", help="default: deploy/")
    arguments = parser.parse_args()
    if arguments.print:
        print(role_text(None), end="")
        return 0
    stale = 0
    for name, text in roles():
        file: Path = arguments.to / name
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if not arguments.check:
            file.write_text(text, encoding="utf-8")
        print(f"deploy: {name} {'is out of date: run make deploy' if arguments.check else 'written'}")
    return int(arguments.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
