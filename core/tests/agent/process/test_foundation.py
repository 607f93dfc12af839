"""What the components of an agent stand on, by the traits of the source of the objects."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.base.metrics import Metrics
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.config.settings import Settings
from secnet.agent.process._foundation import Foundation, lay_foundation
from secnet_testing.contract_objects import record
from secnet_testing.scripted_plugins import Script, toy_registry


@pytest.fixture
def base(tmp_path: Path) -> Any:
    settings = Settings(node_name="n", run_dir=tmp_path / "run", state_dir=tmp_path / "state")
    cluster = ManifestCluster(settings.state_dir)
    with ExitStack() as stack:
        yield lay_foundation(settings, toy_registry(Script()), cluster, Metrics(), (), stack)
    cluster.close()


def test_records_of_an_earlier_boot_are_kept_for_the_release_of_their_addresses(base: Foundation) -> None:
    base.journal.write(record())
    assert [each.boot_id == base.boot_id for each in base.journal.records()] == [False]
    assert base.containers() == {}, "no Pod was listed yet"
