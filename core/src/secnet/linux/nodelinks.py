"""Links that a driver keeps per node and not per Pod, such as a bridge of its own: for `reconcile_node` and `teardown_node`.

    def reconcile_node(self, desired, call):
        bridges = NodeLinks(self.host, "linux-bridge", "bridge")
        wanted = [desired["bridge"]] if "bridge" in desired else []
        findings = [*bridges.retire(wanted, call)]
        for name in wanted:
            findings += bridges.ensure(name, call)
        return NodeReport(findings=tuple(findings))

Each change is one `call.step`: the kind, then `.create`, `.mark`, `.silence`, `.up` or `.delete`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from secnet.contract import Call, Finding, HostContext

from .ownership import is_marked, silence
from .rtnl import Rtnl, host_rtnl

__all__ = ["NodeLinks"]


class NodeLinks:
    """The links of one kind that one driver keeps on one node. Keeps no state.

    The mark is the alias `OWNER_TAG:NETWORK_TYPE`: the names are the administrator's choice, and no attachment's key is part of
    it. A link that has the name and not the mark is foreign: reported, never touched.
    """

    def __init__(self, host: HostContext, network_type: str, kind: str) -> None:
        """kind: as the kernel names it, such as `bridge`."""
        self._host = host
        self._kind = kind
        self._mark = f"{host.owner_tag}:{network_type}"

    def ensure(self, name: str, call: Call, *, data: Sequence[tuple[str, Any]] = ()) -> tuple[Finding, ...]:
        """Make the link, mark it, silence it and bring it up; what is there and right is left alone.

        data: attributes of the kind as pyroute2 names them, for one that is made (see `Rtnl.create_link`).
        Returns the finding `ForeignLink` if a link of another owner has the name. Raises Timeout or Cancelled before it creates.
        """
        with host_rtnl() as kernel:
            link = kernel.link(name)
            if link is not None and not is_marked(link, self._kind, self._mark):
                message = f"the link {name} was not made by this driver; rename it, or configure another name"
                return (Finding(code="ForeignLink", message=message, repairable=False),)
            if link is None:
                call.checkpoint()
                with call.step(f"{self._kind}.create", host=name):
                    link = kernel.create_link(name, self._kind, data=data)
            if link.alias != self._mark:
                with call.step(f"{self._kind}.mark", host=name, alias=self._mark):
                    kernel.set_link(link.index, alias=self._mark)
            silence(name, f"{self._kind}.silence", self._host, call)
            if not link.up:
                with call.step(f"{self._kind}.up", host=name):
                    kernel.set_link(link.index, up=True)
        return ()

    def retire(self, keep: Collection[str], call: Call) -> tuple[Finding, ...]:
        """Remove the links with our mark whose names are not in `keep`.

        One that still has ports, or that the names of one of `call.attachments` mention, stays and is reported as `LinkInUse`,
        which is advisory: it goes once they are gone.
        """
        with host_rtnl() as kernel:
            return tuple(self._retire(kernel, keep, call))

    def _retire(self, kernel: Rtnl, keep: Collection[str], call: Call) -> list[Finding]:
        links, found = kernel.links(), []
        needed = {name for attachment in call.attachments for name in attachment.names.values()}
        for link in links:
            # By the mark alone: what has none yet is taken over by its name, in `ensure`.
            if link.kind != self._kind or link.alias != self._mark or link.name in keep:
                continue
            if link.name in needed or any(port.master == link.index for port in links):
                message = (
                    f"the {self._kind} {link.name} is configured no longer but in use; "
                    f"it goes when its last interface is gone"
                )
                found.append(Finding(code="LinkInUse", message=message, advisory=True))
                continue
            with call.step(f"{self._kind}.delete", host=link.name):
                kernel.delete_link(link.index)
        return found
