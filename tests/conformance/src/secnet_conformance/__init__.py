"""Tests for any secnet network driver or IPAM backend: write a case, get the suite (see the README)."""

from .cases import BackendCase, Bad, Breakage, DriverCase, Foreign, Stall
from .host import Host
from .netns import Namespace

__all__ = ["BackendCase", "Bad", "Breakage", "DriverCase", "Foreign", "Host", "Namespace", "Stall"]
