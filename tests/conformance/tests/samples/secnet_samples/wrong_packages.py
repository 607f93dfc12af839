"""Plugins that are wrong as packages, or in what they understand of older releases; each is right in all else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from secnet.contract import Attachment, BackendInfo, Call, CheckReport, IpamLease, ProbeReport

from .leases import ListBackend
from .pair import PairDriver

__all__ = ["NeedsColour", "NeedsSize", "NeverReady", "NeverReadyDriver", "NoIps", "NotInstalled", "TwiceInstalled"]

NOT_READY = "waits for a service that no one has written"


class NotInstalled(ListBackend):
    """No entry point names it."""

    ipam_type = "not-installed"


class TwiceInstalled(ListBackend):
    """Another distribution provides the same type."""

    ipam_type = "twice-installed"


class NeverReady(ListBackend):
    """Right, for cases that are wrong: says that it cannot work, so that only the tests of the package run."""

    ipam_type = "never-ready"

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=False, message=NOT_READY)


class NeverReadyDriver(PairDriver):
    """The same as a driver."""

    network_type = "never-ready"

    def probe(self) -> ProbeReport:
        return ProbeReport(ready=False, message=NOT_READY)


class NoIps(ListBackend):
    """Right, for a core that is wrong: declares no capability."""

    ipam_type = "no-ips"

    @classmethod
    def describe(cls) -> BackendInfo:
        return dataclasses.replace(super().describe(), capabilities=frozenset())


class NeedsSize(ListBackend):
    """check wants an option that an older release did not write."""

    ipam_type = "needs-size"

    def check(self, lease: IpamLease, config: Mapping[str, Any], call: Call) -> CheckReport:
        assert config["size"]
        return super().check(lease, config, call)


class NeedsColour(PairDriver):
    """detach wants an option that an older release did not write."""

    network_type = "needs-colour"

    def detach(self, attachment: Attachment, call: Call) -> None:
        assert attachment.request.options["colour"]
        super().detach(attachment, call)
