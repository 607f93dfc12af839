"""A new project from templates: what `secnet new-driver` writes.

A template is a file of `scaffold/driver/`; `%%{word}` in it stands for a word of the project. The signs are chosen so that
neither Python, nor TOML, nor the shell uses them.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import string
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import secnet.contract as contract
from secnet.contract import CONTRACT_VERSION, Conflict, InvalidConfig, MissingPrivilege

__all__ = ["DriverProject"]

_NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 40
_LONGEST_DISTRIBUTION = 60
_OURS = frozenset({"secnet-vlan", "secnet-sriov", "secnet-ipam", "secnet-conformance"})
_KIT_NAMES = ("BackendCase", "DriverCase")

# The file of the project, and the template it is made from.
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".ci/run": "ci-run",
    "src/%%{module}/__init__.py": "init.py",
    "src/%%{module}/driver.py": "driver.py",
    "src/%%{module}/options.json": "options.json",
    "src/%%{module}/py.typed": "",
    "tests/test_conformance.py": "test_conformance.py",
}
_EXECUTABLE = frozenset({".ci/run"})


class _Template(string.Template):
    delimiter = "%%"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverProject:
    """The project of one driver. Building one refuses a name that could not work (InvalidConfig); nothing is written yet.

    network_type: the `networkType` of its NADs. distribution: what pip will know it by.
    """

    network_type: str
    distribution: str

    def __post_init__(self) -> None:
        _require_name(self.network_type, "network type", "NAME")
        _require_name(self.distribution, "distribution", "--distribution", _LONGEST_DISTRIBUTION)
        if self.class_name in contract.__all__ or f"{self._case_name}Case" in _KIT_NAMES:
            raise InvalidConfig(
                f"the classes of a type {self.network_type} would have names that the contract or the kit uses",
                hint=f"choose another name, such as my-{self.network_type}",
                path="NAME",
            )
        if self.network_type.startswith("test"):
            raise InvalidConfig(
                f"pytest would take the driver's class {self.class_name} for tests",
                hint=f"choose a name that does not begin with test, such as my-{self.network_type}",
                path="NAME",
            )
        if keyword.iskeyword(self.module) or self.module in sys.stdlib_module_names or self.module == "secnet":
            raise InvalidConfig(
                f"the distribution {self.distribution} would have the module {self.module}, a name that Python or secnet uses",
                hint=f"take another, such as --distribution secnet-{self.network_type}",
            )

    @property
    def module(self) -> str:
        """The import name."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """The driver's class."""
        return "".join(part.capitalize() for part in self.network_type.split("-")) + "Driver"

    @property
    def _case_name(self) -> str:
        """What the names of the case and of its suite are made of."""
        return self.class_name.removesuffix("Driver")

    def require_unknown(self) -> None:
        """Raise Conflict if the distribution is one of secnet's own, or another one's module of this name can be imported."""
        if self.distribution in _OURS:
            raise Conflict(
                f"{self.distribution} is a distribution of secnet itself: one environment cannot have both",
                hint=f"choose another name, or another distribution, such as --distribution my-{self.network_type}",
            )
        if importlib.util.find_spec(self.module) is not None:
            raise Conflict(
                f"a module {self.module} is installed already",
                hint="choose another name by --distribution, or uninstall what provides it",
            )

    def files(self) -> dict[str, str]:
        """The text of each file by its path in the project."""
        words = {
            "network_type": self.network_type,
            "distribution": self.distribution,
            "module": self.module,
            "class_name": self.class_name,
            "case_name": self._case_name,
            "contract": str(CONTRACT_VERSION),
        }
        folder = resources.files(__package__).joinpath("driver")
        return {
            _Template(path).substitute(words): _render(folder.joinpath(f"{name}.tmpl").read_text("utf-8"), words)
            if name
            else ""
            for path, name in _FILES.items()
        }

    def write(self, folder: Path) -> list[Path]:
        """Write the project into a folder that is empty or missing; returns the files. Raises Conflict for any other."""
        written = []
        try:
            _require_folders(folder)
            if folder.exists() and (not folder.is_dir() or any(item.name != ".git" for item in folder.iterdir())):
                raise Conflict(
                    f"{folder} is there and not an empty folder",
                    hint="name another by --directory; nothing is ever written over",
                )
            for path, text in self.files().items():
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
                if path in _EXECUTABLE:
                    file.chmod(0o755)
                written.append(file)
        except OSError as exc:
            raise MissingPrivilege(
                f"{exc.filename or folder} cannot be written: {exc.strerror}",
                hint="name a folder that you may write by --directory",
            ) from exc
        return written


def _render(text: str, words: dict[str, str]) -> str:
    return _Template(text).substitute(words)


def _require_folders(folder: Path) -> None:
    """Raise Conflict if a folder cannot be made because something above it is a file."""
    above = next((item for item in folder.parents if item.exists()), None)
    if above is not None and not above.is_dir():
        raise Conflict(f"{above} is not a folder, so there can be no {folder}", hint="name another by --directory")


def _require_name(name: str, what: str, where: str, longest: int = _LONGEST) -> None:
    if len(name) <= longest and _NAME_PATTERN.fullmatch(name):
        return
    suggestion = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:longest].strip("-")
    example = f", such as {suggestion}" if _NAME_PATTERN.fullmatch(suggestion) else ""
    raise InvalidConfig(
        f"{name!r} is no name of a {what}",
        hint=f"use small letters, digits and single dashes, a letter first, at most {longest} characters{example}",
        path=where,
    )
