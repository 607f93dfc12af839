"""The Kubernetes API as the source of objects: the official client, with plain dicts and without its typed models."""

from .cluster import KubeCluster, open_reader
from .credentials import Credentials
from .rbac import RULES
from .reflector import Pace

__all__ = ["RULES", "Credentials", "KubeCluster", "Pace", "open_reader"]
