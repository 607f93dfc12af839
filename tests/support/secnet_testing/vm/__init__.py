"""Throw-away virtual machines for tests: real virtual functions, subfunctions and the kernel datapath of Open vSwitch.

QEMU emulates everything, so neither hardware nor KVM is needed. `image` prepares what a guest needs, once, in a cache folder
outside the checkout; `machine` boots one; `remote` is the pytest plugin that runs tests inside and reports them outside.
"""

from .apt import MirrorUnreachable, PrepareError
from .image import Image, prepare
from .machine import Guest, GuestFailed, Hardware

__all__ = ["Guest", "GuestFailed", "Hardware", "Image", "MirrorUnreachable", "PrepareError", "prepare"]
