"""Drivers that are wrong when the section of the node configuration goes or changes, and a right one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from secnet.contract import DIALECT, Call, DriverInfo, Finding, NodeReport
from secnet.linux.names import LINK_GROUP
from secnet.linux.rtnl import Link, host_rtnl

from .pair import PairDriver

__all__ = ["Bridged", "DrainsUnready", "ForgetsFormer", "KeepsWithoutSection", "NeedsSection"]

NODE: Mapping[str, Any] = {
    "$schema": DIALECT,
    "title": "Node configuration",
    "description": "The section of the type.",
    "type": "object",
    "additionalProperties": False,
    "required": ["bridge"],
    "properties": {
        "bridge": {
            "title": "Bridge",
            "description": "Name of the bridge to make.",
            "type": "string",
            "pattern": "^[a-z0-9-]{1,15}$",
            "examples": ["pair-br0"],
        }
    },
}


class Bridged(PairDriver):
    """A right one: it makes the bridge of its section, which its links use in name only, and no other."""

    network_type = "bridged"

    @classmethod
    def describe(cls) -> DriverInfo:
        return dataclasses.replace(super().describe(), node=NODE)

    def mark(self) -> str:
        return f"{self.host.owner_tag}:{self.network_type}"

    def wanted(self, desired: Mapping[str, Any]) -> str | None:
        return desired.get("bridge")

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        wanted = self.wanted(desired)
        self.retire(wanted, call)
        if wanted is None:
            return NodeReport()
        with host_rtnl() as kernel:
            link = kernel.link(wanted)
            if link is None:
                with call.step("bridge.create"):
                    link = kernel.create_link(wanted, "bridge")
            if link.alias != self.mark() and (link.alias or link.group != LINK_GROUP):
                return NodeReport(findings=(Finding(code="Foreign", message=f"{wanted} is somebody else's"),))
            if link.alias != self.mark():
                with call.step("bridge.mark"):
                    kernel.set_link(link.index, alias=self.mark())
        return NodeReport()

    def retire(self, wanted: str | None, call: Call) -> None:
        """Remove each bridge of ours that is not wanted, also one that never got its mark."""
        with host_rtnl() as kernel:
            for link in kernel.links(group=LINK_GROUP):
                if link.name != wanted and self.is_bridge(link):
                    with call.step("bridge.delete"):
                        kernel.delete_link(link.index)

    def is_bridge(self, link: Link) -> bool:
        return link.kind == "bridge" and link.alias in ("", self.mark())

    def teardown_node(self, call: Call) -> None:
        self.retire(None, call)


class NeedsSection(Bridged):
    """Fails where there is no section."""

    network_type = "needs-section"

    def wanted(self, desired: Mapping[str, Any]) -> str | None:
        name: str = desired["bridge"]
        return name


class KeepsWithoutSection(Bridged):
    """Does nothing where there is no section, so the bridge stays."""

    network_type = "keeps-without-section"

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        return super().reconcile_node(desired, call) if desired else NodeReport()


class ForgetsFormer(Bridged):
    """Makes the bridge of a changed section, and leaves the former one."""

    network_type = "forgets-former"

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        self.keeping = bool(desired)
        return super().reconcile_node(desired, call)

    def teardown_node(self, call: Call) -> None:
        self.keeping = False
        super().teardown_node(call)

    def is_bridge(self, link: Link) -> bool:
        return super().is_bridge(link) and not self.keeping


class DrainsUnready(Bridged):
    """Keeps the former bridge as long as there are links, which is right, and keeps the agent unready for it."""

    network_type = "drains-unready"

    def retire(self, wanted: str | None, call: Call) -> None:
        if not self.inventory(call).owned:
            super().retire(wanted, call)

    def reconcile_node(self, desired: Mapping[str, Any], call: Call) -> NodeReport:
        report = super().reconcile_node(desired, call)
        with host_rtnl() as kernel:
            former = [link for link in kernel.links(group=LINK_GROUP) if self.is_bridge(link)]
        if all(link.name == self.wanted(desired) for link in former):
            return report
        return NodeReport(findings=(*report.findings, Finding(code="InUse", message="a former bridge is in use")))
