"""Whether this machine is a virtual machine, and of whom: by what its firmware says (DMI)."""

from __future__ import annotations

from pathlib import Path

__all__ = ["hypervisor"]

_FILES = ("sys_vendor", "product_name", "board_vendor", "bios_vendor", "chassis_asset_tag")

# What a machine is called by a word in one of these; the first that is found counts. Azure is before Hyper-V, clouds before QEMU.
_WORDS = (
    ("vmware", "VMware"),
    ("amazon ec2", "Amazon EC2"),
    ("google compute engine", "Google Compute Engine"),
    ("7783-7084-3265-9085-8269-3286-77", "Microsoft Azure"),
    ("oraclecloud", "Oracle Cloud"),
    ("openstack", "OpenStack"),
    ("alibaba cloud", "Alibaba Cloud"),
    ("huawei cloud", "Huawei Cloud"),
    ("tencent cloud", "Tencent Cloud"),
    ("digitalocean", "DigitalOcean"),
    ("hetzner", "Hetzner Cloud"),
    ("exoscale", "Exoscale"),
    ("scaleway", "Scaleway"),
    ("vultr", "Vultr"),
    ("linode", "Linode"),
    ("nutanix", "Nutanix"),
    ("virtualbox", "VirtualBox"),
    ("virtual machine", "Hyper-V"),
    ("ovirt", "oVirt"),
    ("xen", "Xen"),
    ("qemu", "QEMU"),
    ("kvm", "KVM"),
)


def hypervisor(sysfs_root: Path = Path("/sys")) -> str:
    """Name of the cloud or the hypervisor, such as `VMware`; empty on a machine of its own, or where the firmware says nothing.

    A physical machine of a cloud has the cloud's name too: its network is the cloud's as well.
    """
    words = " ".join(_read(sysfs_root / "class/dmi/id" / name) for name in _FILES).lower()
    return next((name for word, name in _WORDS if word in words), "")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
