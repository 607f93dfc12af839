"""`secnet validate` from the outside: files in, lines and exit status out."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cli import validate
from secnet.agent.plugins.registry import Registry
from secnet.agent.validate import offline
from secnet_testing.sample_plugins import sample_entry_points

NAD = """
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: NAME}
spec:
  config: '{
    "cniVersion": "0.3.0", "type": "antrea", "networkType": "vlan", MORE
  }'
"""
POD = """
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    k8s.v1.cni.cncf.io/networks: 'NETWORKS'
spec: {}
"""
POOL = """
apiVersion: crd.antrea.io/v1beta1
kind: IPPool
metadata: {name: pool1}
spec: SPEC
"""


def nad(name: str = "blue", more: str = '"vlan": 100') -> str:
    return NAD.replace("NAME", name).replace("MORE", more)


def pod(networks: str = "blue") -> str:
    return POD.replace("NETWORKS", networks)


def pool(spec: str = "{ipRanges: [{cidr: 10.0.0.0/24}]}") -> str:
    return POOL.replace("SPEC", spec)


class Command:
    """Runs the command on texts, each written to a file of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *texts: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        files = []
        for number, text in enumerate(texts, start=1):
            files.append(self.folder / f"{number}.yaml")
            files[-1].write_text(text)
        return self.on(*files, options=options)

    def on(self, *paths: Path, options: tuple[str, ...] = ()) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        validate.add_parser(parser.add_subparsers())
        arguments = parser.parse_args(["validate", *options, *map(str, paths)])
        code = arguments.run(arguments)
        return code, self._capsys.readouterr().out.replace(f"{self.folder}/", "")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    # The command takes what is installed; what that is must not decide this test.
    registry = Registry.load(sample_entry_points)
    monkeypatch.setattr(Registry, "load", lambda: registry)
    return Command(tmp_path, capsys)


