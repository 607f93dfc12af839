"""`runtimeConfig` and its neighbours: what the caller of a plugin adds to the configuration for one attachment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..devices.pci import device_id
from ..networks import values as selection_values
from ..networks.values import BadValue
from ..text.json_text import json_path, show
from ._errors import BAD_CONFIG, InvalidCniCall
from .interface import RuntimeConfig

__all__ = ["parse_runtime_config"]


def parse_runtime_config(conf: Mapping[str, Any]) -> RuntimeConfig:
    """What the configuration on stdin says. Keys that belong to other plugins are left alone; raises InvalidCniCall, code 7."""
    given = conf.get("runtimeConfig") or {}
    if not isinstance(given, dict):
        raise InvalidCniCall(BAD_CONFIG, f"runtimeConfig is {show(given)}, not an object")
    values: dict[str, Any] = {}
    for key, (name, parse) in _KEYS.items():
        if given.get(key) in (None, "", [], {}):
            continue  # runtimes write empty values for what was not asked for
        try:
            values[name] = parse(given[key])
        except BadValue as exc:
            where = json_path(("runtimeConfig", key, *exc.path))
            raise InvalidCniCall(BAD_CONFIG, f"{where}: {exc.message}", exc.hint) from exc
    return RuntimeConfig(device_id=_device_id(conf, given), cni_args=_cni_args(conf), **values)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadValue(f"{show(value)} where a string is required", "write it in quotes")
    return value


def _bandwidth(value: Any) -> Mapping[str, int] | None:
    """As in the annotation, but callers write 0 for a rate that was not asked for."""
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if item != 0}
    return selection_values.bandwidth(value) if value else None


def _cni_args(conf: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Multus merges the annotation's `cni-args` into the configuration, as `args.cni`."""
    given = conf.get("args")
    found = given.get("cni") if isinstance(given, dict) else None
    return found if isinstance(found, dict) and found else None


def _device_id(conf: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """Multus writes `deviceID` (and `pciBusID` for older plugins) beside runtimeConfig, other callers into it."""
    places = {"$.runtimeConfig.deviceID": given.get("deviceID"), "$.deviceID": conf.get("deviceID")}
    places["$.pciBusID"] = conf.get("pciBusID")
    found = {place: value for place, value in places.items() if value not in (None, "")}
    for place, value in found.items():
        if not isinstance(value, str):
            raise InvalidCniCall(BAD_CONFIG, f"{place}: {show(value)} where a string is required")
    ids = {device_id(value) for value in found.values()}
    if len(ids) > 1:
        raise InvalidCniCall(BAD_CONFIG, f"{' and '.join(found)} name different devices", "name the device once")
    return next(iter(ids), None)


_KEYS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "mac": ("mac", selection_values.mac),
    "ips": ("ips", selection_values.ips),
    "bandwidth": ("bandwidth", _bandwidth),
    "portMappings": ("port_mappings", selection_values.port_mappings),
    "infinibandGUID": ("infiniband_guid", selection_values.guid),
    "CNIDeviceInfoFile": ("device_info_file", _text),
}
