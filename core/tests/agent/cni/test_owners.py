"""What to do about the owner of a CNI configuration that keeps it to itself."""

from __future__ import annotations

from secnet.agent.cni.owners import how_to_share, setting_to_share


def test_a_known_owner_is_named_with_its_setting() -> None:
    assert "`cni.exclusive: false`" in how_to_share(("portmap", "cilium-cni"))


def test_any_other_is_to_be_found() -> None:
    assert "find the program that writes this file" in how_to_share(("bridge",))
    assert how_to_share(()) == how_to_share(("bridge",))
    assert setting_to_share(("bridge",)) == ""
