"""Certificates for a test API server, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["Certificates", "bare_certificates", "certificates"]

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
_WITHOUT_IDENTIFIERS = ("subjectKeyIdentifier=none", "authorityKeyIdentifier=none")
_CONFIG = """\
[ca]
default_ca = authority
[authority]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = names
x509_extensions = server
[names]
commonName = supplied
[server]
{extensions}
"""


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """PEM files. authority: what a client is given. server, key: what the server has."""

    authority: Path
    server: Path
    key: Path


def certificates(folder: Path) -> Certificates:
    """One that signed itself, for 127.0.0.1, in `ca.crt`."""
    made = Certificates(authority=folder / "ca.crt", server=folder / "ca.crt", key=folder / "server.key")
    _openssl("req", "-x509", *_KEY, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
             "-keyout", made.key, "-out", made.authority)  # fmt: skip
    return made


def bare_certificates(folder: Path, *, address: str = "127.0.0.1", days: int = 2) -> Certificates:
    """A server's and its authority's in `ca.crt`, which has neither keyUsage nor key identifiers, as those of EKS and MicroK8s.

    address: the server's name. days: until its end; negative for one that is over.
    """
    made = Certificates(authority=folder / "ca.crt", server=folder / "server.crt", key=folder / "server.key")
    authority_key, request, config = folder / "ca.key", folder / "server.csr", folder / "ca.conf"
    bare = [part for line in _WITHOUT_IDENTIFIERS for part in ("-addext", line)]
    _openssl("req", "-x509", *_KEY, "-subj", "/CN=authority", *bare, "-days", "2",
             "-keyout", authority_key, "-out", made.authority)  # fmt: skip
    _openssl("req", *_KEY, "-subj", "/CN=server", "-keyout", made.key, "-out", request)
    extensions = "\n".join((f"subjectAltName=IP:{address}", *_WITHOUT_IDENTIFIERS))
    config.write_text(_CONFIG.format(folder=folder, extensions=extensions))
    (folder / "index").touch()
    now = datetime.now(UTC)
    start, end = ((now + timedelta(days=each)).strftime("%Y%m%d%H%M%SZ") for each in (-2, days))
    # Not `openssl x509`, which makes none that is over.
    _openssl("ca", "-batch", "-notext", "-config", config, "-cert", made.authority, "-keyfile", authority_key,
             "-in", request, "-startdate", start, "-enddate", end, "-out", made.server)  # fmt: skip
    return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
