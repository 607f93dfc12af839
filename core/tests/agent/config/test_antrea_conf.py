"""Keys of antrea-agent.conf that are accepted and have no effect."""

from __future__ import annotations

from secnet.agent.config._antrea_conf import antrea_notes, without_antrea


def test_what_only_antreas_agent_reads_is_taken_out() -> None:
    given = {"trafficEncapMode": "encap", "nodeName": "n", "ovsBridge": "br-int", "featureGates": {"Egress": True}}
    assert without_antrea(given) == {"nodeName": "n", "featureGates": {"Egress": True}}


def test_a_misspelt_bridge_list_is_not_taken_for_antreas_bridge() -> None:
    assert "ovsBridge" in without_antrea({"ovsBridge": [{"bridgeName": "br1"}]})


def test_each_ignored_key_is_named_in_a_note() -> None:
    gates = {"SecondaryNetwork": True, "Egress": True}
    notes = list(antrea_notes({"featureGates": gates, "tunnelType": "geneve", "apiPort": 1}))
    assert [note.path for note in notes] == ["$.featureGates.SecondaryNetwork", "$.featureGates", "$"]
    assert "on here or not" in notes[0].message
    assert notes[1].message.startswith("Egress: ")
    assert notes[2].message.startswith("apiPort, tunnelType: ")
    assert list(antrea_notes({"nodeName": "n"})) == []
