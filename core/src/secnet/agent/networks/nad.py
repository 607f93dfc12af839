"""NetworkAttachmentDefinitions: whose they are, and what their config says.

A config is split by key. The core checks its own keys first, then the driver its options, then the IPAM backend its part, each
with a schema of its own, so that a message names the owner that rejects a key. Keys without an owner are rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secnet.contract import InvalidConfig, NetworkRef, Permanent, Unsupported, load_fragment

from ..model.limits import DEFAULT_LIMITS, Limits
from ..model.network import CommonOptions, NetworkConfig
from ..plugins.fragments import CORE_KEYS
from ..plugins.plugin import LoadedPlugin
from ..plugins.registry import BACKENDS_GROUP, DRIVERS_GROUP, Registry
from ..text.json_text import JsonProblem, json_path, nearest, read_json, show
from ..text.schema import Problem, Validator
from .limits import how_to_raise, too_many_bytes, too_many_items

__all__ = ["OUR_TYPES", "RESOURCE_ANNOTATION", "InvalidNetwork", "examine_nad", "nad_ref", "parse_config", "parse_nad"]

OUR_TYPES = ("antrea", "secnet")
RESOURCE_ANNOTATION = "k8s.v1.cni.cncf.io/resourceName"

_SMALLEST_MTU = 68  # RFC 791; the kernel's minimum for Ethernet
_CORE = Validator(load_fragment("secnet.agent.networks", "nad.json"), "common key")
_LIST_KEYS = ("cniVersion", "name", "disableCheck", "disableGC")  # keys of a chain, and not of its members
_ELSEWHERE = {
    "args": "remove it: nothing reads it here",
    "bridge": "only some network types have a bridge option; `secnet drivers` shows which",
    "dns": "put it into ipam",
    "ippools": "put it into ipam",
    "prevResult": "remove it: a CNI runtime writes it when it calls a plugin",
    "runtimeConfig": "remove it: a CNI runtime writes it when it calls a plugin",
}


class InvalidNetwork(InvalidConfig):
    """A NAD of ours says something invalid; `path` leads into its config, such as `$.ipam.ippools[0]`."""


def nad_ref(nad: Mapping[str, Any]) -> NetworkRef:
    """Namespace and name; the namespace is `default` where none is written."""
    meta = nad["metadata"]
    return NetworkRef(namespace=meta.get("namespace") or "default", name=meta["name"])


def parse_nad(nad: Mapping[str, Any], registry: Registry, limits: Limits = DEFAULT_LIMITS) -> NetworkConfig | None:
    """The config of a NAD; None when its type is another plugin's.

    Raises InvalidNetwork for what is malformed or beyond the limits, Unsupported for a network or IPAM type that is not
    installed, and ContractViolation when a backend fails to check its part.
    """
    config, problems = examine_nad(nad, registry, limits)
    if problems:
        raise problems[0]
    return config


def examine_nad(
    nad: Mapping[str, Any], registry: Registry, limits: Limits = DEFAULT_LIMITS
) -> tuple[NetworkConfig | None, tuple[Permanent, ...]]:
    """As `parse_nad`, but with everything that is wrong, the most telling first; the config is None if anything is."""
    try:
        own = _own_config(nad, f"NetworkAttachmentDefinition {nad_ref(nad)}", limits.text_bytes)
    except InvalidNetwork as exc:
        return None, (exc,)
    if own is None:
        return None, ()
    config, chain = own
    identity = _Identity(
        network=nad_ref(nad),
        uid=nad["metadata"].get("uid", ""),
        generation=_generation(nad),
        resource=_resource_name(nad),
        chain=chain,
    )
    problems = list(_Stages(identity=identity, config=config, registry=registry, most=limits.list_items).run())
    return (None if problems else _build(identity, config)), tuple(problems)


def parse_config(
    network: NetworkRef,
    config: Mapping[str, Any],
    registry: Registry,
    limits: Limits = DEFAULT_LIMITS,
    *,
    resource: str = "",
) -> NetworkConfig:
    """The network of a config that a caller of the CNI plugin hands over, with the same checks as that of a NAD.

    config: a JSON object as data. resource: what the caller's device was allocated for; empty without a device. Raises
    InvalidConfig or Unsupported for the first thing that is wrong.
    """
    identity = _Identity(network=network, resource=resource)
    for problem in _Stages(identity=identity, config=config, registry=registry, most=limits.list_items).run():
        raise problem
    return _build(identity, config)


def _own_config(
    nad: Mapping[str, Any], subject: str, most_bytes: int
) -> tuple[dict[str, Any], tuple[str, ...] | None] | None:
    """The JSON of `spec.config` if it is of our type, and the types of the plugins that come after it; None outside a chain.

    Without a config the network is one that some implementation knows by the object's name (multi-net-spec 3.2): not ours.
    """
    spec = nad.get("spec") or {}
    text = spec.get("config") if isinstance(spec, Mapping) else spec
    if text is None or (isinstance(text, str) and not text.strip()):
        return None
    where: dict[str, Any] = {"subject": subject, "path": "$.spec.config"}
    if not isinstance(text, str):
        raise InvalidNetwork(
            f"{show(text)} where a string is required", hint="write the config as a JSON text in quotes", **where
        )
    if too_many_bytes(text, most_bytes):
        hint = how_to_raise("textBytes", "write less")
        raise InvalidNetwork(f"the config is longer than {most_bytes} bytes", hint=hint, **where)
    try:
        config = read_json(text)
    except JsonProblem as exc:
        raise InvalidNetwork(f"invalid JSON: {exc}", hint="correct the JSON text of spec.config", **where) from exc
    if not isinstance(config, dict):
        raise InvalidNetwork(f"{show(config)} where a JSON object is required", hint="write one JSON object", **where)
    if isinstance(config.get("plugins"), list):
        return _own_member(config, subject)
    if "type" not in config and "networkType" in config:
        raise InvalidNetwork("the key type is missing", hint='add "type": "antrea"', subject=subject, path="$.type")
    return (config, None) if config.get("type") in OUR_TYPES else None


def _own_member(chain: Mapping[str, Any], subject: str) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """Our config out of a chain of plugins, with what its caller adds to it, and the types after it."""
    types = [item.get("type") if isinstance(item, dict) else None for item in chain["plugins"]]
    ours = [position for position, each in enumerate(types) if each in OUR_TYPES]
    if not ours:
        return None
    where: dict[str, Any] = {"subject": subject, "path": f"$.plugins[{ours[-1]}].type"}
    if len(ours) > 1:
        raise InvalidNetwork(
            "a chain of plugins has a second network of ours", hint="make it a NAD of its own", **where
        )
    if types[0] == "antrea":
        hint = 'write "type": "secnet" for Multus to call it, or that config alone, without plugins'
        raise InvalidNetwork(
            'a chain of plugins has a config of "type": "antrea", which nothing calls', hint=hint, **where
        )
    if ours != [0]:
        message = "a plugin stands before ours in the chain, but type secnet makes a network of its own"
        raise InvalidNetwork(message, hint="put it first, or make it a NAD of its own", **where)
    member = {key: value for key, value in chain["plugins"][0].items() if key not in ("cniVersion", "name")}
    return {**member, **{key: chain[key] for key in _LIST_KEYS if key in chain}}, tuple(map(str, types[1:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """Which network a config belongs to, and what is known of it beside the config.

    resource: empty without a device. chain: the types of the plugins after it; None where it stands alone.
    """

    network: NetworkRef
    uid: str = ""
    generation: int = 0
    resource: str = ""
    chain: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stages:
    """The checks of one config: size, core, driver, backend. Later ones need what earlier ones found.

    most: items of a list, which some checks compare with each other.
    """

    identity: _Identity
    config: Mapping[str, Any]
    registry: Registry
    most: int

    @property
    def subject(self) -> str:
        return f"NetworkAttachmentDefinition {self.identity.network}"

    def run(self) -> Iterator[Permanent]:
        crowded = too_many_items(self.config, self.most)
        if crowded is not None:
            path, count = crowded
            hint = how_to_raise("listItems", "give fewer")
            yield self._error(json_path(path), f"{count} items, and at most {self.most} are allowed", hint)
            return
        core = {key: value for key, value in self.config.items() if key in CORE_KEYS}
        yield from self._errors(_CORE.problems(core))
        mtu = self.config.get("mtu")
        if type(mtu) is int and 0 < mtu < _SMALLEST_MTU:
            hint = f"write at least {_SMALLEST_MTU}, or leave it out for the driver's default"
            yield self._error("$.mtu", f"{mtu} is too small (common key)", hint)
        yield from self._driver()
        yield from self._backend()

    def _driver(self) -> Iterator[Permanent]:
        network_type = self.config.get("networkType")
        if not isinstance(network_type, str):
            return
        plugin = self.registry.drivers.get(network_type)
        if plugin is None:
            yield self._not_installed(
                "network type", "$.networkType", network_type, DRIVERS_GROUP, self.registry.drivers
            )
            return
        options = {key: value for key, value in self.config.items() if key not in CORE_KEYS}
        known = plugin.options.schema["properties"]
        hints = _ELSEWHERE | {
            key: f"did you mean {match!r}?"
            for key in options
            if key not in known and key not in _ELSEWHERE and (match := nearest(key, [*known, *CORE_KEYS]))
        }
        found = plugin.options.problems(options, hints=hints)
        yield from self._errors(found)
        if not found:
            yield from self._plugin_says(plugin, options, "$")
        if plugin.info.needs_device and not self.identity.resource:
            yield self._error(
                f"$.metadata.annotations['{RESOURCE_ANNOTATION}']",
                f"network type {network_type} needs a device, but the annotation that names its resource is missing or empty",
                "annotate the NetworkAttachmentDefinition with the resource of the device plugin, such as example.com/sriov",
            )

    def _backend(self) -> Iterator[Permanent]:
        ipam = self.config.get("ipam")
        ipam_type = ipam.get("type") if isinstance(ipam, dict) else None
        if not isinstance(ipam, dict) or not isinstance(ipam_type, str):
            return
        plugin = self.registry.backends.get(ipam_type)
        if plugin is None:
            yield self._not_installed("IPAM type", "$.ipam.type", ipam_type, BACKENDS_GROUP, self.registry.backends)
            return
        config = _without_type(ipam)
        found = plugin.options.problems(config, prefix=("ipam",))
        yield from self._errors(found)
        if not found:
            yield from self._plugin_says(plugin, config, "$.ipam")

    def _plugin_says(self, plugin: LoadedPlugin[Any], config: Mapping[str, Any], root: str) -> Iterator[Permanent]:
        """What no schema can express: the plugin's own check of its part, which lies at `root`."""
        refusal = self.registry.refusal(plugin, config)
        if refusal is not None:
            path = refusal.path if refusal.path.startswith(root) else f"{root}{refusal.path.removeprefix('$')}"
            yield self._error(path, f"{refusal.message} ({plugin.options.owner})", refusal.hint)

    def _not_installed(
        self, what: str, path: str, name: str, group: str, installed: Mapping[str, LoadedPlugin[Any]]
    ) -> Permanent:
        broken = self.registry.unusable(group, name, what, subject=self.subject, path=self._in_text(path))
        if broken is not None:
            return broken
        listed = ", ".join(sorted(installed)) or "none"
        same = nearest(name, installed)
        if same is not None and same.lower() == name.lower():
            return self._error(path, f"no {what} {show(name)}: case counts", f"write {same!r}")
        install = f"install a distribution with the entry point {name!r} in group {group}"
        return Unsupported(
            f"no {what} {show(name)} is installed (installed: {listed})",
            hint=f"did you mean {same!r}? Or {install}" if same else install,
            subject=self.subject,
            path=self._in_text(path),
        )

    def _errors(self, problems: list[Problem]) -> Iterator[InvalidNetwork]:
        return (self._error(problem.path, problem.message, problem.hint) for problem in problems)

    def _error(self, path: str, message: str, hint: str) -> InvalidNetwork:
        return InvalidNetwork(message, hint=hint, subject=self.subject, path=self._in_text(path))

    def _in_text(self, path: str) -> str:
        """The path in spec.config: in a chain ours is the first of the plugins."""
        of_list = any(path.startswith(f"$.{key}") for key in ("metadata", *_LIST_KEYS))
        return path if self.identity.chain is None or of_list else f"$.plugins[0]{path.removeprefix('$')}"


