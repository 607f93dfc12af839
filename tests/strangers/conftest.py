"""One environment of a stranger for all tests of a run. What a test installs it takes out again, unless others may see it."""

from __future__ import annotations

import pytest
from secnet_testing.strangers import StrangerVenv


@pytest.fixture(scope="session")
def stranger_venv(tmp_path_factory: pytest.TempPathFactory) -> StrangerVenv:
    """The locked packages and our wheels, in a folder outside of the tree."""
    venv = StrangerVenv(tmp_path_factory.mktemp("stranger") / "venv")
    venv.make()
    return venv
