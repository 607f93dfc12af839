"""Which link kinds and modules the kernel has or can load, without making a link: that would load modules. Programs too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from ._base import Host, Result, ok, warn

__all__ = ["KINDS", "check_kernel_modules", "check_link_kinds", "check_programs"]

# Link kind -> its module, and a function that stands in the kernel's symbols exactly when the kind is built in or loaded.
KINDS = {
    "veth": ("veth", "veth_newlink"),
    "bridge": ("bridge", "br_dev_newlink"),
    "vlan": ("8021q", "vlan_newlink"),
    "macvlan": ("macvlan", "macvlan_newlink"),
    "ipvlan": ("ipvlan", "ipvlan_link_new"),
    "vxlan": ("vxlan", "vxlan_newlink"),
    "tun": ("tun", "tun_chr_open"),
    "bond": ("bonding", "bond_newlink"),
    "openvswitch": ("openvswitch", "ovs_dp_cmd_new"),
}


def check_link_kinds(host: Host) -> Iterator[Result]:
    """One result for each kind: a failure where a configured network type needs it, a warning where an installed one does."""
    symbols = _symbols(host)
    loadable = _loadable(host)
    needed = host.needing(lambda needs: needs.link_kinds)
    for kind, (module, symbol) in (KINDS | {kind: (kind, "") for kind in needed if kind not in KINDS}).items():
        what, users = f"link kind {kind}", needed.get(kind, [])
        needed_by = f", needed by {', '.join(users)}" if users else ""
        worse = host.worse(users)
        if (symbol and symbol in symbols) or host.path(f"/sys/module/{module}/refcnt").exists():
            yield ok(what, f"present{needed_by}")
        elif module in loadable:
            yield ok(what, f"can be loaded as the module {module}{needed_by}")
        elif not users:
            yield ok(what, "not found, and nothing installed needs it")
        elif not symbols:
            yield warn(what, f"unknown, as /proc/kallsyms is not readable{needed_by}", "run this as root")
        else:
            remedy = f"boot a kernel with it, or install the package that brings the module {module}"
            yield worse(what, f"absent{needed_by}", remedy)


def check_kernel_modules(host: Host) -> Iterator[Result]:
    """One result for each kernel module that a plugin needs: loaded, built in, or ready to be loaded."""
    loadable = _loadable(host)
    for module, users in host.needing(lambda needs: needs.kernel_modules).items():
        what, needed_by = f"kernel module {module}", f", needed by {', '.join(users)}"
        if host.path(f"/sys/module/{module}").is_dir():
            yield ok(what, f"present{needed_by}")
        elif module in loadable:
            yield ok(what, f"can be loaded{needed_by}")
        else:
            remedy = f"boot a kernel with it, or install the package that brings the module {module}"
            yield host.worse(users)(what, f"absent{needed_by}", remedy)


def check_programs(host: Host) -> Iterator[Result]:
    """One result for each program that a plugin needs, looked for in the PATH of this process."""
    places = [place for place in host.environment.get("PATH", os.defpath).split(os.pathsep) if place]
    path = os.pathsep.join(str(host.path(place)) for place in places)
    for program, users in host.needing(lambda needs: needs.programs).items():
        what, needed_by = f"program {program}", f", needed by {', '.join(users)}"
        if shutil.which(program, path=path):
            yield ok(what, f"found{needed_by}")
        else:
            yield host.worse(users)(what, f"not found in PATH{needed_by}", "install it where the agent runs")


def _symbols(host: Host) -> frozenset[str]:
    symbols = {symbol for _, symbol in KINDS.values()}
    try:
        with host.path("/proc/kallsyms").open(encoding="ascii", errors="replace") as lines:
            found = {word for line in lines for word in line.split()[2:3]}
    except OSError:
        return frozenset()
    return frozenset(found & symbols) or frozenset({""} if found else ())


def _loadable(host: Host) -> frozenset[str]:
    """Names of the modules that modprobe would find for the running kernel, or that are built into it."""
    try:
        release = host.path("/proc/sys/kernel/osrelease").read_text(encoding="ascii").strip()
        folder = host.path(f"/lib/modules/{release}")
        text = (folder / "modules.dep").read_text(encoding="utf-8")
        builtin = folder / "modules.builtin"
        text += builtin.read_text(encoding="utf-8") if builtin.exists() else ""
    except OSError:
        return frozenset()
    paths = (line.partition(":")[0] for line in text.splitlines())
    return frozenset(path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_") for path in paths)
