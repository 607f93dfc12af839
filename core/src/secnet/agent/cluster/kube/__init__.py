"""The Kubernetes API as the source of objects: the official client, with plain dicts and without its typed models."""

from ._cluster import KubeCluster, open_reader
from ._credentials import Credentials
from ._reflector import Pace
from .rbac import RULES

__all__ = ["RULES", "Credentials", "KubeCluster", "Pace", "open_reader"]
