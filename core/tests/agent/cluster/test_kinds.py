"""What makes a document an object of a known kind."""

from __future__ import annotations

from typing import Any

import pytest
from secnet.agent.cluster.kinds import ObjectKey, kind_info, normalized, object_key
from secnet.contract import InvalidConfig

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
POOL = {"apiVersion": "crd.antrea.io/v1beta1", "kind": "IPPool", "metadata": {"name": "p"}}


def test_the_namespace_is_filled_in_and_the_document_stays_as_it_was() -> None:
    assert normalized(POD)["metadata"] == {"name": "web", "namespace": "default"}
    assert POD["metadata"] == {"name": "web"}
    assert normalized(POOL)["metadata"] == {"name": "p"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "$"),
        ({"metadata": {}}, "$.kind"),
        (POD | {"kind": "Pot"}, "$.kind"),
        (POD | {"apiVersion": "v2"}, "$.apiVersion"),
        (POD | {"metadata": None}, "$.metadata"),
        (POD | {"metadata": {}}, "$.metadata.name"),
        (POD | {"metadata": {"name": "Web"}}, "$.metadata.name"),
        (POD | {"metadata": {"name": "web\n"}}, "$.metadata.name"),
        (POD | {"metadata": {"name": "w" * 254}}, "$.metadata.name"),
        (POD | {"metadata": {"name": "web", "namespace": "a.b"}}, "$.metadata.namespace"),
        (POD | {"metadata": {"name": "web", "labels": {"a": 1}}}, "$.metadata.labels['a']"),
        (POD | {"spec": []}, "$.spec"),
        (POOL | {"metadata": {"name": "p", "namespace": "x"}}, "$.metadata.namespace"),
    ],
)
def test_what_is_no_object_is_refused_at_its_path(document: Any, path: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        normalized(document)
    assert caught.value.path == path
    assert caught.value.hint


def test_a_misspelt_kind_gets_the_nearest_one() -> None:
    with pytest.raises(InvalidConfig) as caught:
        kind_info("ippool")
    assert caught.value.hint == "did you mean IPPool?"


def test_keys() -> None:
    assert object_key("Pod", "web") == ObjectKey("Pod", "default", "web")
    assert object_key("IPPool", "p", "ignored") == ObjectKey("IPPool", "", "p")
    assert [str(object_key("Pod", "web")), str(object_key("IPPool", "p"))] == ["Pod default/web", "IPPool p"]
