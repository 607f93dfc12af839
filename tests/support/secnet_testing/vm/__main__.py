"""Make the image, or run a command in a guest.

    python -m secnet_testing.vm prepare
    python -m secnet_testing.vm run [--functions N] [--seconds N] [--iommu] -- COMMAND...

`run` prints the command's output and ends with its exit code: 124 when the time was up, 125 when the guest failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .image import prepare
from .machine import Guest, GuestFailed, Hardware, TimeIsUp

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """The entry point; see the module."""
    parser = argparse.ArgumentParser(prog="python -m secnet_testing.vm", description="Guests for tests.")
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("prepare", help="make what guests boot from")
    run = commands.add_parser("run", help="run a command in a guest, with this machine's files")
    run.add_argument("--functions", type=int, default=2, help="physical functions (default: %(default)s)")
    run.add_argument("--seconds", type=float, default=300, help="time for boot and command (default: %(default)s)")
    run.add_argument("--iommu", action="store_true", help="with an IOMMU, for vfio-pci")
    run.add_argument("command", nargs="+")
    arguments = parser.parse_args(argv)
    image = prepare()
    if arguments.what == "prepare":
        print(f"kernel {image.version} in {image.folder}")
        return 0
    hardware = Hardware(functions=arguments.functions, iommu=arguments.iommu)
    with Guest(image, arguments.command, hardware=hardware, folder=Path.cwd()) as guest:
        try:
            code = guest.wait(arguments.seconds)
        except GuestFailed as exc:
            print(f"{guest.output}{exc}", file=sys.stderr)
            return 124 if isinstance(exc, TimeIsUp) else 125
        print(guest.output, end="")
        return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
