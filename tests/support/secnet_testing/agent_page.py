"""What a running agent says over HTTP, asked from inside its node."""

from __future__ import annotations

import http.client
from contextlib import closing

from prometheus_client.parser import text_string_to_metric_families
from secnet_conformance.netns import inside

from .node import Node

__all__ = ["PORT", "ask", "metrics", "wait_checked"]

PORT = 9465


def ask(node: Node, path: str) -> tuple[int, str]:
    """Status and body of a page. The node is configured with `http={"listen": f"127.0.0.1:{PORT}"}`."""

    def get() -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    return inside(node.namespace, get)


def metrics(node: Node) -> dict[str, float]:
    """Each sample by its name and the values of its labels, those in the order of the labels' names."""
    status, page = ask(node, "/metrics")
    assert status == 200
    samples = [item for family in text_string_to_metric_families(page) for item in family.samples]
    return {
        f"{item.name} {' '.join(item.labels[key] for key in sorted(item.labels))}".strip(): item.value
        for item in samples
    }


def wait_checked(node: Node, attachments: int, *, network_type: str = "vlan") -> None:
    """Wait until each of that many attachments was checked from begin to end, from now on.

    A round checks them one after the other, so twice the number of checks holds a whole one of each.
    """
    sample = f"secnet_operation_duration_seconds_count {network_type} check total"
    until = metrics(node).get(sample, 0) + 2 * attachments
    node.wait_until(lambda: metrics(node).get(sample, 0) >= until, "every attachment is checked")
