"""Attributes of virtual functions: what is sent and read here, and what the kernel says to it on a link that has none.

No physical function is here; in the VM tier all of it is done on one that an emulator makes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from secnet.contract import InvalidConfig, NotReady, Unsupported
from secnet.linux.connection import Connection
from secnet.linux.replies import each
from secnet.linux.rtnl import Rtnl, VirtualFunction, host_rtnl
from secnet.linux.vf import _parse
from secnet_testing.netns import Namespace

MAC = "02:aa:bb:cc:dd:01"
SETTERS: dict[str, Callable[[Rtnl, int], None]] = {
    "VLAN 100": lambda kernel, index: kernel.set_vf_vlan(index, 3, 100, 5),
    "protocol 802.1ad": lambda kernel, index: kernel.set_vf_vlan(index, 3, 100, 5, "802.1ad"),
    MAC: lambda kernel, index: kernel.set_vf_mac(index, 3, MAC),
    "spoofchk on": lambda kernel, index: kernel.set_vf_spoofchk(index, 3, True),
    "trust off": lambda kernel, index: kernel.set_vf_trust(index, 3, False),
    "link state disable": lambda kernel, index: kernel.set_vf_link_state(index, 3, "disable"),
    "10 to 100 Mbit/s": lambda kernel, index: kernel.set_vf_rate(index, 3, 10, 100),
}


@pytest.fixture
def kernel(node_netns: Namespace) -> Iterator[Rtnl]:
    with host_rtnl() as handle:
        yield handle


@pytest.mark.kernel
@pytest.mark.parametrize("words", SETTERS)
def test_a_link_without_functions_cannot_do_it(kernel: Rtnl, words: str) -> None:
    """The kernel would say that the message is invalid, were it ill-formed."""
    loopback = kernel.link("lo")
    assert loopback is not None
    with pytest.raises(Unsupported, match=words) as raised:
        SETTERS[words](kernel, loopback.index)
    assert "virtual function 3" in raised.value.message


@pytest.mark.kernel
def test_a_link_without_functions_has_none(kernel: Rtnl) -> None:
    loopback = kernel.link("lo")
    assert loopback is not None
    assert kernel.virtual_functions(loopback.index) == ()
    with pytest.raises(NotReady, match="no virtual function 2"):
        kernel.virtual_function(loopback.index, 2)
    with pytest.raises(NotReady):
        kernel.virtual_functions(9999)


def sent(monkeypatch: pytest.MonkeyPatch, words: str) -> bytes:
    """What a setter puts behind the header."""
    tails: list[bytes] = []

    def keep(self: Connection, *_: Any, tail: bytes = b"", **__: Any) -> tuple[bytes, ...]:
        tails.append(tail)
        return ()

    # A mock, because nothing here takes such a message; what is sent is judged by another library.
    monkeypatch.setattr(Connection, "_try", keep)
    SETTERS[words](Rtnl(None), 7)  # type: ignore[arg-type]
    return tails[0]


def decoded(tail: bytes) -> dict[str, Any]:
    """The one attribute of the one function, as pyroute2 reads it."""
    message = ifinfmsg()
    message["index"] = 7
    message.encode()
    data = bytearray(message.data) + tail
    data[0:4] = len(data).to_bytes(4, "little")
    again = ifinfmsg(bytes(data))
    again.decode()
    info = again.get_attr("IFLA_VFINFO_LIST").get_attr("IFLA_VF_INFO")
    ((name, value),) = ((item[0], item[1]) for item in info["attrs"])
    return {"name": name, **({"attrs": value["attrs"]} if "attrs" in value else dict(value))}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("VLAN 100", {"name": "IFLA_VF_VLAN", "vf": 3, "vlan": 100, "qos": 5}),
        (MAC, {"name": "IFLA_VF_MAC", "vf": 3, "mac": MAC}),
        ("spoofchk on", {"name": "IFLA_VF_SPOOFCHK", "vf": 3, "spoofchk": 1}),
        ("trust off", {"name": "IFLA_VF_TRUST", "vf": 3, "trust": 0}),
        ("link state disable", {"name": "IFLA_VF_LINK_STATE", "vf": 3, "link_state": 2}),
        ("10 to 100 Mbit/s", {"name": "IFLA_VF_RATE", "vf": 3, "min_tx_rate": 10, "max_tx_rate": 100}),
    ],
)
def test_another_library_reads_what_is_sent(
    monkeypatch: pytest.MonkeyPatch, words: str, expected: dict[str, Any]
) -> None:
    assert decoded(sent(monkeypatch, words)).items() >= expected.items()


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("VLAN 100", {"vlan": 100, "qos": 5}),
        ("spoofchk on", {"spoofchk": True}),
        ("trust off", {"trust": False}),
        ("link state disable", {"link_state": "disable"}),
        ("10 to 100 Mbit/s", {"min_tx_rate": 10, "max_tx_rate": 100}),
    ],
)
def test_what_is_sent_reads_back(monkeypatch: pytest.MonkeyPatch, words: str, fields: dict[str, Any]) -> None:
    """The kernel answers in the same form."""
    info = next(each(next(each(sent(monkeypatch, words), 22)), 1))
    assert _parse(info) == dataclasses.replace(VirtualFunction(number=0), **fields)


def test_the_protocol_reads_back_from_its_list(monkeypatch: pytest.MonkeyPatch) -> None:
    info = next(each(next(each(sent(monkeypatch, "protocol 802.1ad"), 22)), 1))
    assert _parse(info).proto == "802.1ad"
    tag = next(each(next(each(info, 12)), 1))
    assert len(tag) == 16, "newer kernels refuse a structure without its padding"


def test_a_driver_that_does_not_say_is_unknown_and_not_off() -> None:
    unknown = (3).to_bytes(4, "little") + b"\xff" * 4
    attribute = (12).to_bytes(2, "little") + (4).to_bytes(2, "little") + unknown
    assert _parse(attribute).spoofchk is None


def test_a_protocol_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidConfig, match=r"802\.1p"):
        Rtnl(None).set_vf_vlan(1, 0, 5, 0, "802.1p")  # type: ignore[arg-type]
