"""What a Pod's annotation and the NADs say of a network that a caller of our CNI plugin asks for.

The caller reads both and passes on a part: of the annotation only what the NAD declares as a capability, of a chain of plugins
only our own config.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from secnet.contract import AttachmentId, ErrorInfo, InvalidConfig, PodRef

from ..model.network import CommonOptions, NetworkConfig
from ..model.pod import pod_ref
from ..model.record import Record
from ..model.selection import Selection
from ..networks.desired import selections_of
from ..networks.nad_cache import NadCache
from ..networks.requests import attachment_options_of
from ..sandboxes.pod_table import PodTable

__all__ = ["AskedNetworks", "as_member"]

# Field of a selection -> key of the annotation and CNI's name of the capability.
_CAPABILITIES = {
    "mac": ("mac", "mac"),
    "ips": ("ips", "ips"),
    "bandwidth": ("bandwidth", "bandwidth"),
    "port_mappings": ("portMappings", "portMappings"),
    "infiniband_guid": ("infiniband-guid", "infinibandGUID"),
}


class AskedNetworks:
    """Thread-safe. Of a Pod that the watch has not seen yet, and of a network without a NAD, nothing is known.

    record_event: see `Cluster.record_event`.
    """

    def __init__(self, pods: PodTable, nads: NadCache, record_event: Callable[..., None]) -> None:
        self._pods = pods
        self._nads = nads
        self._record_event = record_event
        self._lock = threading.Lock()
        self._noted: set[AttachmentId] = set()

    def nad_of(self, pod: PodRef | None, name: str, ifname: str) -> NetworkConfig | None:
        """The NAD of a network by the name in its configuration, which the Pod's annotation tells apart from others."""
        found = self._find(pod, name, ifname)
        return found[1] if found else None

    def withheld(self, record: Record) -> ErrorInfo | None:
        """What the annotation asks for and the caller did not pass on, as the NAD declares no capability for it."""
        found = self._find(record.pod, record.attachment.request.network.name, record.key.ifname)
        if found is None:
            return None
        selection, config = found
        asked = attachment_options_of(selection)
        missing = {
            key: capability
            for field, (key, capability) in _CAPABILITIES.items()
            if field in asked and field not in record.attachment_options and capability not in config.capabilities
        }
        if not missing:
            return None
        wanted = json.dumps(dict.fromkeys([*sorted(config.capabilities), *missing.values()], True))
        return ErrorInfo(
            reason="CapabilityNotDeclared",
            message=f"the Pod's annotation asks for {' and '.join(missing)}, and the caller of the CNI plugin, such as Multus, "
            "passes on only what the network declares as a capability",
            hint=f'write "capabilities": {wanted} into the config, and delete the Pod',
            subject=f"NetworkAttachmentDefinition {config.network}",
            path="$.plugins[0].capabilities" if config.chain else "$.capabilities",
        )

    def note(self, record: Record) -> ErrorInfo | None:
        """As `withheld`, with an Event of the Pod the first time."""
        error = self.withheld(record)
        with self._lock:
            is_new = error is not None and record.key not in self._noted
            (self._noted.add if error is not None else self._noted.discard)(record.key)
        pod = self._pod(record.pod)
        if error is not None and is_new and pod is not None:
            message = f"{record.attachment.request.network} ({record.key.ifname}): {error}"
            self._record_event(dict(pod), warning=True, reason=error.reason, message=message)
        return error

    def forget(self, key: AttachmentId) -> None:
        """Drop what is remembered of an attachment that ended."""
        with self._lock:
            self._noted.discard(key)

    def as_called(self, record: Record) -> Record:
        """The record, as a member of a chain where the NAD is one: it may not have been known when the attachment was made."""
        config = self.nad_of(record.pod, record.attachment.request.network.name, record.key.ifname)
        return record if config is None else record.replace(common=as_member(record.common, config))

    def _pod(self, ref: PodRef | None) -> Mapping[str, Any] | None:
        pod = self._pods.get((ref.namespace, ref.name)) if ref is not None else None
        return pod if pod is not None and ref is not None and ref.uid in ("", pod_ref(pod).uid) else None

    def _find(self, ref: PodRef | None, name: str, ifname: str) -> tuple[Selection, NetworkConfig] | None:
        pod = self._pod(ref)
        try:
            elements = selections_of(pod, self._nads.limits) if pod is not None else ()
        except InvalidConfig:
            return None
        found = [
            (element, config)
            for element in elements
            if isinstance(element, Selection)
            and (config := self._nads.known(element.network))
            and config.cni_name == name
        ]
        exact = [item for item in found if ifname == (item[0].interface or f"net{item[0].index + 1}")]  # Multus' names
        return next(iter(exact if len(found) > 1 else found), None)


def as_member(common: CommonOptions, config: NetworkConfig) -> CommonOptions:
    """The options of an attachment by the NAD that a caller has it from: what later plugins change in the Pod is no drift."""
    if not config.chain or common.disable_check:
        return common
    return replace(common, disable_check=True, chained=True)
