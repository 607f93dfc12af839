"""Our side: the agent's pipeline with the real driver, the real pools in the real store, and the journal on tmpfs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from secnet.agent.attach.layer3 import Layer3
from secnet.agent.attach.pipeline import Pipeline
from secnet.agent.attach.plugin_calls import Plugins
from secnet.agent.base.logs import attachment_log
from secnet.agent.cluster.files.cluster import ManifestCluster
from secnet.agent.config.settings import Settings, load_settings
from secnet.agent.model.pod import NETWORKS_ANNOTATION, pod_ref
from secnet.agent.model.record import Record
from secnet.agent.model.work import Work
from secnet.agent.networks.annotation import parse_networks
from secnet.agent.networks.desired import assign_names
from secnet.agent.networks.nad import parse_nad
from secnet.agent.networks.requests import build_work
from secnet.agent.plugins.registry import Registry
from secnet.agent.sandboxes.named import NamedNetns
from secnet.agent.state.journal import Journal
from secnet.agent.state.run_dir import current_boot_id
from secnet.contract import Call

from .objects import NETWORK, network_objects, pod_object, write_configuration
from .probes import ProbedJournal, ProbedLayer3, ProbedPlugins, Probes
from .world import Pod, World

__all__ = ["Ours"]

_SECONDS = 60.0


class Ours:
    """Attaches and detaches Pods through `Pipeline`, as the agent's workers do.

    probes: None for plain measurements; otherwise it sees every step and every call of the pipeline.
    """

    def __init__(self, world: World, name: str, probes: Probes | None = None) -> None:
        self._registry = Registry.load()
        settings = load_settings(write_configuration(world, name), self._registry)
        self._cluster = ManifestCluster(settings.state_dir)
        for obj in network_objects():
            self._cluster.store.apply(obj)
        self._network = parse_nad(self._cluster.get("NetworkAttachmentDefinition", NETWORK, "default"), self._registry)
        self._observers = (probes,) if probes is not None else ()
        self._works: dict[str, Work] = {}
        self._records: dict[str, Record] = {}
        self._build(settings, probes)
        call = Call.within(_SECONDS)
        report = self._plugins.driver("vlan").reconcile_node(settings.drivers["vlan"], call)
        if not report.ready:
            raise RuntimeError(f"the bridge could not be made: {report.findings}")

    def _build(self, settings: Settings, probes: Probes | None) -> None:
        journal = settings.run_dir / "journal"
        parts = (Plugins(self._registry, settings, self._cluster), Journal(journal), Layer3())
        if probes is not None:
            parts = (
                ProbedPlugins(self._registry, settings, self._cluster, probes),
                ProbedJournal(journal, probes),
                ProbedLayer3(probes),
            )
        self._plugins, log, layer3 = parts
        self._pipeline = Pipeline(
            plugins=self._plugins,
            journal=log,
            boot_id=current_boot_id(),
            layer3=layer3,
            undo_call=lambda record: Call.within(_SECONDS),
        )

    def attach(self, pod: Pod) -> float:
        """Attach the Pod's network; seconds from the request to the verified interface."""
        work = self._work(pod)
        start = time.perf_counter()
        self._records[pod.name] = self._pipeline.attach(work, self._call(work))
        return time.perf_counter() - start

    def detach(self, pod: Pod) -> float:
        """Take it away; seconds."""
        work, record = self._work(pod), self._records.pop(pod.name)
        start = time.perf_counter()
        self._pipeline.detach(record, self._call(work))
        return time.perf_counter() - start

    def all(self, verb: str, pods: tuple[Pod, ...], workers: int) -> float:
        """ADD or DEL for all Pods on that many threads; seconds from the first to the last."""
        function = {"ADD": self.attach, "DEL": self.detach}[verb]
        for pod in pods:
            self._work(pod)
        with ThreadPoolExecutor(workers, "ours") as threads:
            start = time.perf_counter()
            for future in [threads.submit(function, pod) for pod in pods]:
                future.result()
            return time.perf_counter() - start

    def close(self) -> None:
        """Leave no connection and no thread."""
        self._plugins.close()
        self._cluster.close()

    def _call(self, work: Work) -> Call:
        return Call.within(_SECONDS, log=attachment_log(work.request), observers=self._observers)

    def _work(self, pod: Pod) -> Work:
        """What the agent makes of the Pod before the pipeline, once: 0.2 ms of parsing that no peer does either."""
        if pod.name not in self._works:
            stored = self._cluster.store.apply(pod_object(pod))[1]
            ref = pod_ref(stored)
            selections = parse_networks(stored["metadata"]["annotations"][NETWORKS_ANNOTATION], ref.namespace)
            named = assign_names(selections, {})[0]
            work = build_work(named, ref, NamedNetns().resolve(stored), lambda _: self._network, self._registry)
            if not isinstance(work, Work):
                raise RuntimeError(f"the network is refused: {work}")
            self._works[pod.name] = work
        return self._works[pod.name]
