"""Where the objects come from, as the node configuration says: manifests, or the Kubernetes API."""

from __future__ import annotations

import importlib.util

from secnet.contract import InvalidConfig, Unsupported

from .cluster.base import Cluster
from .cluster.manifests import ManifestCluster
from .metrics import Metrics
from .settings import Settings

__all__ = ["open_source"]


def open_source(settings: Settings, metrics: Metrics) -> Cluster:
    """The cluster, to be closed by the caller; nothing is asked of an API server yet.

    Raises InvalidConfig for a manifest directory that is none and for unusable credentials, Unsupported without the packages.
    """
    if settings.kubernetes is None:
        return _manifests(settings)
    if importlib.util.find_spec("kubernetes") is None:
        raise Unsupported(
            "the node configuration names the Kubernetes API, but the Python package kubernetes is not installed",
            hint="install secnet[cluster]",
            path="$.kubernetes",
        )
    from .cluster.kube import KubeCluster  # brings the client, which a node without a cluster need not have

    return KubeCluster(settings.kubernetes.kubeconfig, node_name=settings.node_name, on_call=metrics.on_call)


def _manifests(settings: Settings) -> Cluster:
    if settings.manifests is not None and not settings.manifests.is_dir():
        raise InvalidConfig(
            f"{settings.manifests} is not a directory",
            hint="create it, or remove `manifests` and hand objects over with `secnet apply`",
            subject="node configuration",
            path="$.manifests",
        )
    return ManifestCluster(settings.state_dir, settings.manifests)
