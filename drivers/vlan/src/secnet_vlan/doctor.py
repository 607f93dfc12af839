"""What `secnet doctor` says of the datapath that the bridges need."""

from __future__ import annotations

from secnet.contract import DoctorLevel, DoctorResult, HostContext, SecnetError
from secnet.ovs import look

from .config import NodeConfig

__all__ = ["examine"]

_MODULES = {"system": "openvswitch", "netdev": "tun"}


def examine(host: HostContext, config: NodeConfig) -> tuple[DoctorResult, ...]:
    """Whether ovs-vswitchd has the datapath of the configured bridges; while it does not answer, whether the module is loaded."""
    if not config.bridges:
        return ()
    module, what = _MODULES[config.datapath_type], f"OVS datapath {config.datapath_type}"
    remedy = f"load the module {module}, or set datapathType"
    try:
        known = look(host.ovsdb).datapath_types
    except SecnetError:  # the core says that Open vSwitch does not answer
        known = ()
    if config.datapath_type in known:
        return (DoctorResult(level=DoctorLevel.OK, what=what, finding=f"one of {', '.join(known)}"),)
    if known:
        finding = f"ovs-vswitchd has only {', '.join(known)}"
        return (DoctorResult(level=DoctorLevel.FAIL, what=what, finding=finding, remedy=remedy),)
    if (host.sysfs_root / "module" / module).is_dir():
        return ()
    finding = f"the module {module} is not loaded, and ovs-vswitchd cannot be asked"
    return (DoctorResult(level=DoctorLevel.WARN, what=what, finding=finding, remedy=remedy),)
