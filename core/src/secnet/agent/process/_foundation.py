"""What every other component of one agent stands on: journal, reports, plugins, and the sources that the cluster calls for."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass

from secnet.contract import StepObserver

from ..attach.plugin_calls import Plugins
from ..base.metrics import Metrics
from ..cluster.interface import Cluster
from ..config.settings import Settings
from ..devices import AnnotatedDevices, DeviceAllocator, DeviceSource, KubeletDevices, ResourceSlices
from ..model.pod import PodKey
from ..plugins.calls import PluginCalls
from ..plugins.registry import Registry
from ..sandboxes.cni_cache import CniSandboxCache
from ..sandboxes.cri import CriSandboxes, RuntimeClient
from ..sandboxes.named import NamedNetns
from ..sandboxes.pod_table import PodTable
from ..state.journal import Journal
from ..state.reports import Reports
from ..state.run_dir import current_boot_id

__all__ = ["Foundation", "lay_foundation"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What was given, and what is made of it before all else. observers: see every step, for tests.

    runtime: None where no runtime starts the Pods.
    """

    settings: Settings
    registry: Registry
    cluster: Cluster
    metrics: Metrics
    observers: tuple[StepObserver, ...]
    boot_id: str
    journal: Journal
    reports: Reports
    plugins: Plugins
    pods: PodTable
    sandboxes: CniSandboxCache
    devices: DeviceAllocator
    runtime: RuntimeClient | None

    def containers(self) -> dict[PodKey, str | None]:
        """See `PodTable.containers`."""
        return self.pods.containers(self.sandboxes, set(self.journal.of_pods()))


def lay_foundation(
    settings: Settings,
    registry: Registry,
    cluster: Cluster,
    metrics: Metrics,
    observers: tuple[StepObserver, ...],
    stack: ExitStack,
    calls: PluginCalls | None = None,
) -> Foundation:
    """Open the journal and the rest. What has to be closed is left to `stack`. calls: one of the observers."""
    journal, boot_id = Journal(settings.run_dir / "journal"), current_boot_id()
    for problem in journal.problems():
        _log.error("%s", problem)
    journal.disown(boot_id)
    reports = Reports(settings.run_dir)
    try:
        reports.write_problems(())
    except OSError as exc:  # such as a full disk: what is attached is served all the same
        _log.error("%s cannot be written: %s", settings.run_dir, exc.strerror or exc)
    plugins = Plugins(registry, settings, cluster, calls)
    stack.callback(plugins.close)
    runtime = _runtime(settings, cluster, stack)
    return Foundation(
        settings=settings,
        registry=registry,
        cluster=cluster,
        metrics=metrics,
        observers=observers,
        boot_id=boot_id,
        journal=journal,
        reports=reports,
        plugins=plugins,
        pods=PodTable(settings.node_name),
        sandboxes=CniSandboxCache(NamedNetns() if runtime is None else CriSandboxes(runtime)),
        devices=DeviceAllocator(_device_source(settings, cluster, stack), journal),
        runtime=runtime,
    )


def _runtime(settings: Settings, cluster: Cluster, stack: ExitStack) -> RuntimeClient | None:
    """None with manifests, which name the namespaces: in a cluster a Pod's author could name the host's, or another Pod's."""
    if cluster.traits.trusts_annotations:
        return None
    client = RuntimeClient(settings.cri_socket)
    stack.callback(client.close)
    return client


def _device_source(settings: Settings, cluster: Cluster, stack: ExitStack) -> DeviceSource:
    """As with namespaces: only manifests may name devices."""
    if cluster.traits.trusts_annotations:
        return AnnotatedDevices()
    reader = cluster.reader()
    if reader is not None:
        stack.callback(reader.close)
    client = KubeletDevices(settings.pod_resources, slices=ResourceSlices(reader, settings.node_name))
    stack.callback(client.close)
    return client
