"""What a test may ask of an API server, the double or a real one."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from .admin import Admin, Rejected

__all__ = ["ADMIN", "ApiServer", "http_request"]

ADMIN = "admin-token"
HTTP_SECONDS = 20.0


class ApiServer(Admin):
    """One that a test has for itself. url: without a slash at its end. certificate: what signed that of HTTPS; None for HTTP."""

    url: str
    certificate: Path | None = None

    @abstractmethod
    def add_token(self, token: str, rules: Sequence[Mapping[str, Any]] | None) -> str:
        """A bearer token of the user `token` that may do what these rules of a ClusterRole allow; None for everything."""

    @abstractmethod
    def compact(self) -> None:
        """Pages of lists that began before are 410 from now on."""

    @abstractmethod
    def reset(self) -> None:
        """No objects but namespaces and the definitions of our kinds, no tokens but the administrator's."""

    def kubeconfig(self, path: Path, token: str = ADMIN) -> Path:
        """Write a kubeconfig for a token."""
        cluster = {"server": self.url}
        if self.certificate is not None:
            cluster["certificate-authority"] = str(self.certificate)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(content))
        return path

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", token: str = ADMIN
    ) -> Any:
        """See `Admin.request`; token: who asks."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type, "Accept": "application/json"}
        return http_request(method, self.url + path, body, headers, self.trust())

    def open(self, path: str, token: str = ADMIN) -> HTTPResponse:
        """The answer to a GET, to be read and closed by the caller; raises urllib's HTTPError."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token}"})
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=HTTP_SECONDS, context=self.trust())
        return answer

    def status_of(self, method: str, path: str, token: str, body: Any = None) -> int:
        """The HTTP status of a request with a token; a body is a merge patch."""
        try:
            self.request(method, path, body, "application/merge-patch+json", token)
        except Rejected as exc:
            return exc.status
        return 200

    def trust(self) -> ssl.SSLContext | None:
        """For `http_request`; None for HTTP."""
        if self.certificate is None:
            return None
        context = ssl.create_default_context(cafile=self.certificate)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as the agent: the form of an authority is not checked
        return context


def http_request(
    method: str,
    url: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
) -> Any:
    """The JSON of an answer. Raises Rejected for one that is no success, OSError without one."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers or {"Content-Type": "application/json"}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS, context=trust) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as exc:
        with exc:
            raise Rejected(exc.code, _json(exc.read())) from exc


def _json(text: bytes) -> dict[str, Any]:
    """A real server answers an authorized question about nothing with plain text."""
    return json.loads(text) if text.startswith(b"{") else {"message": text.decode(errors="replace")}
