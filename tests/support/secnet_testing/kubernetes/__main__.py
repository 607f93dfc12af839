"""Make what the tests on a whole Kubernetes need and this machine lacks: Kubernetes, Helm, and the images of this checkout.

    python -m secnet_testing.kubernetes [--no-images]

Progress goes to the standard error stream. Both are made side by side: one mostly computes, the other one downloads.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor

from .binaries import build_programs
from .images import image_archive, openvswitch_archive


def main() -> None:
    """Print where each thing is."""
    parser = argparse.ArgumentParser(prog="python -m secnet_testing.kubernetes")
    parser.add_argument("--no-images", action="store_true", help="only the programs: the cluster is another one")
    options = parser.parse_args()
    with ThreadPoolExecutor() as pool:
        programs = pool.submit(build_programs)
        images = [] if options.no_images else [image_archive(), openvswitch_archive()]
        print(*programs.result(), *images, sep="\n")


if __name__ == "__main__":
    main()
