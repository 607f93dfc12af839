"""The base and every set of components of deploy/, as kustomize builds them: they fit together, and they fit the agent."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.config.settings import Settings, load_settings
from secnet.agent.plugins.registry import Registry
from secnet.contract import thaw
from secnet_testing.documents import ROOT, read_document
from secnet_testing.kubernetes.secnet import Kustomize
from secnet_testing.own_kustomization import (
    BUILDS,
    COMPONENTS,
    DEPLOY,
    agent,
    by_kind,
    plain_name,
    pod,
    write_own,
)

REGISTRY = Registry.load()
ADDED = {"sync": ["DAC_OVERRIDE", "CHOWN"], "multus": ["DAC_OVERRIDE"]}


@pytest.fixture(scope="module", params=["", *COMPONENTS], ids=lambda name: name or "base")
def built(
    request: pytest.FixtureRequest, kustomize: Kustomize, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the base is, and an installation with each component; `components` has the names."""
    names = (request.param,) if request.param else ()
    objects = kustomize(write_own(tmp_path_factory.mktemp("own"), names))
    return {"components": set(names), **by_kind(objects)}


def lay_out(built: dict[str, Any], folder: Path) -> Path:
    """The files of the ConfigMaps where the DaemonSet mounts them; gives the path for --config."""
    volumes = {volume["name"]: volume for volume in pod(built)["volumes"]}
    by_name = {obj["metadata"]["name"]: obj for obj in built["configs"].values()}
    for mount in agent(built)["volumeMounts"]:
        source = volumes[mount["name"]].get("configMap")
        if source is not None:
            place = folder / mount["mountPath"][1:]
            place.mkdir(parents=True)
            for name, text in by_name[source["name"]]["data"].items():
                (place / name).write_text(text)
    (config,) = re.findall(r"--config (\S+)", " ".join([*agent(built).get("command", []), *agent(built)["args"]]))
    return folder / config[1:]


