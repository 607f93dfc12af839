"""All checks, in the order in which an operator corrects things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ._antrea import check_antrea
from ._base import Check, Host, Result, warn
from ._cluster import check_access, check_api, check_kinds
from ._kernel import check_kernel_modules, check_link_kinds, check_programs
from ._ledgers import check_ledgers
from ._mounts import check_mounts
from ._node import check_drivers, check_node_group, check_ovs, check_privileges
from ._runtime import check_cni, check_multus, check_sockets

__all__ = ["CHECKS", "run_checks"]

CHECKS: tuple[Check, ...] = (
    check_privileges,
    check_node_group,
    check_mounts,
    check_link_kinds,
    check_kernel_modules,
    check_programs,
    check_ovs,
    check_drivers,
    check_ledgers,
    check_sockets,
    check_cni,
    check_multus,
    check_antrea,
    check_api,
    check_kinds,
    check_access,
)


def run_checks(host: Host, checks: Iterable[Check] = CHECKS) -> Iterator[Result]:
    """Every result. A check that fails by itself is a result too."""
    for check in checks:
        try:
            yield from check(host)
        except Exception as exc:
            name = getattr(check, "__name__", "check").replace("_", " ")
            yield warn(name, f"could not be done: {exc!r}", "check it by hand, and report this")
