"""The checks that ask the Kubernetes API, over HTTP; and the command as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from secnet.agent.cli.doctor import open_api
from secnet.agent.config.settings import Settings
from secnet.agent.doctor import run_checks
from secnet.agent.doctor._antrea import check_antrea
from secnet.agent.doctor._cluster import FIELDS, check_access, check_api, check_kinds
from secnet.agent.plugins.registry import Registry
from secnet.contract import ObjectKind
from secnet_testing.kubeapi.definitions import IPPOOL, NAD, definition
from secnet_testing.kubeapi.process import KubeApiProcess

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
CRDS = {crd["metadata"]["name"]: crd for crd in (NAD, IPPOOL)}
NADS, POOLS = FIELDS
RULES = (
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
    {"apiGroups": ["crd.antrea.io"], "resources": ["ippools", "ippools/status"], "verbs": ["get", "update"]},
)


def _schema(fields: tuple[str, ...]) -> dict[str, Any]:
    """A structural schema with exactly these fields."""
    schema: dict[str, Any] = {"type": "object"}
    for field in fields:
        at = schema
        for name in field.replace("[]", ".[]").split("."):
            at = at.setdefault("items", {}) if name == "[]" else at.setdefault("properties", {}).setdefault(name, {})
    return schema


def _with_schema(crd: str) -> dict[str, Any]:
    """The definition with exactly the fields that the agent needs."""
    version: dict[str, Any] = dict(CRDS[crd]["spec"]["versions"][0])
    version["schema"] = {"openAPIV3Schema": _schema(FIELDS[crd][2])}
    return CRDS[crd] | {"spec": CRDS[crd]["spec"] | {"versions": [version]}}


@pytest.fixture
def api(kubeapi: KubeApiProcess) -> Iterator[KubeApiProcess]:
    """A cluster with the Node of this machine, and the definitions of our kinds, which are as before afterwards."""
    kubeapi.apply(NODE)
    for crd in FIELDS:
        kubeapi.apply(_with_schema(crd))
    yield kubeapi
    for definition_before in CRDS.values():
        kubeapi.apply(definition_before)


@pytest.fixture
def reader(api: KubeApiProcess, open_reader: Any) -> Any:
    return open_reader()


def test_a_cluster_as_it_should_be(make_host: Any, found: Any, api: KubeApiProcess, reader: Any) -> None:
    host = make_host(api=reader, rules=RULES)
    for check in (check_api, check_kinds, check_access):
        results = found(check, host)
        assert results, check
        assert {result.level for result in results.values()} == {"ok"}
    assert found(check_antrea, host)["Antrea agent"].level == "ok"
    reviews = [asked for asked in api.requests("reader-token") if asked["method"] == "POST"]
    assert len(reviews) == 3 + 1 + 4


def test_a_node_that_is_not_there(make_host: Any, found: Any, api: KubeApiProcess, reader: Any) -> None:
    api.delete(NODE)
    result = found(check_api, make_host(api=reader))["Kubernetes API"]
    assert (result.level, "there is no node" in result.finding) == ("FAIL", True)


def test_a_node_that_may_not_be_read(make_host: Any, found: Any, api: KubeApiProcess, open_reader: Any) -> None:
    result = found(check_api, make_host(api=open_reader([])))["Kubernetes API"]
    assert (result.level, "nodes is forbidden" in result.finding) == ("warn", True)


def test_a_server_that_fails(make_host: Any, found: Any, api: KubeApiProcess, reader: Any) -> None:
    api.fail(kind="status", status=500, path="/nodes/node-1")
    result = found(check_api, make_host(api=reader))["Kubernetes API"]
    assert (result.level, "a fault that the test asked for" in result.finding) == ("FAIL", True)


@pytest.mark.parametrize(("boot", "level"), [("elsewhere", "FAIL"), ("here", "ok"), ("", "ok")])
def test_a_node_of_another_machine(
    make_host: Any, found: Any, put: Any, api: KubeApiProcess, reader: Any, boot: str, level: str
) -> None:
    put("/proc/sys/kernel/random/boot_id", "here\n")
    api.apply(NODE | {"status": {"nodeInfo": {"bootID": boot}}})
    result = found(check_api, make_host(api=reader))["Kubernetes API"]
    assert result.level == level
    assert ("bootID is elsewhere, here it is here" in result.finding) == (level == "FAIL")


def test_a_server_that_is_not_there(make_host: Any, found: Any, api: KubeApiProcess, reader: Any) -> None:
    api.outage(True)
    host = make_host(api=reader, rules=RULES)
    levels = {
        check: {result.level for result in found(check, host).values()}
        for check in (check_api, check_kinds, check_access)
    }
    api.outage(False)
    assert levels == {check_api: {"FAIL"}, check_kinds: {"warn"}, check_access: {"warn"}}


def test_a_field_that_the_api_server_drops(make_host: Any, found: Any, api: KubeApiProcess, reader: Any) -> None:
    crd = _with_schema(POOLS)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["status"]["properties"]["ipAddresses"]["items"]["properties"]["owner"]
    api.apply(crd)
    result = found(check_kinds, make_host(api=reader))[f"CRD {POOLS}"]
    assert (result.level, "owner.pod.ifName" in result.finding) == ("FAIL", True)
    schema["x-kubernetes-preserve-unknown-fields"] = True
    api.apply(crd)
    assert found(check_kinds, make_host(api=reader))[f"CRD {POOLS}"].level == "ok"


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda version: version.update(name="v1alpha2"), "serves v1alpha2, not v1beta1"),
        (lambda version: version.update(served=False), "serves nothing, not v1beta1"),
        (lambda version: version.pop("subresources"), "has no status subresource"),
    ],
)
def test_other_faults_of_a_crd(
    make_host: Any, found: Any, api: KubeApiProcess, reader: Any, change: Callable[[Any], None], finding: str
) -> None:
    crd = _with_schema(POOLS)
    change(crd["spec"]["versions"][0])
    api.apply(crd)
    result = found(check_kinds, make_host(api=reader))[f"CRD {POOLS}"]
    assert (result.level, result.finding) == ("FAIL", finding)


def test_a_crd_that_is_not_installed(make_host: Any, found: Any, api: KubeApiProcess, reader: Any) -> None:
    api.delete(CRDS[POOLS])
    result = found(check_kinds, make_host(api=reader))[f"CRD {POOLS}"]
    assert (result.level, result.finding) == ("FAIL", "is not installed")


def test_crds_that_the_agent_may_not_read(make_host: Any, found: Any, api: KubeApiProcess, open_reader: Any) -> None:
    host = make_host(api=open_reader([]))
    assert found(check_kinds, host)[f"CRD {NADS}"].level == "ok", "what is served is open to all"
    api.delete(CRDS[NADS])
    assert found(check_kinds, host)[f"CRD {NADS}"].level == "FAIL"
    other = definition("Other", "others", "k8s.cni.cncf.io", "v1", namespaced=True, status=False)
    api.create(other)
    assert found(check_kinds, host)[f"CRD {NADS}"].level == "FAIL"
    api.delete(other)


def test_what_is_not_allowed(make_host: Any, found: Any, api: KubeApiProcess, open_reader: Any) -> None:
    allowed = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["crd.antrea.io"], "resources": ["ippools", "ippools/status"], "verbs": ["get"]},
        {"apiGroups": ["crd.antrea.io"], "resources": ["ippools"], "verbs": ["update"]},
    ]
    results = found(check_access, make_host(api=open_reader(allowed), rules=RULES))
    bad = {what: result.finding for what, result in results.items() if result.level == "FAIL"}
    assert bad == {
        "access to pods": "watch is not allowed",
        "access to pods/status": "patch is not allowed",
        "access to ippools/status.crd.antrea.io": "update is not allowed",
    }


def test_nothing_is_asked_without_a_cluster(make_host: Any, found: Any) -> None:
    host = make_host()
    assert [found(check, host) for check in (check_api, check_kinds, check_access)] == [{}, {}, {}]
    assert open_api(Settings(node_name="n")) == (None, ())


def test_a_check_that_fails_itself_stops_no_other(make_host: Any) -> None:
    def check_broken(host: Any) -> Any:
        raise RuntimeError("x")

    results = list(run_checks(make_host(), (check_broken, check_access)))
    assert [(result.level, result.what) for result in results] == [("warn", "check broken")]
    assert str(results[0]).startswith("warn  check broken: could not be done")


def test_the_kind_that_a_plugin_brings(make_host: Any, found: Any, api: KubeApiProcess, open_reader: Any) -> None:
    lane = ObjectKind(kind="Lane", group="roads.example.com", version="v1", plural="lanes")
    plugin = Registry.load().drivers["vlan"]
    plugin = dataclasses.replace(plugin, info=dataclasses.replace(plugin.info, kinds=(lane,)))
    reads = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    made = make_host(api=open_reader([reads]), rules=RULES)
    host = dataclasses.replace(made, registry=Registry(drivers={"vlan": plugin}))
    crd = "lanes.roads.example.com"
    assert found(check_kinds, host)[f"CRD {crd}"].finding == "is not installed"
    lanes = definition("Lane", "lanes", "roads.example.com", "v1", namespaced=False, status=True)
    api.create(lanes)
    assert found(check_kinds, host)[f"CRD {crd}"].level == "ok"
    results = found(check_access, host)
    assert results["access to lanes.roads.example.com"].level == "ok"
    assert results["access to lanes/status.roads.example.com"].finding == "update is not allowed"
    api.delete(lanes)
