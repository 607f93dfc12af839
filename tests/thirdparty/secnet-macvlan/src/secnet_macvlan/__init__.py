"""Macvlan interfaces on a link of the host: the network type `macvlan`."""

from .driver import MacvlanDriver

__all__ = ["MacvlanDriver"]
