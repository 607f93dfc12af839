"""Whether a plugin was made for the contract version of this core, found out before anything else about it is judged.

A plugin of another version may fail to import (a name of the contract is not there) or describe itself in fields that are not
known here, so the version is first read from the metadata of its distribution, where nothing of the plugin runs: each entry
point of the group `secnet.contract` is named by a version that the distribution serves. `describe().contract` counts as well.
docs/contract-versions.md has the policy.
"""

from __future__ import annotations

import importlib.metadata
import re
import reprlib
from collections.abc import Iterable
from typing import Any

from secnet.contract import CONTRACT_VERSION, ContractViolation

from ._discovery import identity, who

__all__ = ["VERSIONS_GROUP", "check_declared", "check_described", "suspicion"]

VERSIONS_GROUP = "secnet.contract"
_TOO_MUCH = 10**9  # Python refuses to print or read a number of some thousand digits
_VERSION = re.compile("[1-9][0-9]{0,8}")


def check_declared(entry_point: importlib.metadata.EntryPoint) -> bool:
    """Compare what the metadata says. True if it names our version, False if it is silent; else raises ContractViolation."""
    dist = entry_point.dist
    names = (
        sorted({item.name for item in dist.entry_points if item.group == VERSIONS_GROUP}) if dist is not None else []
    )
    wrong = [name for name in names if not _VERSION.fullmatch(name)]
    if wrong:
        raise ContractViolation(
            f"{_who(entry_point)} names {_short(wrong[0])} in the entry-point group {VERSIONS_GROUP}, "
            "which is no contract version",
            hint=f"its pyproject.toml must name whole numbers from 1 there, such as {CONTRACT_VERSION}",
        )
    versions = [int(name) for name in names]
    if versions and CONTRACT_VERSION not in versions:
        raise _refusal(entry_point, versions)
    return bool(versions)


def check_described(entry_point: importlib.metadata.EntryPoint, info: Any, *, declared: bool) -> None:
    """Compare what describe() returned, whatever class it is of. declared: the metadata names our version.

    Raises ContractViolation.
    """
    version = getattr(info, "contract", CONTRACT_VERSION)
    if type(version) is not int or not 1 <= version < _TOO_MUCH:
        raise ContractViolation(
            f"describe() of {_who(entry_point)} says contract={_short(version)}, which is no contract version",
            hint=f"its authors must give a whole number from 1 there, such as {CONTRACT_VERSION}",
        )
    if version != CONTRACT_VERSION and declared:
        raise ContractViolation(
            f"{_who(entry_point)} names contract version {CONTRACT_VERSION} in its metadata, but describe() says {version}",
            hint="its authors must describe it with contract=CONTRACT_VERSION, or name the other version in the metadata",
        )
    if version != CONTRACT_VERSION:
        raise _refusal(entry_point, [version])


def suspicion(entry_point: importlib.metadata.EntryPoint, *, declared: bool) -> str:
    """What to do about a plugin that cannot be imported or described: it may be made for another version and not say so."""
    if declared:
        return ""
    return (
        f"{_who(entry_point)} does not say for which contract version it was made, and this secnet has version "
        f"{CONTRACT_VERSION}: if it is another one, install the release that fits; else report it to its authors"
    )


def _refusal(entry_point: importlib.metadata.EntryPoint, versions: Iterable[int]) -> ContractViolation:
    """Both versions, the distribution, and what to do: it depends on who is behind."""
    ours = f"secnet {importlib.metadata.version('secnet')}"
    theirs = " and ".join(map(str, sorted(versions)))
    newer = " or ".join(str(version) for version in sorted(versions) if version > CONTRACT_VERSION)
    if not newer:
        hint = (
            f"{_name(entry_point)} is older: install a release of it for contract version {CONTRACT_VERSION}, "
            f"or go back to a secnet with contract version {theirs}"
        )
    else:
        hint = (
            f"secnet is older: upgrade it to a release with contract version {newer}, "
            f"or install a release of {_name(entry_point)} for contract version {CONTRACT_VERSION}"
        )
    return ContractViolation(
        f"{_who(entry_point)} is made for contract version {theirs}; this {ours} has contract version {CONTRACT_VERSION}",
        hint=hint,
    )


def _name(entry_point: importlib.metadata.EntryPoint) -> str:
    return identity(entry_point.dist)[0]


def _who(entry_point: importlib.metadata.EntryPoint) -> str:
    return who(entry_point.dist)


def _short(value: Any) -> str:
    """What the plugin says, however long; no repr() of it raises here."""
    return "a number of more than 9 digits" if type(value) is int and abs(value) >= _TOO_MUCH else reprlib.repr(value)
