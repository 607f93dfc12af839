"""What is wrong with a Pod's request for devices, as far as its object says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import InvalidConfig

from ..devices.annotation import AnnotatedDevices, devices_annotation, parse_devices
from ..devices.asked import asked_for
from ..devices.source import ANY_RESOURCE, DEVICES_ANNOTATION, Devices
from ..model.pod import pod_ref
from ..model.work import Work

__all__ = ["DeviceProblem", "examine_devices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProblem:
    """note: it may be right as it is, where something adds to the Pod before the kubelet sees it."""

    path: str
    message: str
    hint: str
    note: bool = False


def examine_devices(pod: Mapping[str, Any], works: Iterable[Work]) -> Iterator[DeviceProblem]:
    """Compare the networks that need a device with the annotation, or without one with what the containers ask for."""
    text = devices_annotation(pod)
    wanted = Counter(work.resource for work in works if work.resource is not None)
    if text is not None:
        yield from _annotated(pod, text, wanted)
        return
    if (pod.get("spec") or {}).get("resourceClaims"):
        return
    for resource, count in sorted(wanted.items()):
        asked = asked_for(pod, resource)
        if asked < count:
            yield DeviceProblem(
                path="$.spec.containers",
                message=f"{_need(count)} a device of resource {resource}, and the containers ask for {asked}",
                hint=f"request {count} of it in resources.limits, unless a webhook does, or the manifest store is used: "
                f"then name them in the annotation {DEVICES_ANNOTATION}",
                note=True,
            )


def _need(count: int) -> str:
    return "1 network needs" if count == 1 else f"{count} networks need"


def _annotated(pod: Mapping[str, Any], text: str, wanted: Mapping[str, int]) -> Iterator[DeviceProblem]:
    path = f"$.metadata.annotations['{DEVICES_ANNOTATION}']"
    try:
        named: Devices = parse_devices(text, f"Pod {pod_ref(pod)}")
    except InvalidConfig as exc:
        yield DeviceProblem(path=exc.path, message=exc.message, hint=exc.hint)
        return
    spare = len(named.get(ANY_RESOURCE, ()))
    for resource, count in sorted(wanted.items()):
        own = len(named.get(resource, ()))
        if own + spare < count:
            message = f"{_need(count)} a device of resource {resource}, and {own + spare} are named"
            yield DeviceProblem(path=path, message=message, hint=AnnotatedDevices().remedy(resource, count))
        spare -= max(0, min(spare, count - own))
