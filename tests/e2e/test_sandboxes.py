"""Network namespaces of Pods: refused, shared, missing, deleted, made again."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from secnet_testing.netns import ping, run_in
from secnet_testing.node import Node
from secnet_testing.node_inspection import addresses, errors_of, exists, identity, link, picture, unchanged, wait_error
from secnet_testing.objects import as_manifest, nad, pod, pool

pytestmark = pytest.mark.ovs

SHARED = as_manifest(
    nad("net", vlan=10, pools=["net"]),
    pool("net", "10.10.0.2-10.10.0.99", gateway="10.10.0.1", prefix=24),
)


@pytest.fixture
def name_of() -> Iterator[Callable[[str], str]]:
    """`name_of(path)`: a name for it in /run/netns, as root may give one to any namespace."""
    with ExitStack() as stack:

        def name(path: str) -> str:
            link = Path("/run/netns") / f"sn-named-{uuid.uuid4().hex[:8]}"
            link.symlink_to(path)
            stack.callback(link.unlink)
            return str(link)

        yield name


@pytest.mark.parametrize("path", ["/proc/1/ns/net", "/proc/self/ns/net", "node"])
def test_the_namespace_of_host_or_node_is_refused(live: Node, name_of: Callable[[str], str], path: str) -> None:
    live.put("shared.yaml", SHARED)
    before = picture(live)
    live.put("web.yaml", as_manifest(pod("web", live.namespace.path if path == "node" else name_of(path), "net")))
    wait_error(live, "web")
    error = errors_of(live.status(), "web")[0]
    assert not error["retryable"]
    # Where not even root may look at process 1, the kernel's refusal stands in for ours.
    hidden = path == "/proc/1/ns/net" and not os.access(path, os.F_OK)
    assert ("Permission denied" if hidden else "where no Pod interface may be made") in error["message"]
    assert error["hint"]
    unchanged(before, live)


def test_a_path_that_is_no_namespace_is_refused(live: Node) -> None:
    live.put("shared.yaml", SHARED)
    (live.folder / "file").write_text("", encoding="utf-8")
    for name, path in (("web", "run/netns/web"), ("db", str(live.folder / "file")), ("app", "/proc/self/ns/net")):
        live.put(f"{name}.yaml", as_manifest(pod(name, path, "net")))
        wait_error(live, name)
        assert path in f"{errors_of(live.status(), name)[0]}"
    assert live.records() == ()


def test_the_second_pod_on_a_namespace_waits_for_the_first_to_go(live: Node) -> None:
    path = live.pod("first").path
    live.put("shared.yaml", SHARED)
    live.put("first.yaml", as_manifest(pod("first", path, "net")))
    live.wait_attached("first")
    before = identity(live.pod("first"), "eth1")
    live.put("second.yaml", as_manifest(pod("second", path, "net@eth5")))
    wait_error(live, "second")
    error = errors_of(live.status(), "second")[0]
    assert error["reason"] == "Conflict"
    assert "Pod default/first" in error["message"]
    assert path in error["message"]
    assert identity(live.pod("first"), "eth1") == before
    live.remove("first.yaml")
    live.wait_attached("second")
    assert link(live.pod("first"), "eth1") == {}
    assert addresses(live.pod("first"), "eth5")


def test_a_namespace_that_comes_later(live: Node) -> None:
    ns = live.pod("web")
    live.delete_pod_namespace("web")
    live.put("shared.yaml", SHARED)
    live.put("web.yaml", as_manifest(pod("web", ns.path, "net")))
    wait_error(live, "web")
    error = errors_of(live.status(), "web")[0]
    assert (error["reason"], error["retryable"]) == ("NotReady", True)
    assert ns.path in str(error)
    run_in(None, ["ip", "netns", "add", ns.name])
    try:
        live.wait_attached("web")
        assert addresses(ns, "eth1")
    finally:
        run_in(None, ["ip", "netns", "del", ns.name])


def test_a_namespace_deleted_under_a_living_pod_and_made_again(live: Node) -> None:
    ns = live.pod("web")
    live.put("shared.yaml", SHARED)
    live.put("pods.yaml", as_manifest(pod("web", ns.path, "net"), pod("db", live.pod("db").path, "net")))
    live.wait_attached("web", "db")
    address = addresses(ns, "eth1")[0]
    ports = len(live.ovs.rows()["Port"])
    run_in(None, ["ip", "netns", "del", ns.name])
    live.wait_until(lambda: len(live.records()) == 1, "what was in it is taken back")
    wait_error(live, "web")
    assert len(live.ovs.rows()["Port"]) == ports - 1
    assert len(live.store.get("IPPool", "net")["status"]["ipAddresses"]) == 1
    run_in(None, ["ip", "netns", "add", ns.name])
    live.wait_attached("web")
    assert addresses(ns, "eth1") == [address]
    assert ping(ns, addresses(live.pod("db"), "eth1")[0].split("/")[0])
    assert len(live.ovs.rows()["Port"]) == ports


def test_the_default_namespace_is_named_as_the_pod(live: Node) -> None:
    ns = live.pod("any")
    made = pod(ns.name, "unused", "net")
    del made["metadata"]["annotations"]["secnet.io/netns"]
    live.put("all.yaml", SHARED + as_manifest(made))
    live.wait_attached(ns.name)
    assert addresses(ns, "eth1")
    live.remove("all.yaml")
    live.wait_until(lambda: not exists(live, "Pod", ns.name), "the Pod is gone")
