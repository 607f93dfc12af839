"""Which link kinds the kernel has or can load, told without making one: that would load modules."""

from __future__ import annotations

from collections.abc import Iterator

from ._base import Host, Result, fail, ok, warn

__all__ = ["KINDS", "check_link_kinds"]

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
_WORD = r"\b(?:veth|bridge|vlan|macvlan|ipvlan|vxlan|tun|bond|openvswitch)\b(?= links?\b)"


def check_link_kinds(host: Host) -> Iterator[Result]:
    """One result for each kind: a failure where a configured network type needs it, a warning where an installed one does."""
    symbols = _symbols(host)
    loadable = _loadable(host)
    needed = _needed(host)
    for kind, (module, symbol) in KINDS.items():
        what, users = f"link kind {kind}", needed.get(kind, [])
        wanted = f", needed by {', '.join(users)}" if users else ""
        worse = fail if any(host.settings.drivers.get(name) for name in users) else warn
        if symbol in symbols or host.path(f"/sys/module/{module}/refcnt").exists():
            yield ok(what, f"present{wanted}")
        elif module in loadable:
            yield ok(what, f"can be loaded as the module {module}{wanted}")
        elif not users:
            yield ok(what, "not found, and nothing installed needs it")
        elif not symbols:
            yield warn(what, f"cannot be told, as /proc/kallsyms is not readable{wanted}", "run this as root")
        else:
            mend = f"boot a kernel with it, or install the package that brings the module {module}"
            yield worse(what, f"absent{wanted}", mend)


def _needed(host: Host) -> dict[str, list[str]]:
    """Kinds by the network types that need them. Open vSwitch brings the kind of the datapath that is configured."""
    needed = host.needing(_WORD)
    users = sorted({name for names in host.needing("OVSDB").values() for name in names})
    if users:
        needed.setdefault("openvswitch" if host.settings.datapath_type == "system" else "tun", []).extend(users)
    return needed


def _symbols(host: Host) -> frozenset[str]:
    wanted = {symbol for _, symbol in KINDS.values()}
    try:
        with host.path("/proc/kallsyms").open(encoding="ascii", errors="replace") as lines:
            found = {word for line in lines for word in line.split()[2:3]}
    except OSError:
        return frozenset()
    return frozenset(found & wanted) or frozenset({""} if found else ())


def _loadable(host: Host) -> frozenset[str]:
    """Names of the modules that modprobe would find for the running kernel."""
    try:
        release = host.path("/proc/sys/kernel/osrelease").read_text(encoding="ascii").strip()
        text = host.path(f"/lib/modules/{release}/modules.dep").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    paths = (line.partition(":")[0] for line in text.splitlines())
    return frozenset(path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_") for path in paths)
