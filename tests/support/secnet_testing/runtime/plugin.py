"""The fixtures of the private container runtime.

A pytest plugin; the root conftest.py loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from ..netns import Namespace

if TYPE_CHECKING:  # imported where they are needed: few runs need gRPC
    from .runtime import Runtime

    RuntimeFactory = Callable[..., Runtime]

__all__ = ["one_runtime", "runtime", "runtime_factory"]


@pytest.fixture(scope="session")
def one_runtime() -> Iterator[Runtime]:
    """The runtime that tests share; they take `runtime`."""
    from .runtime import play_runtime

    with play_runtime() as made:
        yield made


@pytest.fixture
def runtime(one_runtime: Runtime) -> Iterator[Runtime]:
    """A running container runtime without sandboxes. What a test makes in it is gone afterwards; it is started if it died."""
    yield one_runtime
    if not one_runtime.running:
        one_runtime.start()
    one_runtime.clear()


@pytest.fixture
def runtime_factory() -> Iterator[RuntimeFactory]:
    """Makes runtimes, each with its own containerd: `runtime_factory(namespace, subnet="10.9.0.0/24")`."""
    from .runtime import play_runtime

    with ExitStack() as stack:

        def make(namespace: Namespace | None = None, **options: Any) -> Runtime:
            return stack.enter_context(play_runtime(namespace, **options))

        yield make