def containers(built: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod(built)["containers"]
    yield from pod(built).get("initContainers", ())


@pytest.fixture
def settings(built: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the agent reads there, with the environment that the manifest gives it."""
    fields = {"spec.nodeName": "node-1", "metadata.namespace": built["DaemonSet"]["metadata"]["namespace"]}
    for item in agent(built)["env"]:
        value = item["value"] if "value" in item else fields[item["valueFrom"]["fieldRef"]["fieldPath"]]
        monkeypatch.setenv(item["name"], value)
    return load_settings(lay_out(built, tmp_path / "container"), REGISTRY)


def test_everything_is_there_and_in_one_namespace(built: dict[str, Any]) -> None:
    kinds = {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet"}
    assert built.keys() - {"components", "configs"} >= kinds
    assert "CustomResourceDefinition" not in built
    namespace = built["Namespace"]["metadata"]["name"]
    for obj in (built["ServiceAccount"], built["DaemonSet"], *built["configs"].values()):
        assert obj["metadata"]["namespace"] == namespace
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
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    more = [capability for name in built["components"] for capability in ADDED.get(name, [])]
    assert agent(built)["securityContext"]["capabilities"]["add"] == ["NET_ADMIN", "SYS_ADMIN", "NET_RAW", *more]


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
    if "sync" in built["components"]:
        assert settings.cni is not None
        assert settings.cni.conf_dir == Path("/host/etc/cni/net.d")
        assert settings.cni.fail_open_namespaces == {"kube-system", built["Namespace"]["metadata"]["name"]}
    elif "multus" in built["components"]:
        assert settings.cni is not None
        assert settings.cni.conf_dir == Path("/host/etc/cni/net.d"), "where Multus is seen"
        mounts = {mount["mountPath"]: mount for mount in agent(built)["volumeMounts"]}
        assert mounts["/host/etc/cni/net.d"]["readOnly"] is True, "nothing is chained where Multus is"
    else:
        assert settings.cni is None


def test_multus_is_seen_everywhere(built: dict[str, Any], settings: Settings) -> None:
    (mount,) = [mount for mount in agent(built)["volumeMounts"] if mount["name"] == "cni-conf"]
    assert mount["mountPath"] == str(settings.cni_conf_dir)
    assert mount["readOnly"] is ("sync" not in built["components"]), "only the plugin's entry is written there"
    assert settings.multus == ("present" if "multus" in built["components"] else "auto")


def test_probes_ask_where_the_agent_listens(built: dict[str, Any], settings: Settings) -> None:
    assert settings.http_listen is not None
    host, _, port = settings.http_listen.rpartition(":")
    container = agent(built)
    asked = {container[name]["httpGet"]["path"]: container[name]["httpGet"] for name in _PROBES}
    assert asked == {path: {"host": "127.0.0.1", "path": path, "port": int(port)} for path in ("/healthz", "/readyz")}
    assert [item["containerPort"] for item in container["ports"]] == [int(port)]
    annotations = built["DaemonSet"]["spec"]["template"]["metadata"].get("annotations", {})
    if "metrics" in built["components"]:
        assert host == "[::]", "every address, of IPv4 or of IPv6"
        assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": port}
    else:
        assert (host, annotations) == ("127.0.0.1", {}), "nothing that finds the Pod would reach the port"


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


def test_what_each_component_adds(kustomize: Kustomize, tmp_path: Path) -> None:
    def paths(*components: str) -> set[str]:
        volumes = pod(by_kind(kustomize(write_own(tmp_path, components))))["volumes"]
        return {volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume}

    base = paths()
    assert base == {
        "/run/secnet",
        "/run/netns",
        "/run/containerd",
        "/run/openvswitch",
        "/var/lib/secnet",
        "/var/lib/kubelet/pod-resources",
        "/etc/cni/net.d",
    }
    host = {name: paths(name) for name in COMPONENTS}
    assert {name: (added - base, base - added) for name, added in host.items()} == {
        "antrea": ({"/var/run/antrea/openvswitch"}, {"/run/openvswitch"}),
        "dra": (set(), set()),
        "metrics": (set(), set()),
        "multus": ({"/opt/cni/bin", "/run/k8s.cni.cncf.io"}, set()),
        "policies": (set(), set()),
        "sriov": ({"/sys"}, set()),
        "sync": ({"/opt/cni/bin"}, set()),
    }


@pytest.mark.parametrize("name", COMPONENTS)
def test_an_overlay_is_the_base_with_one_component(kustomize: Kustomize, tmp_path: Path, name: str) -> None:
    assert kustomize(DEPLOY / "overlays" / name) == kustomize(write_own(tmp_path, (name,)))


NODE = """
secondaryNetwork:
  ovsBridges: [{bridgeName: br-mine, physicalInterfaces: [eth7]}]
cni: {failOpenNamespaces: [monitoring]}
log: {level: debug}
"""


@pytest.mark.parametrize("components", BUILDS, ids=lambda names: "+".join(names) or "base")
def test_every_key_of_the_users_file_is_kept_and_wins(
    kustomize: Kustomize, tmp_path: Path, components: tuple[str, ...]
) -> None:
    built = by_kind(kustomize(write_own(tmp_path, components, NODE)))
    found = load_settings(lay_out(built, tmp_path / "container"), REGISTRY)
    (bridge,) = thaw(found.drivers)["vlan"]["ovsBridges"]
    assert bridge == {"bridgeName": "br-mine", "physicalInterfaces": ["eth7"]}
    assert (found.log_level, found.log_format, found.kubernetes is not None) == ("debug", "json", True)
    assert found.cni is not None
    assert found.cni.fail_open_namespaces == {"monitoring"}
    assert found.cni.program == (
        Path("/usr/local/lib/secnet/secnet-cni") if {"sync", "multus"} & set(components) else None
    )
    assert found.multus == ("present" if "multus" in components else "auto")


@pytest.mark.parametrize("components", [(), ("sync",)])
def test_a_change_of_any_file_rolls_the_agents(
    kustomize: Kustomize, tmp_path: Path, components: tuple[str, ...]
) -> None:
    """Each ConfigMap has the hash of what is in it in its name, by which the DaemonSet names it."""
    one, other = (
        by_kind(kustomize(write_own(tmp_path, components, node))) for node in (NODE, NODE.replace("eth7", "eth8"))
    )
    assert one["DaemonSet"] != other["DaemonSet"]
    mounted = {volume["configMap"]["name"] for volume in pod(one)["volumes"] if "configMap" in volume}
    assert mounted == {config["metadata"]["name"] for config in one["configs"].values()}
    assert all(name != plain_name(name) for name in mounted)


def shown(page: str, words: str, folder: Path) -> dict[str, Any]:
    """The only YAML block of a page with these words, whose paths are right in `folder`."""
    (text,) = (block.text for block in read_document(ROOT / page).blocks if words in block.text)
    found: dict[str, Any] = yaml.safe_load(text.replace("../secnet/deploy", os.path.relpath(DEPLOY, folder)))
    return found


def test_the_patch_for_another_distribution_changes_directories_of_the_node_alone(
    kustomize: Kustomize, tmp_path: Path
) -> None:
    folder = write_own(tmp_path, ("sync",))
    file = folder / "kustomization.yaml"
    before = pod(by_kind(kustomize(folder)))
    file.write_text(json.dumps(json.loads(file.read_text()) | shown("docs/deployment.md", "/run/k3s", folder)))
    after = pod(by_kind(kustomize(folder)))
    assert after["containers"] == before["containers"], "the mount paths stay"
    paths = [{each["name"]: each.get("hostPath") for each in found["volumes"]} for found in (before, after)]
    assert paths[0].keys() == paths[1].keys()
    assert {name: found["path"] for name, found in paths[1].items() if found and found != paths[0][name]} == {
        "run-containerd": "/run/k3s/containerd",
        "cni-conf": "/var/lib/rancher/k3s/agent/etc/cni/net.d",
        "cni-bin": "/var/lib/rancher/k3s/data/cni",
    }


def test_an_installation_elsewhere_leaves_the_namespace_to_its_owner(kustomize: Kustomize, tmp_path: Path) -> None:
    folder = write_own(tmp_path, ("sync", "policies"), node="log: {level: debug}")
    file = folder / "kustomization.yaml"
    plain = yaml.safe_load(file.read_text())
    more = shown("deploy/README.md", "namespace: networking", folder)
    file.write_text(json.dumps(plain | {"namespace": more["namespace"]}))
    assert by_kind(kustomize(folder))["Namespace"]["metadata"]["name"] == "networking", "why there is a patch"
    file.write_text(json.dumps(plain | more))
    objects = kustomize(folder)
    assert "Namespace" not in by_kind(objects)
    assert "secnet-system" not in json.dumps([obj for obj in objects if obj["kind"] != "ConfigMap"])
    bindings = [obj for obj in objects if obj["kind"] == "ClusterRoleBinding"]
    assert [obj["subjects"][0]["namespace"] for obj in bindings] == ["networking"] * 2


@pytest.mark.parametrize("variant", ["base", "userspace"])
def test_open_vswitch_comes_from_a_registry_by_a_folder_of_ones_own(
    kustomize: Kustomize, tmp_path: Path, variant: str
) -> None:
    own = shown("deploy/README.md", "newName: registry.example/secnet-openvswitch", tmp_path)
    own["resources"] = [f"{path.removesuffix('base')}{variant}" for path in own["resources"]]
    (tmp_path / "kustomization.yaml").write_text(json.dumps(own))
    (daemonset,) = (obj for obj in kustomize(tmp_path) if obj["kind"] == "DaemonSet")
    images = [container["image"] for container in daemonset["spec"]["template"]["spec"]["containers"]]
    assert images == ["registry.example/secnet-openvswitch:0.1.0"] * 2
