"""What README.md promises: the prerequisites, the traced Pod, the driver in 30 lines."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.networks.annotation import parse_networks
from secnet.agent.plugins.fragments import driver_faults
from secnet.contract import (
    Attachment,
    AttachRequest,
    AttachResult,
    Call,
    Conflict,
    HostContext,
    NetworkRef,
    PodRef,
    from_json,
    to_json,
)
from secnet.linux.names import host_ifname
from secnet.linux.rtnl import host_rtnl, netns_rtnl
from secnet_conformance.needs import requires_link_kind
from secnet_conformance.snapshot import HostSnapshot, diff
from secnet_testing.netns import Namespace, NetnsFactory

ROOT = Path(__file__).resolve().parents[2]
PREREQUISITES = "apt-get install -y make git ca-certificates python3"


def section(readme: Any, title: str) -> str:
    """The text of a section of the README."""
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", readme.text, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_prerequisites_are_one_line_in_a_block_of_its_own(readme: Any) -> None:
    assert readme.text.count("apt-get install") == 1
    assert [block.text for block in readme.blocks if "apt-get install" in block.text] == [f"{PREREQUISITES}\n"]


def test_the_two_commands_stand_in_the_readme(readme: Any) -> None:
    assert "make demo\nmake test\n" in [block.text for block in readme.blocks]


def test_make_help_is_pasted_as_it_is(readme: Any) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout in [block.text for block in readme.blocks]


def test_the_paste_of_the_demo_tells_what_the_demo_does(readme: Any) -> None:
    """Every step and expectation of the script stands in the paste, and nothing in it went wrong."""
    script = (ROOT / "examples" / "demo" / "run").read_text(encoding="utf-8")
    paste = section(readme, "What the demo shows")
    for words in re.findall(r'^ *say "([^"$]+)"', script, re.MULTILINE):
        assert f"== {words}\n" in paste
    wanted = re.findall(r"^ *expect (talks|silence) sn-demo-(\w+) (\w+) sn-demo-(\w+) ", script, re.MULTILINE)
    shown = re.findall(r"^(\w+) +(\w+) +-> (\w+) +\S+ +(talks|silence) +ok$", paste, re.MULTILINE)
    assert [(word, source, via, target) for source, via, target, word in shown] == wanted
    assert "WRONG" not in paste


def test_every_distribution_stands_in_the_table_of_folders(readme: Any) -> None:
    for project in [ROOT / "core", ROOT / "ipam", *sorted((ROOT / "drivers").iterdir())]:
        name = re.search(r'^name = "(.+)"$', (project / "pyproject.toml").read_text(), re.MULTILINE)
        assert name is not None
        row = rf"^\| `{project.relative_to(ROOT)}/` \| `{name[1]}`.* \|$"
        assert re.search(row, section(readme, "What is there"), re.MULTILINE)


def test_python_blocks_compile(documents: Any) -> None:
    blocks = [(document.name, block) for document in documents for block in document.blocks]
    python = [(name, block) for name, block in blocks if block.language == "python"]
    assert python
    for name, block in python:
        compile("\n" * (block.line - 1) + textwrap.dedent(block.text), name, "exec")  # a method may stand alone


# --- The traced Pod ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trace(readme: Any) -> dict[str, Any]:
    """The JSON blocks of the trace by the name in the comment above each."""
    found = re.findall(r"<!-- trace: ([\w-]+) -->\n```json\n(.*?)```", readme.text, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def test_the_trace_is_of_the_shapes_that_the_code_has(trace: dict[str, Any]) -> None:
    """Nothing in it is unknown to the code, and nothing that the code would write is left out."""
    request = from_json(AttachRequest, trace["AttachRequest"])
    assert to_json(request) == trace["AttachRequest"]
    plan = {"request": trace["AttachRequest"], **trace["plan"]}
    assert to_json(from_json(Attachment, plan)) == plan
    bound = plan | trace["bound"]
    assert to_json(from_json(Attachment, bound)) == bound
    assert to_json(from_json(AttachResult, trace["AttachResult"])) == trace["AttachResult"]


def test_the_trace_hangs_together(trace: dict[str, Any]) -> None:
    request = from_json(AttachRequest, trace["AttachRequest"])
    attachment = from_json(Attachment, {"request": trace["AttachRequest"], **trace["plan"], **trace["bound"]})
    result = from_json(AttachResult, trace["AttachResult"])
    (selection,) = parse_networks(json.dumps(trace["annotation"]), "default")
    assert (selection.network, selection.mac) == (request.network, request.mac)
    assert attachment.names["host"] == host_ifname(request.key) == result.host_interfaces[0].name
    assert attachment.lease is not None
    assert attachment.vlan in attachment.lease.vlans
    (entry,) = [entry for entry in trace["network-status"] if entry["default"] is False]
    assert entry["name"] == str(request.network)
    assert entry["ips"] == [address.address.split("/")[0] for address in attachment.lease.addresses]
    assert (entry["interface"], entry["mac"], entry["mtu"]) == (request.ifname, result.mac, result.mtu)
    assert [entry["default"] for entry in trace["network-status"]].count(True) == 1


# --- The driver in 30 lines --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wire_driver(readme: Any) -> Any:
    """The class in the README, as it stands there."""
    (code,) = [block.text for block in readme.blocks if block.language == "python" and "(NetworkDriver)" in block.text]
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert len(code[code.index("class ") :].splitlines()) <= 30
    return names["WireDriver"]


def test_the_driver_describes_itself_as_the_registry_wants_it(wire_driver: Any) -> None:
    assert list(driver_faults(wire_driver.describe())) == []
    assert wire_driver.describe().network_type == "wire"


@pytest.mark.kernel
def test_the_driver_attaches_checks_and_detaches(
    wire_driver: Any, node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path
) -> None:
    requires_link_kind("veth")
    pod = netns_factory()
    driver = wire_driver(HostContext(node_name="node", run_dir=tmp_path))
    request = AttachRequest(
        container_id="c" * 64,
        ifname="eth1",
        pod=PodRef(namespace="default", name="web", uid="u1"),
        network=NetworkRef(namespace="default", name="wire"),
        network_type="wire",
        netns=pod.ref,
        mac="02:00:00:00:00:07",
        mtu=1400,
    )
    baseline = HostSnapshot.take(netns_dir=tmp_path)
    call = Call()
    plan = driver.plan(request, call)
    assert diff(baseline, HostSnapshot.take(netns_dir=tmp_path)) == []
    driver.detach(plan, call)  # before anything was made
    result = driver.attach(plan, call)
    assert driver.attach(plan, call) == result
    with pod.open() as fd, netns_rtnl(fd) as kernel:
        link = kernel.link("eth1")
    assert link is not None
    assert (link.mac, link.mtu, link.up) == ("02:00:00:00:00:07", 1400, False)
    assert driver.check(plan, call).clean
    driver.detach(plan, call)
    driver.detach(plan, call)
    assert not driver.check(plan, call).clean
    assert diff(baseline, HostSnapshot.take(netns_dir=tmp_path)) == []
    driver.close()


@pytest.mark.kernel
def test_the_driver_leaves_a_foreign_link_alone(
    wire_driver: Any, node_netns: Namespace, netns_factory: NetnsFactory, tmp_path: Path
) -> None:
    requires_link_kind("veth")
    pod = netns_factory()
    driver = wire_driver(HostContext(node_name="node", run_dir=tmp_path))
    request = AttachRequest(
        container_id="c" * 64,
        ifname="eth1",
        network=NetworkRef(namespace="default", name="wire"),
        network_type="wire",
        netns=pod.ref,
    )
    plan = driver.plan(request, Call())
    with host_rtnl() as kernel, pod.open() as fd:
        foreign = kernel.create_veth(plan.names["host"], "other", fd, group=0)
    with pytest.raises(Conflict):
        driver.attach(plan, Call())
    driver.detach(plan, Call())
    with host_rtnl() as kernel:
        assert kernel.link_by_index(foreign.index) is not None
