"""NADs as the watch last saw them."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from secnet.agent.model.multus import MultusState
from secnet.agent.model.network import NetworkConfig
from secnet.agent.networks import nad_cache as nad_cache_module
from secnet.agent.networks.nad_cache import NadCache
from secnet.agent.plugins.registry import Registry
from secnet.contract import InvalidConfig, NetworkRef, NotReady, ObjectNotFound, ObjectRef, SecnetError, Unsupported
from secnet_testing.sample_plugins import sample_entry_points
from secnet_testing.scripted_plugins import Script, toy_registry

BLUE = NetworkRef(namespace="shop", name="blue")
RED = NetworkRef(namespace="shop", name="red")


def nad(**config: Any) -> dict[str, Any]:
    whole = {"cniVersion": "1.0.0", "type": "secnet", "networkType": "toy"} | config
    return {"metadata": {"namespace": "shop", "name": "blue"}, "spec": {"config": json.dumps(whole)}}


def cache(**options: Any) -> NadCache:
    made = NadCache(toy_registry(Script()), **options)
    made.update(nad())
    return made


def found(nads: NadCache) -> NetworkConfig:
    config = nads.look_up(BLUE)
    assert config is not None
    return config


def test_a_nad_of_ours_until_it_is_deleted() -> None:
    nads = cache()
    assert found(nads).network_type == "toy"
    nads.update(nad(type="bridge"))
    assert nads.look_up(BLUE) is None, "somebody else's"
    nads.remove(nad())
    with pytest.raises(ObjectNotFound):
        nads.look_up(BLUE)


def test_a_bad_one_fails_whoever_asks_for_it_each_time() -> None:
    nads = cache()
    nads.update(nad(networkType="none"))
    for _ in range(2):
        with pytest.raises(SecnetError):
            nads.look_up(BLUE)
    nads.update(nad())
    assert nads.look_up(BLUE) is not None


def test_networks_of_other_namespaces_only_where_they_are_shared() -> None:
    nads = cache(shared_namespaces=frozenset({"lib"}))
    assert nads.for_pods_of("shop")(BLUE) is not None
    with pytest.raises(InvalidConfig, match="may not use the networks of namespace shop"):
        nads.for_pods_of("other")(BLUE)
    assert cache(shared_namespaces=frozenset({"shop"})).for_pods_of("other")(BLUE) is not None
    assert cache().for_pods_of("other")(BLUE) is not None


def test_where_multus_serves_the_node_a_network_is_its_own_or_impossible() -> None:
    nads = cache()
    assert not nads.is_left_to_multus(found(nads))
    nads.set_multus(MultusState(serves=True))
    assert nads.is_left_to_multus(found(nads))
    nads.update(nad(type="antrea"))
    with pytest.raises(Unsupported, match="Multus serves this node") as raised:
        nads.is_left_to_multus(found(nads))
    assert "Multus then calls" in raised.value.hint


@pytest.mark.parametrize("kind", ["secnet", "antrea"])
def test_while_multus_is_away_the_error_names_what_ends_that(kind: str) -> None:
    """Not to leave the network to Multus: nothing calls for either of them."""
    nads = cache()
    nads.update(nad(type=kind))
    nads.set_multus(MultusState(serves=True, away="is not there", remedy="remove the file"))
    with pytest.raises(NotReady, match="it is left to Multus, which is not there") as raised:
        nads.is_left_to_multus(found(nads))
    assert raised.value.hint == "remove the file"


def test_a_missing_nad_is_what_the_pod_waits_for() -> None:
    """By reference: one whose name begins alike wakes no one."""
    nads = NadCache(Registry.load(sample_entry_points))
    with pytest.raises(ObjectNotFound) as raised:
        nads.look_up(NetworkRef(namespace="web", name="lan1"))
    nad = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    assert raised.value.waits_for == (ObjectRef.of(nad | {"metadata": {"namespace": "web", "name": "lan1"}}),)
    assert ObjectRef.of(nad | {"metadata": {"namespace": "web", "name": "lan10"}}) not in raised.value.waits_for


def test_pods_do_not_learn_what_networks_other_namespaces_have() -> None:
    """A network of ours, one of another plugin, a broken one, and none at all look the same to them."""
    nads = cache(shared_namespaces=frozenset({"lib"}))
    find, said = nads.for_pods_of("other"), set()
    for changed in (nad(), nad(type="bridge"), nad(networkType="none"), None):
        if changed is None:
            nads.remove(nad())
        else:
            nads.update(changed)
        with pytest.raises(SecnetError) as caught:
            find(BLUE)
        said.add((caught.value.info, str(caught.value)))
    assert len(said) == 1
    assert not next(iter(said))[0].waits_for, "nor when one of them changes"


def test_where_multus_serves_the_node_its_own_isolation_holds() -> None:
    nads = cache(shared_namespaces=frozenset({"lib"}))
    nads.set_multus(MultusState(serves=True))
    find = nads.for_pods_of("other")
    assert find(BLUE) is None
    nads.remove(nad())
    assert find(BLUE) is None


def test_a_network_that_takes_long_to_check_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    nads = cache()
    red = nad()
    red["metadata"]["name"] = "red"
    nads.update(red)
    real, served = nad_cache_module.parse_nad, []

    def parse(obj: Any, *arguments: Any) -> Any:
        if obj["metadata"]["name"] == "blue":
            other = threading.Thread(target=lambda: served.append(nads.look_up(RED)))
            other.start()
            other.join(20)
        return real(obj, *arguments)

    monkeypatch.setattr(nad_cache_module, "parse_nad", parse)  # no network within the limits takes long
    assert nads.look_up(BLUE) is not None
    assert len(served) == 1


def test_what_is_parsed_while_the_network_changes_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    nads, real = cache(), nad_cache_module.parse_nad

    def parse(obj: Any, *arguments: Any) -> Any:
        monkeypatch.undo()
        nads.update(nad(type="bridge"))
        return real(obj, *arguments)

    monkeypatch.setattr(nad_cache_module, "parse_nad", parse)  # as above
    nads.look_up(BLUE)
    assert nads.look_up(BLUE) is None
