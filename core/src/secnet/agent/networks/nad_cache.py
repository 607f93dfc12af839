"""The NADs as the watch last saw them, parsed once per version."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import InvalidConfig, NetworkRef, NotReady, ObjectNotFound, SecnetError, Unsupported

from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.multus import MultusState
from ..model.network import NetworkConfig
from ..model.problem import InternalError
from ..plugins.registry import Registry
from .nad import parse_nad

__all__ = ["NadCache"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Found:
    parsed: NetworkConfig | SecnetError | None


class NadCache:
    """A cache by name. Thread-safe.

    shared_namespaces: whose NADs every Pod may use, beside those of its own namespace; None for all namespaces. limits: those of
    this node.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        shared_namespaces: frozenset[str] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.limits = limits
        self._registry = registry
        self._shared = shared_namespaces
        self._multus = MultusState()
        self._lock = threading.Lock()
        self._objects: dict[NetworkRef, Mapping[str, Any]] = {}
        self._parsed: dict[NetworkRef, _Found] = {}

    def set_multus(self, state: MultusState) -> None:
        """What is known of Multus. Where it serves the node, it calls the plugin for `type: secnet` itself."""
        self._multus = state

    def is_left_to_multus(self, config: NetworkConfig) -> bool:
        """Whether Multus calls for this network. Raises Unsupported where nothing ever does, NotReady while Multus is away."""
        state, subject = self._multus, f"NetworkAttachmentDefinition {config.network}"
        if not state.serves:
            return False
        if state.away:
            raise NotReady(f"it is left to Multus, which {state.away}", hint=state.remedy, subject=subject)
        if config.cni_type == "secnet":
            return True
        raise Unsupported(
            f"Multus serves this node and calls the CNI plugin {config.cni_type!r} for this network itself",
            hint='write "type": "secnet": Multus then calls secnet for it',
            subject=subject,
            path="$.type",
        )

    def update(self, nad: Mapping[str, Any]) -> None:
        """Take a new or changed NAD."""
        with self._lock:
            self._objects[_ref(nad)] = nad
            self._parsed.pop(_ref(nad), None)

    def remove(self, nad: Mapping[str, Any]) -> None:
        """Forget a deleted NAD."""
        with self._lock:
            self._objects.pop(_ref(nad), None)
            self._parsed.pop(_ref(nad), None)

    def for_pods_of(self, namespace: str) -> Callable[[NetworkRef], NetworkConfig | None]:
        """`look_up` for the Pods of a namespace: also raises InvalidConfig for a NAD that they may not use.

        It does not say whether there is one, nor whose it is: that is not for these Pods to know. Where Multus serves the node
        its own rules hold, and each such NAD is left to it.
        """
        if self._shared is None:
            return self.look_up
        allowed = {namespace, *self._shared}

        def look_up(ref: NetworkRef) -> NetworkConfig | None:
            if ref.namespace in allowed:
                return self.look_up(ref)
            if self._multus.serves:
                return None
            raise InvalidConfig(
                f"Pods of namespace {namespace} may not use the networks of namespace {ref.namespace}",
                hint=f"use a network of {', '.join(sorted(allowed))}, or have an administrator add "
                f"{ref.namespace} to kubernetes.sharedNamespaces of the node configuration",
                subject=f"NetworkAttachmentDefinition {ref}",
            )

        return look_up

    def look_up(self, ref: NetworkRef) -> NetworkConfig | None:
        """The parsed NAD, None for one of another plugin's type. Raises ObjectNotFound, or the error that its config deserves."""
        found = self._find(ref)
        if found is None:
            raise ObjectNotFound(
                "there is no such NetworkAttachmentDefinition",
                hint="create it, or correct the name or namespace in the Pod's annotation",
                subject=f"NetworkAttachmentDefinition {ref}",
                waits_for=(ref.object_ref,),
            )
        if isinstance(found.parsed, SecnetError):
            raise found.parsed.with_traceback(None)
        return found.parsed

    def known(self, ref: NetworkRef) -> NetworkConfig | None:
        """The parsed NAD of ours, whichever driver serves it; None where there is none, or an invalid one."""
        found = self._find(ref)
        return found.parsed if found is not None and isinstance(found.parsed, NetworkConfig) else None

    def _find(self, ref: NetworkRef) -> _Found | None:
        """Parses without the lock: a NAD that takes long must not keep the Pods of others waiting."""
        with self._lock:
            nad, found = self._objects.get(ref), self._parsed.get(ref)
        if nad is None or found is not None:
            return found
        found = _Found(self._parse(nad))
        with self._lock:
            if self._objects.get(ref) is nad:  # else it is another one by now
                self._parsed[ref] = found
        return found

    def _parse(self, nad: Mapping[str, Any]) -> NetworkConfig | SecnetError | None:
        try:
            return parse_nad(dict(nad), self._registry, self.limits)
        except SecnetError as exc:
            return exc
        except Exception as exc:  # the author of one NAD must not stop the Pods of others
            error = InternalError(exc, subject=f"NetworkAttachmentDefinition {_ref(nad)}")
            _log.error("%s", error)
            _log.debug("where that fails", exc_info=exc)
            return error


def _ref(nad: Mapping[str, Any]) -> NetworkRef:
    return NetworkRef(namespace=nad["metadata"].get("namespace") or "default", name=nad["metadata"]["name"])
