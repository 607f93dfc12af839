"""What Antrea's own antrea-agent.conf has beside the bridges of secondary networks, so that the file can be pasted as it is.

Its keys are about the primary network: they are accepted, reported in a note, and have no effect here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..text.schema import Problem

__all__ = ["ANTREA_KEYS", "antrea_notes", "without_antrea"]

# The top of Antrea's AgentConfig up to version 2.5, deprecated keys included; `featureGates` and `secondaryNetwork` are ours too.
ANTREA_KEYS = frozenset(
    [
        "activeFlowExportTimeout",
        "agentRole",
        "antreaClientConnection",
        "antreaProxy",
        "apiPort",
        "auditLogging",
        "clientConnection",
        "clusterPort",
        "cniSocket",
        "defaultMTU",
        "disableTXChecksumOffload",
        "dnsServerOverride",
        "egress",
        "enableBridgingMode",
        "enableIPSecTunnel",
        "enablePrometheusMetrics",
        "flowCollectorAddr",
        "flowExporter",
        "flowPollInterval",
        "fqdnCacheMinTTL",
        "hostGateway",
        "hostProcPathPrefix",
        "idleFlowExportTimeout",
        "ipsec",
        "kubeAPIServerOverride",
        "multicast",
        "multicastInterfaces",
        "multicluster",
        "noSNAT",
        "nodePortLocal",
        "nplPortRange",
        "ovsBridge",
        "ovsDatapathType",
        "ovsRunDir",
        "packetInRate",
        "serviceCIDR",
        "serviceCIDRv6",
        "snatFullyRandomPorts",
        "tlsCipherSuites",
        "tlsMinVersion",
        "trafficEncapMode",
        "trafficEncryptionMode",
        "transportInterface",
        "transportInterfaceCIDRs",
        "tunnelCsum",
        "tunnelPort",
        "tunnelType",
        "wireGuard",
    ]
)
"""Keys that have no meaning here."""

_GATES = "featureGates"
_OURS = "SecondaryNetwork"


def _is_antreas(key: str, value: Any) -> bool:
    # `ovsBridge` names the bridge of the primary network; anything but a name is a slip, and refused.
    return key in ANTREA_KEYS and (key != "ovsBridge" or isinstance(value, str))


def without_antrea(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what only Antrea's agent reads."""
    return {key: value for key, value in data.items() if not _is_antreas(key, value)}


def antrea_notes(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is accepted and has no effect: nothing to correct. `data` is valid."""
    gates = data.get(_GATES) or {}
    if _OURS in gates:
        state = "on" if gates[_OURS] else "off"
        message = f"{state} here or not, secnet works: the gate is for Antrea's agent"
        hint = "in Antrea's own configuration it must be off, or both agents would serve the same Pods"
        yield Problem(path=f"$.{_GATES}.{_OURS}", message=message, hint=hint)
    if others := sorted(gates.keys() - {_OURS}):
        message = f"{', '.join(others)}: for Antrea's agent only, without effect here"
        yield Problem(path=f"$.{_GATES}", message=message, hint="")
    if ignored := sorted(key for key, value in data.items() if _is_antreas(key, value)):
        message = f"{', '.join(ignored)}: of Antrea's primary network, without effect here"
        yield Problem(path="$", message=message, hint="")
