"""What an API server says to an object of a CustomResourceDefinition: its schema by jsonschema, its rules by a CEL library.

The library knows the language but not the functions that Kubernetes adds to it (`isIP`, `ip`, `cidr` and what follows from
them), so those stand here, with addresses and blocks as texts. The rules are type-checked when a definition is read, but
against no schema, and their cost is not estimated: a stand-in that needs no API server, compared with a real one in the tier
`kubernetes`.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from jsonschema import Draft4Validator

__all__ = ["Definition", "rules_of"]

_TEXT, _BOOL, _INT = cel.Type.STRING, cel.Type.BOOL, cel.Type.INT


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    address, slash, length = text.partition("/")
    return bool(slash) and length.isdecimal() and _is_ip(address)


def _ip(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _cidr(text: str) -> str:
    if not _is_cidr(text):
        raise ValueError(f"{text} is no CIDR")
    return text


def _family(text: str) -> int:
    return ipaddress.ip_address(text).version


def _prefix_length(text: str) -> int:
    return ipaddress.ip_interface(text).network.prefixlen


def _address(text: str) -> str:
    return str(ipaddress.ip_interface(text).ip)


def _function(name: str, result: cel.Type, do: Callable[[str], Any], *, member: bool = False) -> cel.FunctionDecl:
    overload = cel.Overload(id=f"{name}_text", return_type=result, parameters=[_TEXT], is_member=member, impl=do)
    return cel.FunctionDecl(name, [overload])


def _ip_or_member() -> cel.FunctionDecl:
    """`ip(text)`, and the address of a block: `cidr(text).ip()`."""
    make = cel.Overload(id="ip_text", return_type=_TEXT, parameters=[_TEXT], impl=_ip)
    of_block = cel.Overload(id="cidr_ip", return_type=_TEXT, parameters=[_TEXT], is_member=True, impl=_address)
    return cel.FunctionDecl("ip", [make, of_block])


@functools.cache
def _environment() -> cel.Env:
    functions = [
        _function("isIP", _BOOL, _is_ip),
        _function("isCIDR", _BOOL, _is_cidr),
        _function("cidr", _TEXT, _cidr),
        _function("family", _INT, _family, member=True),
        _function("prefixLength", _INT, _prefix_length, member=True),
        _ip_or_member(),
    ]
    variables = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()], functions=functions)


class Definition:
    """One CustomResourceDefinition with one version. Raises RuntimeError for a rule that does not compile."""

    def __init__(self, path: Path) -> None:
        self.document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        (version,) = self.document["spec"]["versions"]
        self.kind: str = self.document["spec"]["names"]["kind"]
        self.api_version: str = f"{self.document['spec']['group']}/{version['name']}"
        self.schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
        # A structural schema is in the dialect of OpenAPI 3.0, whose keywords, of those that we use, are those of draft 4.
        self._structure = Draft4Validator(self.schema)
        self._rules = {rule["rule"]: _environment().compile(rule["rule"]) for rule in rules_of(self.schema)}

    def problems(self, obj: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> list[str]:
        """`path: message` for everything that an API server has against creating `obj`, or against updating `old` to it."""
        found = [f"{error.json_path}: {error.message}" for error in self._structure.iter_errors(obj)]
        return found or list(self._walk(self.schema, obj, old, "$"))

    def _walk(self, schema: Mapping[str, Any], value: Any, old: Any, path: str) -> Iterator[str]:
        for rule in schema.get("x-kubernetes-validations", ()):
            if "oldSelf" in rule["rule"] and old is None:
                continue
            answer = self._rules[rule["rule"]].eval(data={"self": value, "oldSelf": old})
            if answer.value() is not True:
                why = rule["message"] if answer.value() is False else f"{rule['rule']}: {answer.value()}"
                yield f"{path}{rule.get('fieldPath', '')}: {why}"
        if isinstance(value, Mapping):
            for name, inner in schema.get("properties", {}).items():
                if name in value:
                    before = old.get(name) if isinstance(old, Mapping) else None
                    yield from self._walk(inner, value[name], before, f"{path}.{name}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self._walk(schema["items"], item, _same(schema, item, old), f"{path}[{index}]")


def _same(schema: Mapping[str, Any], item: Any, old: Any) -> Any:
    """The item as it was, in a list whose items have keys; in any other list no item has a past."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    before = (other for other in old or () if keys and all(other.get(key) == item.get(key) for key in keys))
    return next(before, None)


def rules_of(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All CEL rules in a schema."""
    yield from schema.get("x-kubernetes-validations", ())
    for inner in schema.get("properties", {}).values():
        yield from rules_of(inner)
    if "items" in schema:
        yield from rules_of(schema["items"])
