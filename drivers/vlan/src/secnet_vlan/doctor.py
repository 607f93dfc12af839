"""What `secnet doctor` says of the datapath that the bridges need."""

from __future__ import annotations

from secnet.contract import DoctorLevel, DoctorResult, HostContext, SecnetError
from secnet.ovs import look

from .config import NodeConfig

__all__ = ["examine"]

_MODULES = {"system": "openvswitch", "netdev": "tun"}


def examine(host: HostContext, config: NodeConfig) -> tuple[DoctorResult, ...]:
    """Whether ovs-vswitchd has the datapath; while it does not answer, whether the kernel has loaded its module."""
    worse = DoctorLevel.FAIL if config.bridges else DoctorLevel.WARN
    wanted, module = config.datapath_type, _MODULES[config.datapath_type]
    try:
        known = look(host.ovsdb).datapath_types
    except SecnetError:  # the core says that Open vSwitch does not answer
        known = ()
    if not known:
        if (host.sysfs_root / "module" / module).is_dir():
            return ()
        remedy = f"load the module {module}, or set datapathType"
        finding = f"the module {module} is not loaded, and ovs-vswitchd cannot be asked"
        return (DoctorResult(level=DoctorLevel.WARN, what=f"OVS datapath {wanted}", finding=finding, remedy=remedy),)
    if wanted in known:
        finding = f"one of {', '.join(known)}"
        return (DoctorResult(level=DoctorLevel.OK, what=f"OVS datapath {wanted}", finding=finding),)
    remedy = f"load the module {module}, or set datapathType"
    finding = f"ovs-vswitchd has only {', '.join(known)}"
    return (DoctorResult(level=worse, what=f"OVS datapath {wanted}", finding=finding, remedy=remedy),)
