"""How a stage reaches the mirrors that this machine reaches. Nothing of it stays in the image."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["BUNDLES", "MOUNTED", "Machine"]

MOUNTED = "/run/build"
"""Where a stage sees the folder of the settings: on a tmpfs, so that no file system of a stage has it."""

BUNDLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a file with certificates."""

_PROXIES = {"http_proxy", "https_proxy", "no_proxy", "all_proxy"}
_OF_THE_MACHINE = {"PIP_FIND_LINKS", "UV_FIND_LINKS", "PIP_CONFIG_FILE", "PIP_CACHE_DIR"}
"""Settings that name folders of the machine, which a stage has not."""


class Machine:
    """The machine's mirrors, certificates, index and proxies, as files in a folder and as variables.

    pins: version of each Debian package that is pinned. caches: a folder for what was downloaded.
    """

    def __init__(self, repository: Path, folder: Path, caches: Path, release: str, pins: dict[str, str]) -> None:
        self.folder, self._repository = folder, repository
        self.mirror = self._apt("mirror").strip()
        folder.mkdir(parents=True)
        security = self._apt("security").strip()
        sources = [f"deb {self.mirror} {release} main", f"deb {self.mirror} {release}-updates main"]
        sources += [f"deb {security} {release}-security main"] if security else []
        self._write("sources.list", "\n".join(sources) + "\n")
        stanzas = [f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n" for name, version in pins.items()]
        self._write("preferences", "\n".join(stanzas))
        for name, fallback in (("resolv.conf", ""), ("hosts", "127.0.0.1 localhost\n")):
            path = Path("/etc", name)
            self._write(name, path.read_text(encoding="utf-8") if path.is_file() else fallback)
        bundle = next((path for path in map(Path, _bundles()) if path.is_file()), None)
        if bundle:
            shutil.copyfile(bundle, folder / "ca.crt")
        self._write("apt.conf", self._apt_conf(bool(bundle)))
        for path in (Path("/etc/apt/auth.conf"), *Path("/etc/apt/auth.conf.d").glob("*")):
            with (folder / "auth.conf").open("a", encoding="utf-8") as file:
                file.write(path.read_text(encoding="utf-8") + "\n" if path.is_file() else "")
        self.caches = {name: caches / name for name in ("archives", "lists", "uv", "pip")}
        for name, cache in self.caches.items():
            (cache / "partial" if name in ("archives", "lists") else cache).mkdir(parents=True, exist_ok=True)
            (folder / name).mkdir()
        self.variables = self._variables(bool(bundle))

    def _apt(self, what: str) -> str:
        command = [str(self._repository / "tools/machine-apt"), what]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def _apt_conf(self, bundle: bool) -> str:
        own = {
            "Dir::Etc::SourceList": f"{MOUNTED}/sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": f"{MOUNTED}/preferences",
            "Dir::Etc::netrc": f"{MOUNTED}/auth.conf",
            "Dir::Cache::archives": f"{MOUNTED}/archives/",
            "Dir::State::lists": f"{MOUNTED}/lists/",
            "APT::Sandbox::User": "root",  # the caches belong to root
            "APT::Get::allow-downgrades": "true",  # to the pinned version
            "Acquire::Languages": "none",
            "Dpkg::Use-Pty": "false",  # there is no /dev/pts
            **({"Acquire::https::CAInfo": f"{MOUNTED}/ca.crt"} if bundle else {}),
        }
        # Ours last: a file that the machine's settings name is in no stage.
        return self._apt("settings") + "".join(f'{key} "{value}";\n' for key, value in own.items())

    def _variables(self, bundle: bool) -> dict[str, str]:
        passed = {
            name: value
            for name, value in os.environ.items()
            if (name.startswith(("PIP_", "UV_")) or name.lower() in _PROXIES) and name not in _OF_THE_MACHINE
        }
        return {
            **passed,
            **(dict.fromkeys(BUNDLES, f"{MOUNTED}/ca.crt") if bundle else {}),
            "APT_CONFIG": f"{MOUNTED}/apt.conf",
            "DEBIAN_FRONTEND": "noninteractive",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "PIP_CACHE_DIR": f"{MOUNTED}/pip",
            "PIP_ROOT_USER_ACTION": "ignore",
            "UV_CACHE_DIR": f"{MOUNTED}/uv",
            "UV_LINK_MODE": "copy",
        }


def _bundles() -> list[str]:
    given = [os.environ[name] for name in BUNDLES if name in os.environ]
    return [*given, "/etc/ssl/certs/ca-certificates.crt"]
