"""Installing and uninstalling in each way, against an API server with controllers and without nodes."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet_conformance.needs import requires_command, requires_root
from secnet_testing.cluster_node import nad, pool
from secnet_testing.kubernetes import binaries
from secnet_testing.kubernetes.control_plane import ControlPlane
from secnet_testing.kubernetes.kubectl import Kubectl, KubectlError
from secnet_testing.kubernetes.secnet import NAMESPACE, Kustomize
from secnet_testing.own_kustomization import BUILDS, DEPLOY, by_kind, write_own

INSTALL, POLICIES, CRDS = DEPLOY / "install.yaml", DEPLOY / "policies.yaml", DEPLOY / "crds.yaml"
DEFINITIONS = (
    "network-attachment-definitions.k8s.cni.cncf.io",
    "ippools.crd.antrea.io",
    "antreanodeconfigs.crd.antrea.io",
)
CONFIG = {
    "apiVersion": "crd.antrea.io/v1alpha1",
    "kind": "AntreaNodeConfig",
    "metadata": {"name": "theirs"},
    "spec": {"nodeSelector": {"matchLabels": {"a": "b"}}, "secondaryNetwork": {"ovsBridges": []}},
}
USED = {"ipAddresses": [{"ipAddress": "10.10.0.10", "phase": "Allocated", "owner": {"pod": {}}}]}


class Api:
    """The API server, and the programs that a platform engineer calls for it."""

    def __init__(self, folder: Path, kube: Path) -> None:
        self._plane = ControlPlane(folder, kube, f"sn{secrets.token_hex(3)}-cp")
        self.kubectl = Kubectl(folder / "bin/kubectl", kube, self._plane.kubeconfig, self._plane.namespace)

    def start(self) -> None:
        self._plane.start()

    def close(self) -> None:
        self._plane.close()

    def run(self, *argv: str | Path, kubectl: str = "") -> str:
        """A program where the server is reached, with its kubeconfig and our kubectl; what it printed."""
        environment = {**os.environ, "KUBECONFIG": str(self._plane.kubeconfig), "KUBECTL": kubectl}
        command = ["nsenter", f"--net={self._plane.namespace.path}", "--", *map(str, argv)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout

    def identities(self) -> dict[str, str]:
        """Name and UID of the definitions, and of the objects of others."""
        kinds = "customresourcedefinitions,network-attachment-definitions,ippools,antreanodeconfigs"
        found = json.loads(self.kubectl("get", kinds, "-A", "-o", "json"))["items"]
        return {f"{obj['kind']} {obj['metadata']['name']}": obj["metadata"]["uid"] for obj in found}


@pytest.fixture(scope="module")
def api(kube: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    requires_root()
    requires_command("etcd", "nsenter")
    made = Api(tmp_path_factory.mktemp("api"), kube)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def others(api: Api) -> dict[str, str]:
    """Definitions, and an object of each kind that secnet did not make."""
    for name in DEFINITIONS:
        api.kubectl("delete", "crd", name, "--ignore-not-found", "--wait")
    api.kubectl("create", "-f", str(CRDS))
    api.kubectl("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{name}" for name in DEFINITIONS))
    api.kubectl.apply(nad("theirs"), pool("theirs"), CONFIG)
    return api.identities()


def _by_file(api: Api, folder: Path) -> tuple[Callable[[], str], Callable[[], str]]:
    del folder
    files = ("-f", str(INSTALL), "-f", str(POLICIES))
    return (
        lambda: api.kubectl("apply", *files),
        lambda: api.kubectl("delete", *files, "--ignore-not-found", "--wait"),
    )


def _by_kustomize(api: Api, folder: Path) -> tuple[Callable[[], str], Callable[[], str]]:
    own = str(write_own(folder, ("sync", "sriov")))
    return lambda: api.kubectl("apply", "-k", own), lambda: api.kubectl("delete", "-k", own, "--wait")


def _by_helm(api: Api, folder: Path) -> tuple[Callable[[], str], Callable[[], str]]:
    del folder
    helm, chart = binaries.helm(), DEPLOY / "chart"
    install = (helm, "install", "secnet", chart, "--namespace", NAMESPACE, "--create-namespace")

    def uninstall() -> str:
        api.run(helm, "uninstall", "secnet", "--namespace", NAMESPACE, "--wait")
        return api.kubectl("delete", "namespace", NAMESPACE, "--wait")

    return lambda: api.run(*install, "--set", "components.sync=true"), uninstall


@pytest.mark.parametrize("way", [_by_file, _by_kustomize, _by_helm])
def test_uninstalling_loses_nothing_of_others(
    api: Api, others: dict[str, str], tmp_path: Path, way: Callable[[Api, Path], Any]
) -> None:
    install, uninstall = way(api, tmp_path)
    install()
    assert api.kubectl.get("daemonset", "secnet-agent", NAMESPACE) is not None
    before = api.identities()
    assert before == others, "installing makes no object of these kinds, and no definition"
    uninstall()
    assert api.identities() == others
    left = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,namespaces"
    assert [name for name in api.kubectl("get", left, "-o", "name").splitlines() if "secnet" in name] == []


def test_applying_the_file_again_keeps_the_users_settings(api: Api, tmp_path: Path) -> None:
    api.kubectl("apply", "-f", str(INSTALL))
    (tmp_path / "node.yaml").write_text("log: {level: debug}\n")
    api.kubectl("-n", NAMESPACE, "create", "configmap", "secnet-node", f"--from-file={tmp_path / 'node.yaml'}")
    api.kubectl("apply", "-f", str(INSTALL))
    kept = api.kubectl.get("configmap", "secnet-node", NAMESPACE)
    assert kept is not None
    assert kept["data"] == {"node.yaml": "log: {level: debug}\n"}
    api.kubectl("delete", "-f", str(INSTALL), "--wait")


@pytest.mark.parametrize("command", ["create", "apply-crds"])
def test_a_definition_that_is_there_stays_as_it_is(api: Api, command: str) -> None:
    """Multus' own has fields that ours lacks."""
    for name in DEFINITIONS:
        api.kubectl("delete", "crd", name, "--ignore-not-found", "--wait")
    (theirs,) = (
        obj
        for obj in yaml.safe_load_all(CRDS.read_text())
        if obj["spec"]["names"]["kind"] == "NetworkAttachmentDefinition"
    )
    theirs["metadata"]["annotations"] = {"of": "Multus"}
    theirs["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["theirs"] = {"type": "string"}
    api.kubectl.apply(theirs)
    before = api.kubectl.get("crd", DEFINITIONS[0])
    assert before is not None
    if command == "create":
        with pytest.raises(KubectlError, match="already exists"):
            api.kubectl("create", "-f", str(CRDS))
    else:
        said = api.run(DEPLOY / "apply-crds", kubectl=str(api.kubectl.program))
        assert f"{DEFINITIONS[0]}: there already; left as it is" in said
    after = api.kubectl.get("crd", DEFINITIONS[0])
    assert after is not None
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    assert api.kubectl.get("crd", DEFINITIONS[1]) is not None
    assert api.kubectl.get("crd", DEFINITIONS[2]) is not None


def test_the_server_takes_what_each_component_makes(api: Api, tmp_path: Path) -> None:
    """With the DaemonSet's defaults and the schema of the server; nothing is kept."""
    api.kubectl("create", "namespace", NAMESPACE)
    for components in (names for names in BUILDS if len(names) < 2):
        made = api.kubectl("apply", "--dry-run=server", "-k", str(write_own(tmp_path, components)))
        assert "daemonset.apps/secnet-agent created" in made
    api.kubectl("delete", "namespace", NAMESPACE, "--wait")


def test_a_pool_in_use_is_not_deleted(api: Api, others: dict[str, str]) -> None:
    assert others
    api.kubectl("apply", "-f", str(INSTALL))
    api.kubectl.apply(pool("used"))
    api.kubectl("patch", "ippool", "used", "--subresource=status", "--type=merge", "-p", json.dumps({"status": USED}))

    def refused() -> bool:
        # A policy takes effect moments after it was made, so that first deletions are tried without effect.
        with pytest.raises(KubectlError) as caught:
            api.kubectl("delete", "ippool", "used", "--dry-run=server")
        return "has 1 addresses in use" in str(caught.value)

    api.kubectl.wait(lambda: _holds(refused), "the pool cannot be deleted")
    with pytest.raises(KubectlError, match="Delete the Pods that have them first"):
        api.kubectl("delete", "ippool", "used")
    api.kubectl("delete", "-f", str(INSTALL), "--wait")


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except pytest.fail.Exception:
        return False


def test_the_one_file_is_the_base_without_the_users_configuration(kustomize: Kustomize) -> None:
    expected = by_kind(kustomize(DEPLOY / "base"))
    found = by_kind(list(yaml.safe_load_all(INSTALL.read_text())))
    del expected["configs"]["secnet-node"]
    names: dict[str, str] = {}
    for built in (expected, found):
        for plain, config in built["configs"].items():
            names[config["metadata"]["name"]] = plain
    expected, found = (json.loads(_replaced(json.dumps(built), names)) for built in (expected, found))
    for volume in expected["DaemonSet"]["spec"]["template"]["spec"]["volumes"]:
        if volume["name"] == "config":
            volume["configMap"] = {"name": "secnet-node", "optional": True}
    for key, obj in expected.items():
        if key.startswith("ValidatingAdmissionPolicy"):
            obj["metadata"].pop("namespace", None)  # kustomize gives it one, which an API server takes away
    assert found == expected


def _replaced(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text