def test_a_clean_run_says_what_was_checked(command: Command) -> None:
    assert command(nad() + "---" + pod(), pool()) == (0, "3 objects in 2 files: no findings\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            nad(more='"vlna": 1'),
            "1.yaml:2: NetworkAttachmentDefinition default/blue: $.vlna: "
            "unknown key \"vlna\" (driver vlan); did you mean 'vlan'?",
        ),
        (
            nad() + "---" + pod('[{"name": "blue", "mac": "x"}]'),
            "1.yaml:10: Pod default/web: $.metadata.annotations['k8s.v1.cni.cncf.io/networks']: $[0].mac: "
            '"x" is not a MAC address of 6 bytes; write it as in aa:bb:cc:dd:ee:01',
        ),
        (
            nad() + "---" + pod('[{"name": "blue", "ips": ["10.0.0.1"]}]'),
            "1.yaml:10: Pod default/web: $.metadata.annotations['k8s.v1.cni.cncf.io/networks']: $[0]: "
            "ips is asked for, but a network without ipam does not support it; "
            "remove ips from the annotation or use a network that supports it",
        ),
        (pool("{}"), "1.yaml:2: IPPool pool1: $.spec.ipRanges: the pool has no ranges; add one"),
        (
            "nodeName: n1\novsBridges: [{}]",
            "1.yaml:1: node configuration: $.ovsBridges[0].bridgeName: the key bridgeName is missing "
            '(node configuration of driver vlan); Name of the bridge, for example "br-secondary"',
        ),
        ("kind: Pood", "1.yaml:1: Pood: $.kind: the kind 'Pood' is unknown; did you mean Pod?"),
    ],
)
def test_one_line_a_finding(command: Command, text: str, line: str) -> None:
    code, output = command(text)
    assert code == 1
    assert output.splitlines()[0] == line
    assert output.splitlines()[-1].endswith(": 1 finding")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", ["1.yaml: line 2: not YAML"]),
        ("- 1", ["1.yaml:1:", "expected an object"]),
        ("a: 1", ["1.yaml:1:", "kind"]),
        (nad() + "---" + nad(), ["1.yaml:10:", "already in 1.yaml:2"]),
        (nad() + "---" + pod("blue@net1,blue@net1"), ["$[1].interface: interface net1 is already used"]),
        (
            nad() + "---" + pod('[{"name": "blue", "mac": "x"}, {"name": "B"}]'),
            ["$[0].mac: ", "$[1].name: ", "2 findings"],
        ),
        (
            nad() + "---" + pod('[{"name": "blue", "mtu": 9}]'),
            ["$[0].mtu: ", "set mtu in the NetworkAttachmentDefinition"],
        ),
        (
            nad() + "---" + pod('[{"name": "blue", "default-route": []}, {"name": "blue", "default-route": []}]'),
            ["$[1].default-route: default-route stands in more than one element"],
        ),
        (
            nad().replace(
                '"type": "antrea", "networkType": "vlan", "vlan": 100', '"plugins": [{"type": "x"}, {"type": "secnet"}]'
            ),
            ["$.plugins[1].type", "put it first"],
        ),
        (nad().replace("k8s.cni.cncf.io/v1", "v1"), ["$.apiVersion", "write apiVersion: k8s.cni.cncf.io/v1"]),
        ("kind: List\nitems: [{kind: Pod, apiVersion: v1, metadata: {name: A}}]", ["1.yaml:2: Pod A: $.metadata.name"]),
        (nad(more='"ipam": {"type": "pools", "ippools": [], "subnet": "10.0.0.1/8"}'), ["$.ipam.subnet", "host bits"]),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    metadata:\n"
            "      annotations: {k8s.v1.cni.cncf.io/networks: 'a@lo'}",
            ["Deployment d: $.spec.template.metadata.annotations", "$[0].interface", "loopback"],
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    metadata:\n"
            "      annotations: {k8s.v1.cni.cncf.io/networks: 'a@b,b@b,c@lo'}",
            ["$[1].interface: interface b is already used", "$[2].interface: ", "2 findings"],
        ),
    ],
)
def test_what_is_found(command: Command, text: str, words: list[str]) -> None:
    code, output = command(text)
    assert code == 1
    assert all(word in output for word in words), output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (pod("ns/red"), ["note: Pod default/web", "NetworkAttachmentDefinition ns/red is not among these files"]),
        (
            nad().replace(
                '"type": "antrea", "networkType": "vlan", "vlan": 100',
                '"plugins": [{"type": "secnet", "networkType": "vlan"}, {"type": "tuning"}, {"type": "sbr"}]',
            ),
            ["note: NetworkAttachmentDefinition default/blue: $.plugins: ", "tuning, sbr"],
        ),
        (nad().replace('"antrea"', '"macvlan"'), ['type "macvlan" is not ours']),
        (nad().replace('"antrea"', '"Antrea"'), ["did you mean 'antrea'"]),
        (
            nad().replace('"type": "antrea", "networkType": "vlan"', '"plugins": [{"type": "x"}]'),
            ["$.plugins", "left alone"],
        ),
        (
            "featureGates: {SecondaryNetwork: true}\nhostGateway: antrea-gw0",
            ["note: node configuration: $.featureGates.SecondaryNetwork: ", "hostGateway: of Antrea's primary network"],
        ),
        ("kind: Service\nmetadata: {name: s}", ["note: Service s: secnet does not use a Service"]),
    ],
)
def test_notes_are_no_findings(command: Command, text: str, words: list[str]) -> None:
    code, output = command(text)
    assert code == 0
    assert all(word in output for word in words), output


def test_a_bad_nad_is_reported_once_and_not_again_by_each_pod(command: Command) -> None:
    code, output = command(nad(more='"vlan": 9999') + "---" + pod())
    assert (code, len(output.splitlines())) == (1, 2)


def test_json(command: Command) -> None:
    code, output = command(nad(more='"vlan": 9999'), options=("--json",))
    data: dict[str, Any] = json.loads(output)
    assert (code, data["files"], data["objects"]) == (1, 1, 1)
    (finding,) = data["findings"]
    assert (finding["path"], finding["line"], finding["note"]) == ("$.vlan", 2, False)


def test_a_directory_means_its_manifests(command: Command) -> None:
    for name in ("a.yaml", "b.yml", "ignored.txt"):
        (command.folder / name).write_text(nad(name[0]))
    (command.folder / "c.json").write_text(json.dumps({"kind": "Service"}))
    assert command.on(command.folder, command.folder / "a.yaml")[1].splitlines()[-1] == (
        "3 objects in 3 files: no findings, 1 note"
    )


