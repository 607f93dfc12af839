"""What the caller of a plugin adds to the configuration for one attachment."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.cni._protocol import parse_call

from .helpers import RUNTIME, raw, single


def test_the_runtimes_options_are_canonical() -> None:
    runtime = parse_call(raw("ADD", single(runtimeConfig=RUNTIME))).runtime
    assert runtime.mac == "02:00:00:00:00:aa"
    assert runtime.ips == ("10.0.0.5/24", "2001:db8::1")
    assert runtime.bandwidth == {"ingressRate": 1000, "ingressBurst": 10}
    assert runtime.port_mappings[0]["hostPort"] == 80
    assert runtime.infiniband_guid == "00:11:22:33:44:55:66:77"
    assert runtime.device_info_file == "/var/run/k8s.cni.cncf.io/devinfo/cni/x"
    assert runtime.device_id is None


@pytest.mark.parametrize(
    "added",
    [
        {"deviceID": "0000:3b:00.1"},
        {"deviceID": "0000:3b:00.1", "pciBusID": "0000:3B:00.1"},
        {"runtimeConfig": {"deviceID": "0000:3B:00.1"}},
    ],
)
def test_a_device_is_found_where_callers_put_it(added: dict[str, Any]) -> None:
    """A PCI address has lower case behind this, as in sysfs."""
    assert parse_call(raw("ADD", single(**added))).runtime.device_id == "0000:3b:00.1"
