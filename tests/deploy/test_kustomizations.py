"""Base and overlays of deploy/: they build, and what they build fits together and fits the agent."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.config.settings import Settings, load_settings
from secnet.agent.plugins.registry import Registry
from secnet_testing.documents import ROOT
from secnet_testing.kustomize import build

DEPLOY = ROOT / "deploy"
REGISTRY = Registry.load()
BUILDS = ["base", "crds", *(f"overlays/{path.name}" for path in sorted((DEPLOY / "overlays").iterdir()))]


def pod(built: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = built["DaemonSet"]["spec"]["template"]["spec"]
    return spec


def agent(built: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod(built)["containers"]
    return dict(container)


def containers(built: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod(built)["containers"]
    yield from pod(built).get("initContainers", ())


@pytest.fixture
def settings(built: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the agent reads there, with the environment that the manifest gives it."""
    fields = {"spec.nodeName": "node-1", "metadata.namespace": built["DaemonSet"]["metadata"]["namespace"]}
    for item in agent(built)["env"]:
        monkeypatch.setenv(item["name"], fields[item["valueFrom"]["fieldRef"]["fieldPath"]])
    file = tmp_path / "node.yaml"
    file.write_text(built["ConfigMap"]["data"]["node.yaml"])
    return load_settings(file, REGISTRY)


