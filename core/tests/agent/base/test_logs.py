"""Lines of the log: who they are about, on a console and as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from secnet.agent.base.logs import attachment_log, owner_log, set_up_logging
from secnet.contract import IpamOwner
from secnet_testing.contract_objects import request


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def test_a_line_of_json_has_the_attachments_identity(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", "json")
    attachment_log(request(container="c" * 64)).warning("no %s", "carrier", extra={"step": "attach"})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["step"]) == ("warning", "no carrier", "attach")
    assert (line["pod"], line["network"], line["interface"]) == ("default/web", "default/blue", "eth1")
    assert line["container"] == "c" * 13
    assert line["time"].endswith("Z")


def test_a_line_on_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("warning", "console")
    log = owner_log(IpamOwner(container_id="c1", ifname="eth1"))
    log.info("is not shown")
    log.error("lost")
    (line,) = capsys.readouterr().err.splitlines()
    assert " ERROR   lost  pod=unknown network=unknown interface=eth1 container=c1" in line


@pytest.mark.parametrize("style", ["json", "console"])
def test_an_exception_stands_with_its_line(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", style)
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("secnet").exception("failed")
    assert "ValueError: odd" in capsys.readouterr().err


FORGED = "x\n12:00:00 ERROR   forged\r\x1b[2J\u2028\u202e"


def test_nothing_that_others_named_forges_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", "console")
    log = logging.getLogger("secnet")
    log.warning("the network %s is odd", FORGED, extra={"pod": FORGED, "network": "a pod=default/other"})
    try:
        raise ValueError(FORGED)
    except ValueError:
        log.exception("failed")
    text = capsys.readouterr().err
    first, second, *trace = text.split("\n")
    assert "the network x\\n12:00:00 ERROR   forged\\r\\x1b[2J\\u2028\\u202e is odd  pod=" in first
    assert ' network="a pod=default/other"' in first
    assert second.endswith("failed")
    assert all(line.startswith("    ") for line in trace if line)
    assert not any(char in text for char in "\r\x1b\u2028\u202e")


def test_a_line_of_json_is_one_line_whatever_stands_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info", "json")
    logging.getLogger("secnet").warning("%s", FORGED, extra={"pod": FORGED})
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == line["pod"] == FORGED
