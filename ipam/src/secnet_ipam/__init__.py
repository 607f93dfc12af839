"""IPAM backends: antrea (IPPool) and static."""

from .antrea import AntreaBackend
from .findings import PoolFinding
from .static import StaticBackend
from .validation import validate_pool

__all__ = ["AntreaBackend", "PoolFinding", "StaticBackend", "validate_pool"]
