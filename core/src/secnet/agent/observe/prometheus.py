"""The metrics as Prometheus reads them. The table in docs/operations.md lists them all; a test compares the two."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client as prom
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from secnet.contract import ComponentState, SecnetError

from ..base.metrics import Metrics, Sources
from ._pool_usage import PoolUsageCache

__all__ = ["PrometheusMetrics"]

_log = logging.getLogger(__name__)

# From one netlink message to the longest attach timeout that is of use.
_OPERATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_WHOLE = "total"


class PrometheusMetrics(Metrics):
    """Counts into a registry of its own, so that two agents in one process, and a plugin's metrics, stay apart."""

    def __init__(self) -> None:
        self.registry = prom.CollectorRegistry()
        self._seconds = prom.Histogram(
            "secnet_operation_duration_seconds",
            "Duration of operations on one attachment, by phase; the phase `total` is the operation as a whole",
            ("operation", "network_type", "phase"),
            buckets=_OPERATION_BUCKETS,
            registry=self.registry,
        )
        self._failures = prom.Counter(
            "secnet_operation_failures",
            "Operations on one attachment that failed, by the reason that Events and status show too",
            ("operation", "network_type", "reason"),
            registry=self.registry,
        )
        self._calls = prom.Counter(
            "secnet_api_calls",
            "Requests to the Kubernetes API",
            ("verb", "kind", "status"),
            registry=self.registry,
        )
        self._call_seconds = prom.Histogram(
            "secnet_api_call_duration_seconds",
            "Duration of requests to the Kubernetes API",
            ("verb", "kind"),
            buckets=_CALL_BUCKETS,
            registry=self.registry,
        )
        self._entries = prom.Counter(
            "secnet_cni_entry_writes",
            "How often the agent had to write the CNI plugin's entry into the runtime's network",
            registry=self.registry,
        )
        self._repairs = prom.Counter(
            "secnet_repairs",
            "Living interfaces that had drifted from their record and were repaired",
            labelnames=("network_type",),
            registry=self.registry,
        )
        prom.Info("secnet_build", "Version of the agent", registry=self.registry).info(
            {"version": importlib.metadata.version("secnet"), "python": platform.python_version()}
        )
        prom.ProcessCollector(registry=self.registry)
        self._state = _State()
        self.registry.register(self._state)

    @contextmanager
    def operation(self, operation: str, network_type: str) -> Iterator[None]:
        """See Metrics. The duration of what failed is not counted: a deadline is no measure of the host."""
        start = time.perf_counter()
        try:
            yield
        except SecnetError as exc:
            self._failures.labels(operation, network_type, exc.reason).inc()
            raise
        except BaseException:
            self._failures.labels(operation, network_type, "InternalError").inc()
            raise
        self._seconds.labels(operation, network_type, _WHOLE).observe(time.perf_counter() - start)

    @contextmanager
    def phase(self, operation: str, network_type: str, phase: str) -> Iterator[None]:
        """See Metrics."""
        start = time.perf_counter()
        yield
        self._seconds.labels(operation, network_type, phase).observe(time.perf_counter() - start)

    def on_call(self, verb: str, kind: str, status: int, seconds: float) -> None:
        """See Metrics."""
        self._calls.labels(verb, kind, str(status)).inc()
        self._call_seconds.labels(verb, kind).observe(seconds)

    def on_entry_written(self) -> None:
        """See Metrics."""
        self._entries.inc()

    def on_repair(self, network_type: str) -> None:
        """See Metrics."""
        self._repairs.labels(network_type).inc()

    def observe(self, sources: Sources) -> None:
        """See Metrics."""
        self._state.observe(sources)

    def page(self) -> bytes:
        """See Metrics."""
        return bytes(prom.generate_latest(_WithoutCreated(self.registry)))

    def close(self) -> None:
        """See Metrics."""
        self._state.close()


