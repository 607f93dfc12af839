"""The agent's care for its entry in the runtime's network: what is written, and what is told of it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from secnet.agent.cni.front import CniFront
from secnet.agent.config.settings import CniSettings
from secnet.agent.observe.prometheus import PrometheusMetrics

from .helpers import ToyAttacher
from .node_directories import ENTRY

NETWORK = {"cniVersion": "1.0.0", "name": "cluster", "plugins": [{"type": "bridge"}]}
WRITES = "secnet_cni_entry_writes_total"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The runtime's network, and the plugin where it is called."""
    for folder in ("net.d", "bin"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin/secnet-cni").touch(mode=0o755)
    file = tmp_path / "net.d/10-net.conflist"
    file.write_text(json.dumps(NETWORK), encoding="utf-8")
    return file


@pytest.fixture
def metrics() -> Iterator[PrometheusMetrics]:
    metrics = PrometheusMetrics()
    yield metrics
    metrics.close()


@pytest.fixture
def front(file: Path, attacher: ToyAttacher, metrics: PrometheusMetrics) -> Iterator[CniFront]:
    folder = file.parents[1]
    program = folder / "built"
    program.write_bytes(b"\x7fELF")
    settings = CniSettings(socket=folder / "cni.sock", conf_dir=file.parent, bin_dir=folder / "bin", program=program)
    front = CniFront(settings, attacher, run_dir=folder / "run", ready_timeout=1.0, metrics=metrics)
    front.start()
    yield front
    assert front.close(0.0)


def test_an_entry_that_is_written_again_is_reported_and_counted(
    front: CniFront, file: Path, metrics: PrometheusMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "secnet.agent.cni.chain_keeper")
    for _ in range(2):
        front.reconcile()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert metrics.registry.get_sample_value(WRITES) == 1
    file.write_text(json.dumps(NETWORK), encoding="utf-8")
    for _ in range(2):
        front.reconcile()
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert str(file) in caplog.records[-1].getMessage()
    assert metrics.registry.get_sample_value(WRITES) == 2


def test_it_is_ready_once_the_entry_is_in(front: CniFront) -> None:
    assert "is not in the runtime's configuration yet" in front.unready()
    front.reconcile()
    assert front.unready() == ""


def test_a_change_of_the_runtimes_directory_is_seen_at_once(
    front: CniFront, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched: the looks without a cause, so that only the kernel's event can be what wakes the agent."""
    monkeypatch.setattr("secnet.agent.cni.front._LOOK_SECONDS", 3600.0)
    stop, rounds = threading.Event(), threading.Semaphore(0)
    thread = threading.Thread(target=front.run, args=(stop, rounds.release), daemon=True)
    thread.start()
    try:
        wait_chained(file)
        for _ in range(2):
            file.write_text(json.dumps(NETWORK), encoding="utf-8")
            wait_chained(file)
        replaced = file.parent.with_name("replaced")
        file.parent.rename(replaced)
        file.parent.mkdir()
        wait_until(lambda: "there is no CNI network in this directory" in front.unready())
        (replaced / file.name).rename(file)
        wait_until(lambda: front.unready() == "")
    finally:
        stop.set()
        front.wake()
        thread.join(10.0)
    assert not thread.is_alive()


def wait_chained(file: Path) -> None:
    wait_until(lambda: "secnet-cni" in file.read_text(encoding="utf-8"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_entry_that_stands_there_from_before_is_no_event(
    front: CniFront, file: Path, metrics: PrometheusMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    entry = ENTRY | {"failOpenNamespaces": ["kube-system"]}
    file.write_text(json.dumps(NETWORK | {"plugins": [{"type": "bridge"}, entry]}), encoding="utf-8")
    caplog.set_level(logging.INFO, "secnet.agent.cni.chain_keeper")
    front.reconcile()
    assert caplog.records == []
    assert metrics.registry.get_sample_value(WRITES) == 0


def test_a_lost_program_is_put_back_before_the_agent_is_ready(
    front: CniFront, attacher: ToyAttacher, file: Path, tmp_path: Path
) -> None:
    """A node that starts from another image may have the entry without the program: no Pod starts until it is there."""
    attacher.ready = False
    (tmp_path / "bin/secnet-cni").unlink()
    before = file.read_text(encoding="utf-8")
    front.reconcile()
    assert (tmp_path / "bin/secnet-cni").read_bytes() == b"\x7fELF"
    assert file.read_text(encoding="utf-8") == before
