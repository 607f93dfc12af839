"""Whether an Antrea agent makes secondary networks too: it would take our addresses for leftovers and free them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from secnet.contract import ObjectNotFound, SecnetError
from secnet.ovs import look

from .base import ApiReader, Host, Result, fail, ok, warn

__all__ = ["check_antrea"]

_NAMESPACE = "kube-system"
_DAEMONSET = "antrea-agent"
_CONFIG_MAP = "antrea-config"
_CONFIG_FILE = "antrea-agent.conf"
_GATE = "SecondaryNetwork"
_BY_HAND = f"look for the feature gate {_GATE} in the ConfigMap {_CONFIG_MAP} of {_NAMESPACE} by hand"


def check_antrea(host: Host) -> Iterator[Result]:
    """By its configuration in the cluster, and by the ports that it left in Open vSwitch."""
    if host.api is not None:
        yield _configured(host.api)
    if not host.needing("OVSDB"):
        return
    try:
        ports = look(host.settings.ovsdb).ports
    except SecnetError:
        return  # said by the check of Open vSwitch
    what = "ports of Antrea's secondary networks"
    # It writes the interface's name only where that is not the Pod's first one.
    found = sorted(name for name, ids in ports.items() if ids.get("antrea-type") == "container" and "if-dev" in ids)
    if found:
        shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        yield warn(what, f"there are {shown}", "create their Pods anew, once Antrea's feature is off")
    else:
        yield ok(what, "none")


def _configured(api: ApiReader) -> Result:
    what = "Antrea agent"
    try:
        daemonset = api.get(f"/apis/apps/v1/namespaces/{_NAMESPACE}/daemonsets/{_DAEMONSET}")
        name = _config_map(daemonset)
        if name is None:
            return warn(what, "runs, but none of its volumes is its configuration", _BY_HAND)
        content = (api.get(f"/api/v1/namespaces/{_NAMESPACE}/configmaps/{name}").get("data") or {}).get(
            _CONFIG_FILE, ""
        )
        gates = (yaml.safe_load(content) or {}).get("featureGates") or {}
    except ObjectNotFound:
        return ok(what, "none in this cluster")
    except SecnetError as exc:
        return warn(what, f"cannot be told: {exc.message}", _BY_HAND)
    except (yaml.YAMLError, AttributeError):
        return warn(what, "its configuration cannot be read", _BY_HAND)
    if gates.get(_GATE) is True:
        mend = f"set featureGates.{_GATE} to false in the ConfigMap {name} and restart it"
        return fail(what, "makes secondary networks itself, and would free our addresses", mend)
    return ok(what, "runs without secondary networks")


def _config_map(daemonset: Mapping[str, Any]) -> str | None:
    volumes = daemonset["spec"]["template"]["spec"].get("volumes") or ()
    names = [str((volume.get("configMap") or {}).get("name", "")) for volume in volumes]
    return next((name for name in names if name.startswith(_CONFIG_MAP)), None)
