"""What is read of a Dockerfile, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagebuild.base import release_of
from imagebuild.dockerfile import read_dockerfile


def test_stages_and_their_instructions(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("# a comment\nARG A=b:c\n\nFROM ${A} AS one\nRUN x && \\\n    y\nFROM one\nCOPY --from=one /a /b\n")
    arguments, (one, final) = read_dockerfile(file)
    assert arguments == {"A": "b:c"}
    assert (one.name, one.image, one.instructions[0].text) == ("one", "${A}", "x && y")
    (copy,) = final.all("COPY")
    assert (final.name, copy.option("from"), copy.option("chown"), copy.arguments) == ("", "one", None, ["/a", "/b"])


def test_an_instruction_that_would_be_ignored_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM x\nHEALTHCHECK NONE\n")
    with pytest.raises(ValueError, match="HEALTHCHECK NONE"):
        read_dockerfile(file)


@pytest.mark.parametrize("image", ["debian:trixie-slim", "registry.example/library/debian:trixie-slim"])
def test_the_release_of_the_base(image: str) -> None:
    assert release_of(image) == "trixie"


@pytest.mark.parametrize("image", ["python:3.13-slim", "debian:trixie", "debian"])
def test_a_base_that_debootstrap_cannot_make(image: str) -> None:
    with pytest.raises(ValueError, match=r"debian:RELEASE-slim"):
        release_of(image)
