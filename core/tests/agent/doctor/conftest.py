"""A node for the checks to look at: the settings of a test, the installed plugins, and a folder in the place of `/`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from secnet.agent.config.settings import Settings
from secnet.agent.doctor import Host, Result
from secnet.agent.plugins.registry import Registry

MakeHost = Callable[..., Host]
Found = dict[str, Result]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture
def make_host(registry: Registry, tmp_path: Path) -> MakeHost:
    """`make_host(cni=..., api=...)`: keys of Host, and of Settings; the vlan driver is configured."""

    def make(
        *,
        root: Path | None = None,
        api: Any = None,
        rules: Any = (),
        used: frozenset[str] | None = None,
        environment: Any = None,
        **settings: Any,
    ) -> Host:
        drivers = settings.pop("drivers", {"vlan": {"ovsBridges": [{"bridgeName": "br-secondary"}]}})
        return Host(
            settings=Settings(node_name="node-1", drivers=drivers, **settings),
            registry=registry,
            api=api,
            rules=rules,
            used=used,
            root=root or tmp_path,
            environment=environment or {},
        )

    return make


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file below the folder that stands for `/`."""

    def write(path: str, text: str) -> Path:
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def found() -> Callable[..., Found]:
    """The results of a check, by what they are about."""

    def run(check: Any, host: Host) -> Found:
        return {result.what: result for result in check(host)}

    return run


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: the sockets' paths must fit into their 107 characters."""
    with tempfile.TemporaryDirectory(prefix="sn-") as name:
        yield Path(name)
