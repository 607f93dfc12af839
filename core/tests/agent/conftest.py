"""What tests of several packages of the agent share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.cluster.interface import ApiReader
from secnet_testing.kubeapi.process import KubeApiProcess

OpenReader = Callable[..., ApiReader]


@pytest.fixture
def open_reader(kubeapi: KubeApiProcess, tmp_path: Path) -> Iterator[OpenReader]:
    """`open_reader(rules)`: the agent's reader of the test's API server, which may do what the rules of a ClusterRole allow
    there; everything without them."""
    from secnet.agent.cluster.kube import Credentials, open_reader

    with ExitStack() as stack:

        def open_with(rules: Sequence[Mapping[str, Any]] | None = None) -> ApiReader:
            token = kubeapi.add_token("reader-token", rules)
            reader = open_reader(Credentials(kubeapi.kubeconfig(tmp_path / "reader-kubeconfig", token)))
            stack.callback(reader.close)
            return reader

        yield open_with
