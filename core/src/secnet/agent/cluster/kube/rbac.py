"""What the agent may do in the cluster, as data: the rules of its ClusterRoles.

The manifests of `deploy/` are made from it, the tests run the agent with nothing more, and messages about a refused
request show the rule that is missing. A request that has no rule here is a mistake in this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["DRA_RULES", "POLICED_RULES", "RULES", "rule_text"]

RULES: Sequence[Mapping[str, Sequence[str]]] = (
    # This node's Pods are listed and watched. One is read when a sandbox comes before it is known, and where another writer
    # changed it before its status is patched.
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    # The condition secnet.io/SecondaryNetworksReady, and the annotation network-status: the API server takes annotations of a
    # Pod by its status too. The right to patch `pods` would also be the right to change the images of every Pod.
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    # What happened to a Pod's networks; patched when it happens again.
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    # Whether there is a Node of our name, once at the start: with a wrong one no Pod would be ours.
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    # Every NAD, whichever namespace it is in.
    {
        "apiGroups": ["k8s.cni.cncf.io"],
        "resources": ["network-attachment-definitions"],
        "verbs": ["get", "list", "watch"],
    },
    # Read when an address is needed. A single pool is watched, and only while a Pod of the node waits for an address of it: a
    # watch of all pools would send every address to every agent.
    {"apiGroups": ["crd.antrea.io"], "resources": ["ippools"], "verbs": ["get", "list", "watch"]},
    # Addresses are allocated and released in the status, with the resourceVersion that was read.
    {"apiGroups": ["crd.antrea.io"], "resources": ["ippools/status"], "verbs": ["update"]},
    # Whether Antrea makes secondary networks itself: the agent does not work beside it. By the names in Antrea's manifests.
    {"apiGroups": ["apps"], "resources": ["daemonsets"], "resourceNames": ["antrea-agent"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["antrea-config"], "verbs": ["get"]},
)

# The startup taint is removed (secnet.agent.preflight.startup_taint). RBAC cannot say "this taint" or "its own Node": the right
# is part of deploy/components/policies, whose policy does.
POLICED_RULES: Sequence[Mapping[str, Sequence[str]]] = (
    {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]},
)

# What DRA drivers publish about the devices of this node, for each Pod with such devices (secnet.agent.devices.slices). Part of
# deploy/components/dra.
DRA_RULES: Sequence[Mapping[str, Sequence[str]]] = (
    {"apiGroups": ["resource.k8s.io"], "resources": ["resourceslices"], "verbs": ["list"]},
)


def rule_text(group: str, resource: str, verb: str) -> str:
    """One rule as it is written in a ClusterRole, for messages."""
    return f'{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}'
