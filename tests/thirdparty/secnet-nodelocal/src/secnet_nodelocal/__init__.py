"""The IPAM type `node-local`: addresses of a subnet for the Pods of one node, recorded on that node."""

from .backend import NodeLocalBackend

__all__ = ["NodeLocalBackend"]
