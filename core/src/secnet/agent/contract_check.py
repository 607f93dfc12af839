"""Whether a plugin was made for the contract version of this core, found out before anything else about it is judged.

A plugin of another version may fail to import (a name of the contract is not there) or describe itself in fields that are not
known here, so the version is first read from the metadata of its distribution, where nothing of the plugin runs: each entry
point of the group `secnet.contract` is named by a version that the distribution serves. `describe().contract` counts as well.
docs/contract-versions.md has the policy.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from typing import Any

from secnet.contract import CONTRACT_VERSION, ContractViolation

__all__ = ["VERSIONS_GROUP", "check_declared", "check_described", "suspicion"]

VERSIONS_GROUP = "secnet.contract"


def check_declared(entry_point: importlib.metadata.EntryPoint) -> bool:
    """Compare what the metadata says. True if it names our version, False if it is silent; else raises ContractViolation."""
    dist = entry_point.dist
    names = (
        sorted({item.name for item in dist.entry_points if item.group == VERSIONS_GROUP}) if dist is not None else []
    )
    wrong = [name for name in names if not (name.isascii() and name.isdigit())]
    if wrong:
        raise ContractViolation(
            f"{_who(entry_point)} names {wrong[0]!r} in the entry-point group {VERSIONS_GROUP}, which is no contract version",
            hint=f"its pyproject.toml must name whole numbers there, such as {CONTRACT_VERSION}",
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
    if type(version) is not int:
        raise ContractViolation(
            f"describe() of {_who(entry_point)} says contract={version!r}, which is no contract version",
            hint=f"its authors must give a whole number there, such as {CONTRACT_VERSION}",
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
    who, ours = _who(entry_point), f"secnet {importlib.metadata.version('secnet')}"
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
        f"{who} is made for contract version {theirs}; this {ours} has contract version {CONTRACT_VERSION}", hint=hint
    )


def _name(entry_point: importlib.metadata.EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else "the plugin"


def _who(entry_point: importlib.metadata.EntryPoint) -> str:
    dist = entry_point.dist
    return f"{dist.name} {dist.version}" if dist is not None else "the plugin"
