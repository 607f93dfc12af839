"""Files of the manifest directory as editors, copies and configuration tools write them, while Pods talk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from secnet_testing.node import Node
from secnet_testing.node_inspection import addresses, link, problems
from secnet_testing.objects import as_manifest, nad, pod, pool
from secnet_testing.traffic import traffic

pytestmark = pytest.mark.ovs


def _text(node: Node, *names: str) -> str:
    return as_manifest(
        nad("red", vlan=11, pools=["red"]),
        pool("red", "10.11.0.10-10.11.0.99", gateway="10.11.0.1", prefix=24),
        *(pod(name, node.pod(name).path, "red") for name in names),
    )


def _in_force(node: Node, name: str) -> str:
    return addresses(node.pod(name), "eth1")[0].split("/")[0]


def test_a_truncated_file_cuts_nothing_and_is_shown(live: Node) -> None:
    text = _text(live, "web", "db")
    path = live.put("all.yaml", text)
    live.wait_attached("web", "db")
    with traffic(live.pod("db"), _in_force(live, "web")) as flow:
        for broken in ("", text[: len(text) // 2], text.replace("metadata", "met\tdata: [", 1)):
            path.write_text(broken, encoding="utf-8")
            live.wait_until(lambda: problems(live), "the problem is shown")
            shown = live.status()["problems"][0]
            assert str(path) in shown["source"]
            assert shown["message"]
            assert shown["hint"].endswith("what this file said before stays in force")
            path.write_text(text, encoding="utf-8")
            live.wait_until(lambda: not problems(live), "the problem is gone")
        flow.flows()
        assert flow.lost == 0
    assert "stays in force" in live.agents[-1].text


def test_a_rename_takes_effect_as_a_whole(live: Node) -> None:
    live.put("all.yaml", _text(live, "web", "db"))
    live.wait_attached("web", "db")
    with traffic(live.pod("db"), _in_force(live, "web")) as flow:
        live.put("all.yaml", _text(live, "web", "db", "new"))
        live.wait_attached("new")
        live.put("all.yaml", _text(live, "db", "web"))
        live.wait_detached("new")
        flow.flows()
        assert flow.lost == 0
    assert problems(live) == []


def test_an_object_moves_to_another_file(live: Node) -> None:
    live.put("all.yaml", _text(live, "web", "db"))
    live.wait_attached("web", "db")
    uid = live.store.get("Pod", "web", "default")["metadata"]["uid"]
    with traffic(live.pod("db"), _in_force(live, "web")) as flow:
        live.put("web.yaml", as_manifest(pod("web", live.pod("web").path, "red")))
        live.wait_until(lambda: problems(live), "the same object in two files is shown")
        live.put("all.yaml", _text(live, "db"))
        live.wait_until(lambda: not problems(live), "it stands in one file now")
        flow.flows()
        assert flow.lost == 0
    assert live.store.get("Pod", "web", "default")["metadata"]["uid"] == uid


def test_a_swapped_symlink_takes_effect(live: Node, tmp_path: Path) -> None:
    """The way a mounted ConfigMap changes: the files are links through a link that is replaced by rename."""
    versions = live.folder / "versions"
    for version, names in (("1", ("web", "db")), ("2", ("web", "db", "new"))):
        (versions / version).mkdir(parents=True)
        (versions / version / "all.yaml").write_text(_text(live, *names), encoding="utf-8")
    data = live.folder / "data"
    data.symlink_to(versions / "1")
    (live.manifests / "all.yaml").symlink_to(data / "all.yaml")
    live.wait_attached("web", "db")
    with traffic(live.pod("db"), _in_force(live, "web")) as flow:
        swap = live.folder / "data.new"
        swap.symlink_to(versions / "2")
        os.replace(swap, data)
        live.wait_attached("new")
        flow.flows()
        assert flow.lost == 0
    assert problems(live) == []


def test_an_unreadable_file_says_why(live: Node) -> None:
    live.put("all.yaml", _text(live, "web"))
    live.wait_attached("web")
    (live.manifests / "loop.yaml").symlink_to(live.manifests / "loop.yaml")
    live.put("latin.yaml", "kind: Pod")
    (live.manifests / "latin.yaml").write_bytes(b"kind: Pod # \xe9\n")
    live.wait_until(lambda: len(problems(live)) == 2, "both files are shown")
    sources = {os.path.basename(problem["source"].split(":")[0]) for problem in live.status()["problems"]}
    assert sources == {"loop.yaml", "latin.yaml"}
    assert link(live.pod("web"), "eth1")
