"""The Kubernetes API as the source of objects: the official client, with plain dicts and without its typed models."""

from ._cluster import KubeCluster, open_reader
from ._credentials import Credentials
from ._reflector import Pace
from .rbac import DRA_RULES, POLICED_RULES, RULES

__all__ = ["DRA_RULES", "POLICED_RULES", "RULES", "Credentials", "KubeCluster", "Pace", "open_reader"]