@pytest.mark.parametrize("what", ["missing.yaml", "empty"])
def test_nothing_to_check_is_a_finding(command: Command, what: str) -> None:
    (command.folder / "empty").mkdir()
    code, output = command.on(command.folder / what)
    assert code == 1
    assert output.startswith(what) or "no manifests" in output


def test_files_that_are_no_text_or_no_json(command: Command) -> None:
    (command.folder / "a.yaml").write_bytes(b"\xff")
    (command.folder / "b.json").write_text("{'a': 1}")
    code, output = command.on(command.folder)
    assert code == 1
    assert "a.yaml: this is not UTF-8" in output
    assert "b.json: line 1: Expecting property name" in output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: {a: b}\n", "1.yaml:1: $.kind: the kind {'a': 'b'} is unknown"),
        ("kind: [Pod]\nmetadata: {name: [x]}\n", "1.yaml:1: $.kind: the kind"),
        ("a: 0x" + "f" * 5000 + "\n", "1.yaml: line 1: a number has more than"),
        ("- a\n" * 2_500_000, "1.yaml: line 200000: more than 200000 values"),
        ('kind: "x\\n2.yaml: no findings"\n', "1.yaml:1: x\\n2.yaml: no findings: $.kind"),
    ],
    ids=["a kind that is a mapping", "a kind that is a list", "a huge integer", "ten megabytes", "a forged line"],
)
def test_hostile_documents_are_findings_beside_which_all_others_are_checked(
    command: Command, text: str, words: str
) -> None:
    code, output = command(text, nad(more='"vlna": 1'))
    assert code == 1
    assert output.splitlines()[0].startswith(words)
    assert "2.yaml:2: NetworkAttachmentDefinition default/blue: $.vlna" in output.splitlines()[1]


def test_a_fault_of_our_own_is_a_finding_of_the_document_that_meets_it(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = offline.examine_nad

    def faulty(obj: Any, *rest: Any) -> Any:
        if obj["metadata"]["name"] == "odd":
            raise KeyError("surprise")
        return real(obj, *rest)

    monkeypatch.setattr(offline, "examine_nad", faulty)  # a fault that is not known yet cannot be met by an input
    code, output = command(nad("odd") + "---" + pod("odd"), nad(more='"vlna": 1'))
    assert code == 1
    assert (
        "1.yaml:2: NetworkAttachmentDefinition default/odd: KeyError: 'surprise'; this is a fault in secnet" in output
    )
    assert "$.vlna" in output


def test_a_pipe_is_a_finding_and_is_not_waited_for(command: Command) -> None:
    os.mkfifo(command.folder / "a.yaml")
    code, output = command.on(command.folder / "a.yaml")
    assert code == 1
    assert "a.yaml: this is not a regular file" in output


def test_devices_that_are_too_few(command: Command) -> None:
    slot = nad("slot", '"ipam": {}').replace('"vlan", "ipam": {}', '"slot"')
    slot = slot.replace("{name: slot}", "{name: slot, annotations: {k8s.v1.cni.cncf.io/resourceName: x.com/slot}}")
    assert (
        "note: Pod default/web: $.spec.containers: 2 networks need a device of resource x.com/slot"
        in command(slot, pod("slot,slot"))[1]
    )
    named = pod("slot").replace("'slot'", "'slot'\n    secnet.io/devices: '[]'")
    code, text = command(slot, named)
    assert (code, "1 network needs a device of resource x.com/slot, and 0 are named" in text) == (1, True), text


def test_what_a_network_cannot_be_with_its_subnets(command: Command) -> None:
    """The sample backend says that leases are of `subnet`, with a route to it."""
    more = '"vlan": 100, "mtu": 1200, "ipam": {"type": "pools", "ippools": ["pool1"], "subnet": "SUBNET"}'
    code, out = command(nad(more=more.replace("SUBNET", "fd00::/64")), pool())
    assert code == 1
    assert "NetworkAttachmentDefinition default/blue: $.mtu: 1200 is too small for addresses of fd00::/64" in out
    code, out = command(nad(more=more.replace("SUBNET", "10.0.0.0/24")), pool())
    assert code == 0
    assert "note: NetworkAttachmentDefinition default/blue: $.ipam.routes: 10.0.0.0/24 is the subnet" in out
