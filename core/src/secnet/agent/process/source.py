"""Where the objects come from, as the node configuration says: manifests, or the Kubernetes API."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from secnet.contract import InvalidConfig, ObjectStore, SecnetError, Unsupported

from ..base.metrics import Metrics
from ..cluster.files.cluster import ManifestCluster
from ..cluster.files.store import FileStore
from ..cluster.interface import Cluster
from ..cluster.kinds import Kinds, with_plugins
from ..config.settings import Settings
from ..plugins.registry import Registry

__all__ = ["objects_to_look_at", "open_source"]


def open_source(settings: Settings, metrics: Metrics, registry: Registry) -> Cluster:
    """The cluster, to be closed by the caller; nothing is asked of an API server yet.

    Raises InvalidConfig for a manifest directory that is none and for unusable credentials, Unsupported without the packages.
    """
    if settings.kubernetes is None:
        return _manifests(settings, with_plugins(registry.kinds))
    if importlib.util.find_spec("kubernetes") is None:
        raise Unsupported(
            "the node configuration names the Kubernetes API, but the Python package kubernetes is not installed",
            hint="install secnet[cluster]",
            path="$.kubernetes",
        )
    from ..cluster.kube import KubeCluster  # brings the client, which a node without a cluster need not have

    return KubeCluster(
        settings.kubernetes.kubeconfig,
        node_name=settings.node_name,
        on_call=metrics.on_call,
        kinds=with_plugins(registry.kinds),
    )


@contextmanager
def objects_to_look_at(settings: Settings, registry: Registry) -> Iterator[ObjectStore]:
    """The objects for a command beside the agent. A source that cannot be opened says so whenever it is asked."""
    if settings.kubernetes is None:
        yield FileStore(settings.state_dir, kinds=with_plugins(registry.kinds))
        return
    try:
        cluster = open_source(settings, Metrics(), registry)
    except SecnetError as exc:
        yield _Closed(exc)
        return
    with closing(cluster):
        yield cluster


class _Closed:
    """An `ObjectStore` of which only the reason is known why it cannot be opened."""

    def __init__(self, error: SecnetError) -> None:
        self._error = error

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        raise self._error

    def list(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        raise self._error

    def update_status(self, obj: dict[str, Any]) -> dict[str, Any]:
        raise self._error


def _manifests(settings: Settings, kinds: Kinds) -> Cluster:
    if settings.manifests is not None and not settings.manifests.is_dir():
        raise InvalidConfig(
            f"{settings.manifests} is not a directory",
            hint="create it, or remove `manifests` and hand objects over with `secnet apply`",
            subject="node configuration",
            path="$.manifests",
        )
    return ManifestCluster(settings.state_dir, settings.manifests, kinds=kinds)
