"""Write the generated part of deploy/: the ClusterRole, from what the agent and the IPAM backends say they need.

    python deploy/render.py            write deploy/base/clusterrole.yaml
    python deploy/render.py --check    change nothing; exit 1 if it is not what would be written
    python deploy/render.py --print    print the ClusterRole for everything that is installed here, third-party backends too

The committed file is for the distributions of this workspace, whatever else is installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from secnet.agent.cluster.kube import RULES
from secnet.agent.plugins.registry import Registry
from secnet.contract import ObjectKind

ROLE = Path(__file__).resolve().parent / "base/clusterrole.yaml"
OURS = ("secnet-ipam",)
NAME = "secnet-agent"
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


def cluster_role(kinds: Iterable[ObjectKind]) -> dict[str, Any]:
    """The ClusterRole of an agent whose plugins work with these kinds."""
    fixed = [{key: list(value) for key, value in rule.items()} for rule in (*RULES, *_DOCTOR)]
    wanted: list[Rule] = []
    for rule in (*fixed, *plugin_rules(kinds)):
        if rule not in wanted:
            wanted.append(rule)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": wanted,
    }


def role_text(distributions: Sequence[str] | None = OURS) -> str:
    """The file. distributions: whose plugins count; None for all that are installed. Ends the program if one is broken."""
    registry = Registry.load()
    if broken := [str(item.error) for item in registry.problems if _counts(item.distribution, distributions)]:
        sys.exit("\n".join(broken))
    plugins = [*registry.drivers.values(), *registry.backends.values()]
    kinds = [kind for item in plugins if _counts(item.distribution, distributions) for kind in item.info.kinds]
    return MARK + yaml.dump(cluster_role(kinds), Dumper=_Dumper, sort_keys=False, width=120)


def _counts(distribution: str, distributions: Sequence[str] | None) -> bool:
    return distributions is None or distribution in distributions


class _Dumper(yaml.SafeDumper):
    """A list of words stands in one line."""


def _list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=all(isinstance(x, str) for x in data))


_Dumper.add_representer(list, _list)


def main() -> int:
    """Write the file, compare it, or print one."""
    parser = argparse.ArgumentParser(description="Write the generated part of deploy/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is out of date")
    parser.add_argument("--print", action="store_true", help="print the role for all plugins that are installed")
    parser.add_argument("--to", type=Path, default=ROLE, metavar="FILE", help="the file (default: the committed one)")
    arguments = parser.parse_args()
    if arguments.print:
        print(role_text(None), end="")
        return 0
    text = role_text()
    if arguments.to.is_file() and arguments.to.read_text(encoding="utf-8") == text:
        return 0
    if not arguments.check:
        arguments.to.write_text(text, encoding="utf-8")
    print(f"deploy: {arguments.to.name} {'is out of date: run make deploy' if arguments.check else 'written'}")
    return int(arguments.check)


if __name__ == "__main__":
    sys.exit(main())
