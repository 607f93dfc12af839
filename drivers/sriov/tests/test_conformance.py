"""The SR-IOV types under the conformance kit: as packages, as long as they are described only."""

from __future__ import annotations

from secnet_conformance import Bad, DriverCase, DriverSuite
from secnet_sriov import SriovDriver, SriovSfDriver, SriovVfDriver


class SriovCase(DriverCase):
    """What the three share."""

    driver = SriovDriver
    not_ready = "only described in this version of secnet-sriov"
    good = ({"vlan": 100, "spoofchk": "on"}, {})
    bad = (
        Bad({"vlan": 4095}, reason="InvalidConfig"),
        Bad({"vlanQoS": 8}, reason="InvalidConfig"),
        Bad({"vlanProto": "802.1p"}, reason="InvalidConfig"),
        Bad({"spoofchk": True}, reason="InvalidConfig"),
        Bad({"linkState": "up"}, reason="InvalidConfig"),
        Bad({"rate": 1}, reason="InvalidConfig"),
    )


class SriovVfCase(SriovCase):
    driver = SriovVfDriver


class SriovSfCase(SriovCase):
    driver = SriovSfDriver


class TestSriov(DriverSuite):
    case = SriovCase


class TestSriovVf(DriverSuite):
    case = SriovVfCase


class TestSriovSf(DriverSuite):
    case = SriovSfCase
