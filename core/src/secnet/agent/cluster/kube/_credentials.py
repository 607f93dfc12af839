"""How the agent proves to the API server who it is: the service account of its Pod, or a kubeconfig."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import yaml
from kubernetes.client.configuration import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import InClusterConfigLoader
from kubernetes.config.kube_config import load_kube_config
from urllib3.connection import HTTPConnection

from secnet.contract import InvalidConfig

__all__ = ["Credentials"]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# A peer that vanished without a word is noticed after 15 + 3 * 5 seconds when idle, and 30 with data under way.
_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
]


class Credentials:
    """The client's configuration, filled by its own loaders.

    kubeconfig: None for the service account of the agent's Pod, whose token file is read again every minute.
    Raises InvalidConfig when there is nothing to begin with.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        service_account: Path = _SERVICE_ACCOUNT,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._service_account = service_account
        self._environ = environ
        self.configuration = Configuration()
        self.configuration.socket_options = _SOCKET_OPTIONS
        self.configuration.retries = False  # urllib3's word for "not even redirects"
        try:
            self.reload()
        except (ConfigException, OSError, ValueError, yaml.YAMLError) as exc:
            raise InvalidConfig(str(exc), hint=self._hint(), subject=self._subject()) from exc

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self.configuration.host)

    def reload(self) -> None:
        """Read everything again. May raise what the loaders raise; then the old credentials stay in force."""
        if self._kubeconfig is not None:
            load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(self._kubeconfig), client_configuration=self.configuration, persist_config=False
            )
            return
        InClusterConfigLoader(  # type: ignore[no-untyped-call]
            token_filename=str(self._service_account / "token"),
            cert_filename=str(self._service_account / "ca.crt"),
            environ=self._environ,
        ).load_and_set(self.configuration)

    def _subject(self) -> str:
        return f"kubeconfig {self._kubeconfig}" if self._kubeconfig else f"service account {self._service_account}"

    def _hint(self) -> str:
        if self._kubeconfig:
            return "name a readable kubeconfig with a current context in kubernetes.kubeconfig"
        return "run the agent in a Pod with a service account, or name a kubeconfig in kubernetes.kubeconfig"
