"""The vlan driver under the conformance kit, on a private Open vSwitch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from secnet.contract import Attachment
from secnet_conformance import DriverCase, DriverSuite, Host, Namespace
from secnet_testing.ovs import PrivateOvs
from secnet_vlan import VlanDriver

pytestmark = pytest.mark.ovs


class VlanCase(DriverCase):
    """Two bridges without uplinks."""

    driver = VlanDriver
    good = ({"vlan": 100}, {}, {"vlan": 0}, {"vlan": 200, "bridge": "br-two"})
    node: Mapping[str, Any] = {"ovsBridges": [{"bridgeName": "br-one"}, {"bridgeName": "br-two"}]}
    switch: PrivateOvs

    def prepare(self, host: Host) -> None:
        assert host.namespace is not None
        self.switch = PrivateOvs(host.namespace, host.folder)
        host.at_end(self.switch.stop)
        self.switch.start()

    def context(self, host: Host) -> Mapping[str, Any]:
        return {"ovsdb": self.switch.target, "datapath_type": "netdev"}

    def snapshot(self, host: Host) -> Mapping[str, Any]:
        return self.switch.rows()

    def inside(self, host: Host, pod: Namespace, attachment: Attachment) -> None:
        row = self.switch.rows()["Port"][attachment.names["host"]]
        assert (row["tag"], row["vlan_mode"]) == (attachment.request.options.get("vlan", 0), "access")


class TestVlan(DriverSuite):
    case = VlanCase
