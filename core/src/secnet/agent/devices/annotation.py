"""The devices that a Pod of the manifest store names by itself, in the annotation `secnet.io/devices`.

Only where the source of the objects trusts annotations: in a cluster a Pod's author could name another Pod's device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secnet.contract import InvalidConfig

from ..text.json_text import JsonProblem, json_path, read_json, show
from .pci import device_id
from .source import ANY_RESOURCE, DEVICES_ANNOTATION, Devices

__all__ = ["AnnotatedDevices", "devices_annotation", "parse_devices"]

_PATH = f"$.metadata.annotations['{DEVICES_ANNOTATION}']"
_FORMS = 'write {"example.com/sriov": ["0000:3b:02.1"]}, or a list of ids for networks of any resource'


class AnnotatedDevices:
    """See `DeviceSource`. Ids by resource as a JSON object, or a JSON list of ids that serve any resource."""

    def devices_of(self, pod: Mapping[str, Any], timeout: float | None = None) -> Devices:
        """See `DeviceSource.devices_of`; in the order of the annotation. Raises InvalidConfig."""
        text = devices_annotation(pod)
        return {} if text is None else parse_devices(text, _subject(pod))

    def remedy(self, resource: str, count: int) -> str:
        """See `DeviceSource.remedy`."""
        return f"name {count} of {resource} in the Pod's annotation {DEVICES_ANNOTATION}"

    def may_come(self, pod: Mapping[str, Any], resource: str) -> bool:
        """See `DeviceSource.may_come`."""
        return False


def devices_annotation(pod: Mapping[str, Any]) -> str | None:
    """The annotation as it stands; None for a Pod without it."""
    found = (pod["metadata"].get("annotations") or {}).get(DEVICES_ANNOTATION)
    return None if found is None else str(found)


def parse_devices(text: str, subject: str) -> Devices:
    """What the annotation says. Raises InvalidConfig; subject: whose it is, such as `Pod default/web-0`."""
    try:
        data = read_json(text)
    except JsonProblem as exc:
        raise _invalid(subject, (), f"invalid JSON: {exc}") from exc
    by_resource = {ANY_RESOURCE: data} if isinstance(data, list) else data
    if not isinstance(by_resource, dict):
        raise _invalid(subject, (), f"{show(data)} where ids by resource are required")
    seen: set[str] = set()
    for resource, ids in by_resource.items():
        path = (resource,) if by_resource is data else ()
        if by_resource is data and not resource:
            raise _invalid(subject, path, "a resource without a name")
        if not isinstance(ids, list):
            raise _invalid(subject, path, f"{show(ids)} where a list of device ids is required")
        for position, each in enumerate(ids):
            if not isinstance(each, str) or not each:
                raise _invalid(subject, (*path, position), f"{show(each)} where the id of a device is required")
            if device_id(each) in seen:
                raise _invalid(subject, (*path, position), f"the device {each} is named twice")
            seen.add(device_id(each))
    return {resource: tuple(map(device_id, ids)) for resource, ids in by_resource.items()}


def _subject(pod: Mapping[str, Any]) -> str:
    meta = pod["metadata"]
    return f"Pod {meta.get('namespace') or 'default'}/{meta['name']}"


def _invalid(subject: str, path: tuple[str | int, ...], message: str) -> InvalidConfig:
    inside = f": {json_path(path)}" if path else ""
    return InvalidConfig(message, hint=_FORMS, subject=subject, path=f"{_PATH}{inside}")
