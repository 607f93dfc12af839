"""The Helm chart is what kustomize makes of the same manifests, and its values change what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet_testing.documents import ROOT
from secnet_testing.kubernetes.secnet import Helm, Kustomize
from secnet_testing.own_kustomization import BUILDS, COMPONENTS, DEPLOY, agent, by_kind, pod, write_own

CHART = DEPLOY / "chart"

NODE = {"secondaryNetwork": {"ovsBridges": [{"bridgeName": "br-mine"}]}, "cni": {"failOpenNamespaces": ["a"]}}


@pytest.fixture
def render(helm: Helm, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`helm template` with these values, by kind; in a namespace of its own."""

    def run(values: dict[str, Any], *, namespace: str = "secnet-system") -> dict[str, Any]:
        (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
        text = helm("template", "any", str(CHART), "--namespace", namespace, "--values", str(tmp_path / "values.yaml"))
        return by_kind([obj for obj in yaml.safe_load_all(text) if obj])

    return run


def plain(built: dict[str, Any]) -> dict[str, Any]:
    """Without what Helm and kustomize do each in its own way: the Namespace, and what rolls the agents."""
    objects = json.loads(re.sub(r"(secnet-node[a-z-]*)-[a-z0-9]{10}\b", r"\1", json.dumps(built)))
    objects.pop("Namespace", None)
    template = objects["DaemonSet"]["spec"]["template"]["metadata"]
    template["annotations"] = {
        key: value for key, value in template.get("annotations", {}).items() if "checksum" not in key
    }
    objects["configs"]["secnet-node"]["data"] = {
        name: yaml.safe_load(text) or {} for name, text in objects["configs"]["secnet-node"]["data"].items()
    }
    for kind, obj in objects.items():
        if kind.startswith("ValidatingAdmissionPolicy"):
            obj["metadata"].pop("namespace", None)  # kustomize gives it one, which an API server takes away
    return objects


@pytest.mark.parametrize("components", BUILDS, ids=lambda names: "+".join(names) or "base")
def test_every_object_is_that_of_kustomize(
    kustomize: Kustomize, render: Callable[..., dict[str, Any]], tmp_path: Path, components: tuple[str, ...]
) -> None:
    expected = plain(by_kind(kustomize(write_own(tmp_path, components, json.dumps(NODE)))))
    found = plain(render({"components": {name: name in components for name in COMPONENTS}, "node": NODE}))
    assert found.keys() == expected.keys()
    for kind, obj in expected.items():
        assert found[kind] == obj, kind


def test_the_policies_are_there_unless_one_says_no(render: Callable[..., dict[str, Any]]) -> None:
    assert "ValidatingAdmissionPolicy/secnet-agent-pods" in render({})
    assert "ValidatingAdmissionPolicy/secnet-agent-pods" not in render({"components": {"policies": False}})


def test_lint_has_nothing_to_say(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"component": {}}, "component"),
        ({"components": {"sink": True}}, "sink"),
        ({"components": {"sync": "yes"}}, "boolean"),
        ({"components": {"sync": True, "multus": True}}, "not"),
        ({"image": {"digest": "sha256:12"}}, "digest"),
        ({"node": []}, "node"),
        ({"hostPaths": {"run-containerd": "run"}}, "run-containerd"),
        ({"hostPaths": {"run-docker": "/run/docker"}}, "mounts no directory of the node as run-docker"),
    ],
)
def test_what_is_no_value_is_refused(render: Callable[..., dict[str, Any]], values: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        render(values)
    assert words in str(caught.value)


def test_values_of_the_daemonset(render: Callable[..., dict[str, Any]]) -> None:
    digest = f"sha256:{'0' * 64}"
    built = render(
        {
            "image": {"repository": "registry.example/secnet", "digest": digest, "pullPolicy": "Always"},
            "imagePullSecrets": [{"name": "key"}],
            "hostPaths": {"run-containerd": "/run/k3s/containerd"},
            "resources": {"limits": {"memory": "1Gi"}},
            "nodeSelector": {"rack": "a"},
            "podAnnotations": {"a": "b"},
        }
    )
    assert agent(built)["image"] == f"registry.example/secnet@{digest}"
    assert agent(built)["imagePullPolicy"] == "Always"
    assert agent(built)["resources"] == {"limits": {"memory": "1Gi"}}
    assert pod(built)["imagePullSecrets"] == [{"name": "key"}]
    assert pod(built)["nodeSelector"] == {"kubernetes.io/os": "linux", "rack": "a"}
    assert built["DaemonSet"]["spec"]["template"]["metadata"]["annotations"]["a"] == "b"
    (place,) = [volume for volume in pod(built)["volumes"] if volume["name"] == "run-containerd"]
    assert place["hostPath"]["path"] == "/run/k3s/containerd"
    assert agent(render({"image": {"tag": "2"}}))["image"] == "secnet:2"


def test_another_namespace_is_everywhere(render: Callable[..., dict[str, Any]]) -> None:
    built = render({"components": {"sync": True}}, namespace="elsewhere")
    assert "secnet-system" not in json.dumps(built)
    assert built["ClusterRoleBinding"]["subjects"][0]["namespace"] == "elsewhere"


def test_a_change_of_the_configuration_rolls_the_agents(render: Callable[..., dict[str, Any]]) -> None:
    one, same, other = (render({"node": {"log": {"level": level}}}) for level in ("info", "info", "debug"))
    assert one["DaemonSet"] == same["DaemonSet"] != other["DaemonSet"]


def test_it_holds_no_definition_of_others(render: Callable[..., dict[str, Any]]) -> None:
    built = render({"components": {name: name != "multus" for name in COMPONENTS}})
    assert not [kind for kind in built if kind.startswith("CustomResourceDefinition")]
    assert not (ROOT / "deploy/chart/crds").exists()
