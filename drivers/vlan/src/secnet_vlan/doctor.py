"""What `secnet doctor` says of the datapath that the bridges need, and of the network behind their uplinks."""

from __future__ import annotations

from secnet.contract import DoctorLevel, DoctorResult, HostContext, SecnetError
from secnet.linux.hypervisor import hypervisor
from secnet.ovs import look

from .config import NodeConfig

__all__ = ["examine"]

_MODULES = {"system": "openvswitch", "netdev": "tun"}


def examine(host: HostContext, config: NodeConfig) -> tuple[DoctorResult, ...]:
    """The datapath, then the uplinks."""
    return (*_datapath(host, config), *_uplinks(host, config))


def _uplinks(host: HostContext, config: NodeConfig) -> tuple[DoctorResult, ...]:
    """A warning where the network of a virtual machine is likely to drop frames of the Pods' MACs."""
    uplinks = [name for bridge in config.bridges for name in bridge.uplinks]
    machine = hypervisor(host.sysfs_root) if uplinks else ""
    if not machine:
        return ()
    finding = f"this is a machine of {machine}, whose network may drop frames of the Pods' MACs at {', '.join(uplinks)}"
    remedy = "if Pods of two nodes do not reach each other, see docs/dropped-frames.md"
    return (DoctorResult(level=DoctorLevel.WARN, what="network of the uplinks", finding=finding, remedy=remedy),)


def _datapath(host: HostContext, config: NodeConfig) -> tuple[DoctorResult, ...]:
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