class _WithoutCreated(Collector):
    """Leaves out the time at which each series began: a fifth of the page, of no use here."""

    def __init__(self, registry: prom.CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class _State(Collector):
    """What is looked up when it is asked for: counting along could go wrong, the journal cannot."""

    def __init__(self) -> None:
        self._sources = Sources()
        self._pools = PoolUsageCache(self._sources)

    def observe(self, sources: Sources) -> None:
        self._pools.close()
        self._sources, self._pools = sources, PoolUsageCache(sources)

    def close(self) -> None:
        self._pools.close()

    def collect(self) -> Iterator[Metric]:
        parts = (
            *(self._attachments, self._errors, self._agent, self._node, self._queue, self._stuck_calls),
            *(self._pool_usage, self._traffic, self._plugins),
        )
        for part in parts:
            try:
                yield from part()
            except Exception:  # one part that cannot be read must not take all metrics away
                _log.exception("some metrics cannot be collected")

    def _attachments(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "secnet_attachments",
            "Attachments in the journal, by phase",
            labels=("network_type", "phase"),
        )
        counts = Counter((r.attachment.request.network_type, str(r.phase)) for r in self._sources.records())
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        yield family

    def _errors(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "secnet_network_errors",
            "Networks of Pods that have an error now, by its reason",
            labels=("network_type", "reason"),
        )
        counts: Counter[tuple[str, str]] = Counter()
        for report in self._sources.reports():
            if report.error is not None and not report.networks:
                counts["", report.error.reason] += 1
            counts.update((n.network_type, n.error.reason) for n in report.networks if n.error is not None)
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        yield family

    def _agent(self) -> Iterator[Metric]:
        unready = any(True for _ in self._sources.unready())
        yield GaugeMetricFamily("secnet_ready", "Whether /readyz says so: 1, else 0", value=float(not unready))
        yield GaugeMetricFamily(
            "secnet_last_resync_timestamp_seconds",
            "When all attachments were last compared with their records; 0 before the first time",
            value=self._sources.resynced(),
        )
        grave = [problem for problem in self._sources.problems() if not problem.note]
        yield GaugeMetricFamily(
            "secnet_object_problems",
            "Manifests that cannot be read, and what else is wrong with the source of the objects",
            value=float(len(grave)),
        )

    def _node(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily(
            "secnet_node_ready",
            "Whether the per-node state of a network type is made: 1, else 0",
            labels=["network_type"],
        )
        up = GaugeMetricFamily(
            "secnet_node_component_up",
            "Whether a bridge, an uplink or a daemon that attachments stand on does its work: 1, else 0",
            labels=["network_type", "kind", "name"],
        )
        cut_off = GaugeMetricFamily(
            "secnet_cut_off_interfaces",
            "Interfaces that are cut off by the state of such a component",
            labels=["network_type", "kind", "name"],
        )
        for state in self._sources.node():
            ready.add_metric((state.network_type,), float(state.error is None and state.report.ready))
            for each in state.observation.components:
                labels = (state.network_type, each.kind, each.name)
                up.add_metric(labels, float(each.state in (ComponentState.UP, ComponentState.DEGRADED)))
                cut_off.add_metric(labels, len(each.stranded))
        yield from (ready, up, cut_off)

    def _queue(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "secnet_queue_length", "Pods waiting or worked on", value=float(self._sources.queue_length())
        )
        yield GaugeMetricFamily(
            "secnet_queue_age_seconds",
            "How long the oldest Pod that is due has waited for a worker",
            value=self._sources.queue_age(),
        )

    def _traffic(self) -> Iterator[Metric]:
        labels = ("namespace", "pod", "network", "interface")
        families = {
            "received_bytes": CounterMetricFamily(
                "secnet_interface_receive_bytes", "Bytes that the Pod got through an interface", labels=labels
            ),
            "received_packets": CounterMetricFamily(
                "secnet_interface_receive_packets", "Packets that the Pod got through it", labels=labels
            ),
            "sent_bytes": CounterMetricFamily(
                "secnet_interface_transmit_bytes", "Bytes that the Pod sent through it", labels=labels
            ),
            "sent_packets": CounterMetricFamily(
                "secnet_interface_transmit_packets", "Packets that the Pod sent through it", labels=labels
            ),
        }
        for record, traffic in self._sources.traffic():
            assert record.pod is not None
            network = str(record.attachment.request.network)
            values = (record.pod.namespace, record.pod.name, network, record.key.ifname)
            for name, family in families.items():
                family.add_metric(values, getattr(traffic, name))
        yield from families.values()

    def _stuck_calls(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "secnet_plugin_calls_stuck",
            "Calls into a plugin that have not returned by their deadline",
            labels=("kind", "plugin", "distribution", "method"),
        )
        for labels, count in sorted(Counter(self._sources.stuck_calls()).items()):
            family.add_metric(labels, count)
        yield family

    def _plugins(self) -> Iterator[Metric]:
        """Values of one name with the labels of the first; one with others is left out, as the page could not be read then."""
        families: dict[str, tuple[tuple[str, ...], GaugeMetricFamily | CounterMetricFamily]] = {}
        for name, metric in self._sources.plugins():
            labels = tuple(sorted(metric.labels))
            if name not in families:
                made = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                families[name] = labels, made(name, metric.help, labels=labels)
            known, family = families[name]
            if labels == known:
                family.add_metric([str(metric.labels[label]) for label in labels], float(metric.value))
            else:
                _log.warning("the metric %s has the labels %s and %s: the latter is left out", name, known, labels)
        yield from (family for _, family in families.values())

    def _pool_usage(self) -> Iterator[Metric]:
        labels = ("ipam_type", "pool")
        total = GaugeMetricFamily("secnet_pool_addresses", "Addresses of a pool that this node uses", labels=labels)
        used = GaugeMetricFamily("secnet_pool_used_addresses", "Addresses of it that are taken", labels=labels)
        for ipam_type, pools in sorted(self._pools.look().items()):
            for usage in pools:
                used.add_metric((ipam_type, usage.pool), usage.used)
                if usage.total is not None:
                    total.add_metric((ipam_type, usage.pool), usage.total)
        yield from (total, used)
