"""The checks that ask the Kubernetes API, over HTTP; and the command as a whole."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import yaml
from secnet.agent.cli.doctor import open_api
from secnet.agent.config.settings import Settings
from secnet.agent.doctor import run_checks
from secnet.agent.doctor._antrea import check_antrea
from secnet.agent.doctor._cluster import FIELDS, check_access, check_api, check_kinds
from secnet.agent.plugins.registry import Registry
from secnet.contract import ObjectKind
from secnet_testing.apidouble import ApiDouble, HttpReader

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
DAEMONSET = "/apis/apps/v1/namespaces/kube-system/daemonsets/antrea-agent"
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/antrea-config-x"
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


def _crd(crd: str) -> dict[str, Any]:
    version, subresource, fields = FIELDS[crd]
    made: dict[str, Any] = {"name": version, "served": True, "schema": {"openAPIV3Schema": _schema(fields)}}
    if subresource:
        made["subresources"] = {"status": {}}
    return {"spec": {"versions": [made]}}


@pytest.fixture
def good(api: ApiDouble) -> ApiDouble:
    api.objects["/api/v1/nodes/node-1"] = {"kind": "Node"}
    api.objects |= {f"{CRDS}/{crd}": _crd(crd) for crd in FIELDS}
    return api


def test_a_cluster_as_it_should_be(make_host: Any, found: Any, good: ApiDouble) -> None:
    host = make_host(api=good.reader, rules=RULES)
    for check in (check_api, check_kinds, check_access):
        results = found(check, host)
        assert results, check
        assert {result.level for result in results.values()} == {"ok"}
    assert found(check_antrea, host)["Antrea agent"].level == "ok"
    assert len(good.posted) == 3 + 1 + 4


@pytest.mark.parametrize(
    ("answer", "word", "level"), [(404, "there is no node", "FAIL"), (403, "403", "warn"), (500, "500", "FAIL")]
)
def test_a_node_that_cannot_be_read(
    make_host: Any, found: Any, good: ApiDouble, answer: int, word: str, level: str
) -> None:
    good.objects["/api/v1/nodes/node-1"] = answer
    result = found(check_api, make_host(api=good.reader))["Kubernetes API"]
    assert (result.level, word in result.finding) == (level, True)


@pytest.mark.parametrize(("boot", "level"), [("elsewhere", "FAIL"), ("here", "ok"), ("", "ok")])
def test_a_node_of_another_machine(
    make_host: Any, found: Any, put: Any, good: ApiDouble, boot: str, level: str
) -> None:
    put("/proc/sys/kernel/random/boot_id", "here\n")
    good.objects["/api/v1/nodes/node-1"] = {"kind": "Node", "status": {"nodeInfo": {"bootID": boot}}}
    result = found(check_api, make_host(api=good.reader))["Kubernetes API"]
    assert result.level == level
    assert ("bootID is elsewhere, here it is here" in result.finding) == (level == "FAIL")


def test_a_server_that_is_not_there(make_host: Any, found: Any) -> None:
    host = make_host(api=HttpReader("http://127.0.0.1:1"), rules=RULES)
    assert found(check_api, host)["Kubernetes API"].level == "FAIL"
    assert {result.level for result in found(check_kinds, host).values()} == {"warn"}
    assert {result.level for result in found(check_access, host).values()} == {"warn"}


def test_a_field_that_the_api_server_drops(make_host: Any, found: Any, good: ApiDouble) -> None:
    crd = good.objects[f"{CRDS}/{POOLS}"]
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["status"]["properties"]["ipAddresses"]["items"]["properties"]["owner"]
    result = found(check_kinds, make_host(api=good.reader))[f"CRD {POOLS}"]
    assert (result.level, "owner.pod.ifName" in result.finding) == ("FAIL", True)
    schema["x-kubernetes-preserve-unknown-fields"] = True
    assert found(check_kinds, make_host(api=good.reader))[f"CRD {POOLS}"].level == "ok"


def test_other_faults_of_a_crd(make_host: Any, found: Any, good: ApiDouble) -> None:
    whole = copy.deepcopy(good.objects[f"{CRDS}/{POOLS}"])

    def finding(change: Any) -> str:
        crd = copy.deepcopy(whole)
        change(crd["spec"]["versions"][0])
        good.objects[f"{CRDS}/{POOLS}"] = crd
        result = found(check_kinds, make_host(api=good.reader))[f"CRD {POOLS}"]
        assert result.level == "FAIL"
        return str(result.finding)

    assert finding(lambda version: version.update(name="v1alpha2")) == "serves v1alpha2, not v1beta1"
    assert finding(lambda version: version.update(served=False)) == "serves nothing, not v1beta1"
    assert finding(lambda version: version.pop("subresources")) == "has no status subresource"
    good.objects[f"{CRDS}/{POOLS}"] = 404
    assert found(check_kinds, make_host(api=good.reader))[f"CRD {POOLS}"].finding == "is not installed"


def test_crds_that_the_agent_may_not_read(make_host: Any, found: Any, good: ApiDouble) -> None:
    good.objects[f"{CRDS}/{NADS}"] = 403
    assert found(check_kinds, make_host(api=good.reader))[f"CRD {NADS}"].level == "FAIL"
    good.objects["/apis/k8s.cni.cncf.io/v1"] = {"resources": [{"name": "other"}]}
    assert found(check_kinds, make_host(api=good.reader))[f"CRD {NADS}"].level == "FAIL"
    good.objects["/apis/k8s.cni.cncf.io/v1"] = {"resources": [{"name": "network-attachment-definitions"}]}
    assert found(check_kinds, make_host(api=good.reader))[f"CRD {NADS}"].level == "ok"


def test_what_is_not_allowed(make_host: Any, found: Any, good: ApiDouble) -> None:
    good.denied |= {"watch pods", "patch pods/status", "update ippools/status"}
    results = found(check_access, make_host(api=good.reader, rules=RULES))
    bad = {what: result.finding for what, result in results.items() if result.level == "FAIL"}
    assert bad == {
        "access to pods": "watch is not allowed",
        "access to pods/status": "patch is not allowed",
        "access to ippools/status.crd.antrea.io": "update is not allowed",
    }


def _antrea(api: ApiDouble, gates: dict[str, bool]) -> None:
    volumes = [{"name": "a", "hostPath": {}}, {"name": "c", "configMap": {"name": "antrea-config-x"}}]
    api.objects[DAEMONSET] = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    api.objects[CONFIG_MAP] = {"data": {"antrea-agent.conf": yaml.safe_dump({"featureGates": gates})}}


@pytest.mark.parametrize(
    ("gates", "level"),
    [
        ({"SecondaryNetwork": True}, "FAIL"),
        ({"SecondaryNetwork": False}, "ok"),
        ({}, "ok"),
        ({"AllAlpha": True}, "FAIL"),
        ({"AllAlpha": True, "SecondaryNetwork": False}, "ok"),
    ],
)
def test_an_antrea_agent(make_host: Any, found: Any, good: ApiDouble, gates: dict[str, bool], level: str) -> None:
    _antrea(good, gates)
    assert found(check_antrea, make_host(api=good.reader))["Antrea agent"].level == level


@pytest.mark.parametrize("broken", [{CONFIG_MAP: {"data": {"antrea-agent.conf": "]"}}}, {DAEMONSET: 403}])
def test_an_antrea_agent_whose_configuration_is_hidden(
    make_host: Any, found: Any, good: ApiDouble, broken: dict[str, Any]
) -> None:
    _antrea(good, {})
    good.objects |= broken
    assert found(check_antrea, make_host(api=good.reader))["Antrea agent"].level == "warn"


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


def test_the_kind_that_a_plugin_brings(make_host: Any, found: Any, good: ApiDouble) -> None:
    lane = ObjectKind(kind="Lane", group="roads.example.com", version="v1", plural="lanes")
    plugin = Registry.load().drivers["vlan"]
    plugin = dataclasses.replace(plugin, info=dataclasses.replace(plugin.info, kinds=(lane,)))
    registry = Registry(drivers={"vlan": plugin})
    crd = "lanes.roads.example.com"
    host = dataclasses.replace(make_host(api=good.reader, rules=RULES), registry=registry)
    assert found(check_kinds, host)[f"CRD {crd}"].finding == "is not installed"
    versions = [{"name": "v1", "served": True, "subresources": {"status": {}}}]
    good.objects[f"{CRDS}/{crd}"] = {"spec": {"versions": versions}}
    assert found(check_kinds, host)[f"CRD {crd}"].level == "ok"
    good.denied |= {"update lanes/status"}
    results = found(check_access, host)
    assert results["access to lanes.roads.example.com"].level == "ok"
    assert results["access to lanes/status.roads.example.com"].finding == "update is not allowed"