def _build(identity: _Identity, config: Mapping[str, Any]) -> NetworkConfig:
    ipam = config.get("ipam")
    return NetworkConfig(
        network=identity.network,
        uid=identity.uid,
        generation=identity.generation,
        network_type=config["networkType"],
        mtu=config.get("mtu") or None,
        options={key: value for key, value in config.items() if key not in CORE_KEYS},
        ipam_type=ipam["type"] if ipam else None,
        ipam_config=_without_type(ipam) if ipam else {},
        resource_name=identity.resource or None,
        common=CommonOptions(accept_ra=config.get("acceptRA", False), disable_check=config.get("disableCheck", False)),
        cni_version=config["cniVersion"],
        cni_type=config["type"],
        cni_name=config.get("name") or identity.network.name,
        capabilities=frozenset(name for name, on in (config.get("capabilities") or {}).items() if on),
        chain=identity.chain or (),
    )


def _without_type(ipam: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in ipam.items() if key != "type"}


def _generation(nad: Mapping[str, Any]) -> int:
    """0 where none is written, and for what is none: a manifest may have anything there."""
    value = nad["metadata"].get("generation")
    return value if type(value) is int else 0


def _resource_name(nad: Mapping[str, Any]) -> str:
    annotations = nad["metadata"].get("annotations")
    value = annotations.get(RESOURCE_ANNOTATION) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) else ""
