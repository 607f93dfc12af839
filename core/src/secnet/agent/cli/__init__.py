"""The `secnet` command."""

from .program import main

__all__ = ["main"]
