"""An agent that takes and gives for a while."""

from __future__ import annotations

import random

from secnet.contract import ObjectStore

from .pools import backend, call, request

__all__ = ["churn"]


def churn(store: ObjectStore, worker: int, rounds: int) -> list[str]:
    """Take and give `rounds` times, and end with one lease held. The addresses of that lease."""
    agent, rng = backend(store), random.Random(worker)
    for step in range(rounds):
        ipam_request = request(f"w{worker}-{step}", "v4", "v6")
        first = agent.allocate(ipam_request, call(60))
        if rng.random() < 0.3:
            assert agent.allocate(ipam_request, call(60)) == first
        agent.release(ipam_request, call(60))
    return [item.address for item in agent.allocate(request(f"w{worker}", "v4", "v6"), call(60)).addresses]
