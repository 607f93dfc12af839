"""Requests to a real API server with an administrator's rights, by the Kubernetes client."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.config.kube_config import load_kube_config
from secnet_conformance.netns import Namespace, inside
from urllib3.exceptions import HTTPError

from ..kubeapi.admin import Admin, Rejected

__all__ = ["ApiAdmin"]

_SECONDS = 30.0


class ApiAdmin(Admin):
    """namespace: the network namespace in which the server is reached (None: the caller's own). Not thread-safe."""

    def __init__(self, kubeconfig: Path, namespace: Namespace | None = None) -> None:
        configuration = Configuration()
        load_kube_config(  # type: ignore[no-untyped-call]
            str(kubeconfig), client_configuration=configuration, persist_config=False
        )
        configuration.retries = False
        # The agent's checks of certificates are tested in its own image; here Python 3.13 must not be stricter.
        self._client = ApiClient(configuration)
        if configuration.verify_ssl:
            trust = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
            self._client.rest_client.pool_manager.connection_pool_kw["ssl_context"] = trust
        self._namespace = namespace

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """See `Admin.request`."""
        text = inside(self._namespace, lambda: self._request(method, path, body, content_type))
        return json.loads(text) if text.startswith(b"{") else {}

    def answers(self, path: str) -> bool:
        """Whether a GET of this path succeeds; False as well while no server is there."""
        try:
            self.request("GET", path)
        except (Rejected, HTTPError):
            return False
        return True

    def _request(self, method: str, path: str, body: Any, content_type: str) -> bytes:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        self._client.update_params_for_auth(headers, None, ["BearerToken"], path, method, None)
        url = self._client.configuration.host + path
        answer = self._client.rest_client.pool_manager.request(
            method, url, body=None if body is None else json.dumps(body), headers=headers, timeout=_SECONDS
        )
        text: bytes = answer.data
        if not 200 <= answer.status < 300:
            raise Rejected(answer.status, json.loads(text) if text.startswith(b"{") else {"message": text.decode()})
        return text
