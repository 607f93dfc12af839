"""Make what the tests on a whole Kubernetes need and this machine lacks, and print where it is.

    python -m secnet_testing.kubernetes kubernetes agent-image openvswitch-image helm

Progress goes to the standard error stream. Programs and images are made side by side: one computes, the other one downloads.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .binaries import helm, kube
from .images import image_archive, openvswitch_archive

_PROGRAMS = {"kubernetes": kube, "helm": helm}
_IMAGES = {"agent-image": image_archive, "openvswitch-image": openvswitch_archive}


def _make(makers: Mapping[str, Callable[[], Path]], chosen: Collection[str]) -> list[Path]:
    return [make() for name, make in makers.items() if name in chosen]


def main() -> None:
    """Make what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m secnet_testing.kubernetes")
    parser.add_argument("what", nargs="+", choices=[*_PROGRAMS, *_IMAGES])
    chosen = parser.parse_args().what
    with ThreadPoolExecutor() as pool:
        made = [pool.submit(_make, makers, chosen) for makers in (_PROGRAMS, _IMAGES)]
        print(*(path for each in made for path in each.result()), sep="\n")


if __name__ == "__main__":
    main()
