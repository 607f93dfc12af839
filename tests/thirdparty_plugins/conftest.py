"""One environment of wheels only, for all tests of a run. What a test installs it takes out again, unless others may see it."""

from __future__ import annotations

import pytest
from secnet_testing.thirdparty import CleanVenv


@pytest.fixture(scope="session")
def clean_venv(tmp_path_factory: pytest.TempPathFactory) -> CleanVenv:
    """The locked packages and our wheels, in a folder outside of the tree."""
    venv = CleanVenv(tmp_path_factory.mktemp("clean") / "venv")
    venv.make()
    return venv
