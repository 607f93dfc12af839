"""Keys, certificates and kubeconfigs of a test cluster, made with openssl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Pki"]

_DAYS = "30"


# What Python 3.13, the image's, asks for by default: neither has it in clusters such as EKS or MicroK8s, nor here.
_WITHOUT_IDENTIFIERS = ("subjectKeyIdentifier=none", "authorityKeyIdentifier=none")


class Pki:
    """All files lie in one folder. `server` is the URL that every kubeconfig names.

    The authority has no keyUsage, and nothing has key identifiers.
    """

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self._server = server
        folder.mkdir(parents=True)
        for name, subject in (("ca", "/CN=kubernetes-ca"), ("front", "/CN=front-proxy-ca")):
            self._openssl(
                *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", _DAYS, "-subj", subject),
                *("-keyout", f"{name}.key", "-out", f"{name}.crt"),
                *(part for line in _WITHOUT_IDENTIFIERS for part in ("-addext", line)),
            )
        self._openssl("genrsa", "-out", "sa.key", "2048")
        self._openssl("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")

    def file(self, name: str) -> Path:
        """Where a key (`NAME.key`), a certificate (`NAME.crt`) or a kubeconfig (`NAME.kubeconfig`) lies."""
        return self.folder / name

    def certificate(self, name: str, subject: str, names: Sequence[str] = (), *, authority: str = "ca") -> None:
        """Make NAME.key and NAME.crt for servers and clients. names: such as `DNS:localhost`, `IP:127.0.0.1`."""
        extensions = [
            *_WITHOUT_IDENTIFIERS,
            "keyUsage=digitalSignature,keyEncipherment",
            "extendedKeyUsage=serverAuth,clientAuth",
            *([f"subjectAltName={','.join(names)}"] if names else []),
        ]
        self.file(f"{name}.ext").write_text("\n".join(extensions), encoding="utf-8")
        self._openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key"),
            *("-CAcreateserial", "-days", _DAYS, "-extfile", f"{name}.ext", "-out", f"{name}.crt"),
        )

    def kubeconfig(self, name: str, subject: str, names: Sequence[str] = ()) -> Path:
        """Make a certificate and a kubeconfig that uses it."""
        self.certificate(name, subject, names)
        cluster = {"server": self._server, "certificate-authority": str(self.file("ca.crt"))}
        user = {"client-certificate": str(self.file(f"{name}.crt")), "client-key": str(self.file(f"{name}.key"))}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path = self.file(f"{name}.kubeconfig")
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr}"
