"""Logging of the agent: console or JSON lines, with Pod, NAD, interface and container id on every line about an attachment."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from secnet.contract import AttachRequest, IpamOwner, PodRef, one_line

__all__ = ["CONTEXT_FIELDS", "attachment_log", "is_logged", "mark_logged", "owner_log", "set_up_logging"]

CONTEXT_FIELDS = ("pod", "network", "interface", "container")
_LOGGED = "_secnet_logged"
_EXTRA_FIELDS = (*CONTEXT_FIELDS, "step", "facts", "reason")


class _Console(logging.Formatter):
    """`12:00:01 WARNING text  pod=default/web network=default/vlan100 ...`."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        context = " ".join(
            f"{name}={_word(value)}" for name in CONTEXT_FIELDS if (value := getattr(record, name, None))
        )
        line = f"{stamp} {record.levelname:7} {one_line(record.getMessage())}{'  ' + context if context else ''}"
        if not record.exc_info:
            return line
        # Indented, as an exception's own text may have lines of its own: no line of a log is forged by them.
        return "\n".join(
            [line, *(f"    {one_line(each)}" for each in self.formatException(record.exc_info).split("\n"))]
        )


def _word(value: object) -> str:
    """A value that ends where it seems to end."""
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        data: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        data |= {name: getattr(record, name) for name in _EXTRA_FIELDS if getattr(record, name, None)}
        if record.exc_info:
            data["exception"] = self.formatException(record.exc_info)
        return json.dumps(data, default=str)


class _Context(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


def attachment_log(request: AttachRequest) -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines carry the attachment's identity."""
    return _context(request.pod, str(request.network), request.ifname, request.container_id)


def owner_log(owner: IpamOwner) -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines carry what a pool knows of an attachment: all but the network."""
    return _context(owner.pod, "unknown", owner.ifname, owner.container_id)


def _context(pod: PodRef | None, network: str, ifname: str, container_id: str) -> logging.LoggerAdapter[logging.Logger]:
    context = {
        "pod": str(pod) if pod else "unknown",
        "network": network,
        "interface": ifname,
        "container": container_id[:13],
    }
    return _Context(logging.getLogger("secnet.attachment"), context)


def mark_logged(error: Exception) -> None:
    """Note that there is a line about this error: what passes it on needs to write none."""
    error.__dict__[_LOGGED] = True


def is_logged(error: Exception) -> bool:
    """Whether there is a line about this error."""
    return bool(error.__dict__.get(_LOGGED))


def set_up_logging(level: str, style: str) -> None:
    """Log to stderr; `style` is `console` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Console())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("kubernetes", "urllib3"):
        logging.getLogger(chatty).setLevel(max(root.level, logging.WARNING))
    logging.getLogger("ovsdbapp").setLevel(logging.WARNING)
    logging.getLogger("pyroute2").setLevel(logging.WARNING)