def test_everything_is_there_and_in_one_namespace(built: dict[str, Any]) -> None:
    kinds = {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet"}
    assert built.keys() - {"name"} == kinds | {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    namespace = built["Namespace"]["metadata"]["name"]
    for kind in ("ServiceAccount", "ConfigMap", "DaemonSet"):
        assert built[kind]["metadata"]["namespace"] == namespace
    account = built["ServiceAccount"]["metadata"]["name"]
    (subject,) = built["ClusterRoleBinding"]["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    assert built["ClusterRoleBinding"]["roleRef"]["name"] == built["ClusterRole"]["metadata"]["name"]
    assert pod(built)["serviceAccountName"] == account


def test_the_agent_is_no_privileged_container(built: dict[str, Any]) -> None:
    assert pod(built)["hostNetwork"] is True
    assert pod(built).get("hostPID", False) is False
    for container in containers(built):
        security = container["securityContext"]
        assert security["privileged"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"]["drop"] == ["ALL"]
    more = {"overlays/sync": ["DAC_OVERRIDE", "CHOWN"], "overlays/multus": ["DAC_OVERRIDE"]}.get(built["name"], [])
    assert agent(built)["securityContext"]["capabilities"]["add"] == ["NET_ADMIN", "SYS_ADMIN", "NET_RAW", *more]


def test_each_capability_and_mount_says_why() -> None:
    """By a comment on the line before, in whatever file adds it."""
    silent = []
    for file in (*DEPLOY.rglob("daemonset.yaml"), *DEPLOY.glob("components/*/*.yaml")):
        lines = file.read_text().splitlines()
        for number, line in enumerate(lines):
            needs = re.match(r" +- [A-Z_]+$| +mountPropagation:| +hostNetwork:", line)
            before = lines[number - (3 if "Propagation" in line else 1)]
            if needs and not before.strip().startswith("#"):
                silent.append(f"{file.name}:{number + 1}: {line.strip()}")
    assert silent == []


def test_every_mount_has_a_volume_and_every_volume_a_mount(built: dict[str, Any]) -> None:
    volumes = {volume["name"] for volume in pod(built)["volumes"]}
    assert len(volumes) == len(pod(built)["volumes"])
    assert {mount["name"] for container in containers(built) for mount in container["volumeMounts"]} == volumes


def test_namespaces_made_later_come_in(built: dict[str, Any]) -> None:
    by_path = {mount["mountPath"]: mount for mount in agent(built)["volumeMounts"]}
    assert by_path["/run/netns"]["mountPropagation"] == "HostToContainer"
    assert by_path["/run/containerd"]["mountPropagation"] == "HostToContainer"


def _mounted(built: dict[str, Any], path: Path) -> bool:
    """Whether the directory of `path` is one of the host's. /var/run is a link to /run in the image."""
    inside = Path(str(path).replace("/var/run/", "/run/", 1))
    return any(inside.is_relative_to(mount["mountPath"]) for mount in agent(built)["volumeMounts"])


def test_what_the_configuration_names_is_mounted(built: dict[str, Any], settings: Settings) -> None:
    assert settings.kubernetes is not None
    assert settings.kubernetes.kubeconfig is None
    paths = [
        settings.run_dir,
        settings.state_dir,
        settings.cri_socket,
        settings.pod_resources,
        Path(settings.ovsdb.removeprefix("unix:")),
    ]
    if settings.cni is not None:
        paths += [
            settings.cni.socket,
            *([settings.cni.conf_dir, settings.cni.bin_dir] if settings.cni.conf_dir else []),
        ]
    assert [str(path) for path in paths if not _mounted(built, path)] == []
    sockets = [volume["hostPath"] for volume in pod(built)["volumes"] if "hostPath" in volume]
    assert {place["type"] for place in sockets} <= {"Directory", "DirectoryOrCreate"}, "never the socket itself"


def test_the_run_directory_is_at_the_same_place_on_the_host(built: dict[str, Any], settings: Settings) -> None:
    """The plugin on the host and the agent name the socket by one path."""
    (place,) = [volume["hostPath"]["path"] for volume in pod(built)["volumes"] if volume["name"] == "run-secnet"]
    assert place == str(settings.run_dir)


def test_the_agents_own_namespace_never_waits_for_the_agent(built: dict[str, Any], settings: Settings) -> None:
    if built["name"] == "overlays/sync":
        assert settings.cni is not None
        assert settings.cni.conf_dir == Path("/host/etc/cni/net.d")
        assert settings.cni.fail_open_namespaces == {"kube-system", built["Namespace"]["metadata"]["name"]}
    elif built["name"] == "overlays/multus":
        assert settings.cni is not None
        assert settings.cni.conf_dir == Path("/host/etc/cni/net.d"), "where Multus is seen"
        mounts = {mount["mountPath"]: mount for mount in agent(built)["volumeMounts"]}
        assert mounts["/host/etc/cni/net.d"]["readOnly"] is True, "nothing is chained where Multus is"
    else:
        assert settings.cni is None


def test_multus_is_seen_everywhere(built: dict[str, Any], settings: Settings) -> None:
    (mount,) = [mount for mount in agent(built)["volumeMounts"] if mount["name"] == "cni-conf"]
    assert mount["mountPath"] == str(settings.cni_conf_dir)
    assert mount["readOnly"] is (built["name"] != "overlays/sync"), "only the plugin's entry is written there"
    assert settings.multus == ("present" if built["name"] == "overlays/multus" else "auto")


def test_probes_and_metrics_ask_where_the_agent_listens(built: dict[str, Any], settings: Settings) -> None:
    assert settings.http_listen is not None
    host, _, port = settings.http_listen.rpartition(":")
    assert host == "[::]", "a probe comes to the Pod's address, which is of IPv4 or of IPv6"
    container = agent(built)
    probes = {container[name]["httpGet"]["path"]: container[name]["httpGet"]["port"] for name in _PROBES}
    assert probes == {"/healthz": int(port), "/readyz": int(port)}
    assert [item["containerPort"] for item in container["ports"]] == [int(port)]
    assert built["DaemonSet"]["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == port


_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def test_the_kill_comes_after_the_drain(built: dict[str, Any], settings: Settings) -> None:
    assert pod(built)["terminationGracePeriodSeconds"] >= settings.drain_seconds + 10


def test_the_agent_runs_on_every_node_and_first(built: dict[str, Any]) -> None:
    assert pod(built)["tolerations"] == [{"operator": "Exists"}]
    assert pod(built)["priorityClassName"] == "system-node-critical"
    assert built["DaemonSet"]["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    labels = built["DaemonSet"]["spec"]["template"]["metadata"]["labels"]
    assert built["DaemonSet"]["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_image_is_of_this_version(built: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "core/pyproject.toml").read_text())["project"]["version"]
    assert {container["image"] for container in containers(built)} == {f"secnet:{version}"}


def test_what_each_overlay_adds() -> None:
    host = {
        name: {
            volume["hostPath"]["path"]
            for volume in pod({obj["kind"]: obj for obj in build(DEPLOY / name)})["volumes"]
            if "hostPath" in volume
        }
        for name in BUILDS
        if name != "crds"
    }
    base = host.pop("base")
    assert base == {
        "/run/secnet",
        "/run/netns",
        "/run/containerd",
        "/run/openvswitch",
        "/var/lib/secnet",
        "/var/lib/kubelet/pod-resources",
        "/etc/cni/net.d",
    }
    assert {name: (added - base, base - added) for name, added in host.items()} == {
        "overlays/antrea": ({"/var/run/antrea/openvswitch"}, {"/run/openvswitch"}),
        "overlays/multus": ({"/opt/cni/bin", "/run/k8s.cni.cncf.io"}, set()),
        "overlays/sriov": ({"/sys"}, set()),
        "overlays/sync": ({"/opt/cni/bin"}, set()),
    }


def test_components_go_together(tmp_path: Path) -> None:
    """As an installation of one's own would have it."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    own = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../deploy/base"],
        "components": [f"../deploy/components/{name}" for name in ("antrea", "sync", "sriov")],
    }
    (tmp_path / "own").mkdir()
    (tmp_path / "own/kustomization.yaml").write_text(json.dumps(own))
    objects = {obj["kind"]: obj for obj in build(tmp_path / "own")}
    names = {volume["name"] for volume in pod(objects)["volumes"]}
    assert {"cni-bin", "cni-conf", "pod-resources", "run-openvswitch", "sys"} <= names


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"commonLabels": {"a": "b"}}, "not understood"),
        ({"patches": [{"path": "cni.yaml", "target": {"kind": "DaemonSet"}}]}, "not understood"),
        ({"configMapGenerator": [{"name": "other", "behavior": "replace", "files": []}]}, "which is not there"),
        ({"kind": "Other"}, "no Kustomization"),
    ],
)
def test_what_the_builder_does_not_know_it_refuses(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    data = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"} | change
    (tmp_path / "kustomization.yaml").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=words):
        build(tmp_path)


def _real_kustomize() -> list[str]:
    """A kubectl with kustomize 5, where the machine happens to have one; nothing that the tests install brings it."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return []
    command = [kubectl, "version", "--client", "--output=yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [kubectl] if re.search(r"kustomizeVersion: v5\.", done.stdout) else []


def test_the_builder_agrees_with_kustomize_where_there_is_one() -> None:
    for kubectl in _real_kustomize():
        for name in BUILDS:
            command = [kubectl, "kustomize", str(DEPLOY / name)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            text = re.sub(r"\bsecnet-node-[a-z0-9]{10}\b", "secnet-node", done.stdout)
            assert _sorted(list(yaml.safe_load_all(text))) == _sorted(build(DEPLOY / name)), name


def _sorted(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for obj in objects:
        if obj["kind"].startswith("ValidatingAdmissionPolicy"):
            obj["metadata"].pop("namespace", None)  # kustomize 5.5 gives it one, which an API server takes away
    return sorted(objects, key=lambda obj: (obj["kind"], obj["metadata"]["name"]))
