"""Who the agent is to the API server: kubeconfig, and the service account of its Pod, also when tokens change."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from secnet.agent.cluster.kube import Credentials, KubeCluster, _transport
from secnet.contract import InvalidConfig, Unavailable
from secnet_testing.kubeapi.certificates import bare_certificates, certificates
from secnet_testing.kubeapi.process import KubeApiProcess
from urllib3.util.ssl_ import create_urllib3_context

from ..helpers import Recorder, pod, until
from ..kube_world import BRISK, NODE, on_node


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """The folder that is mounted in a Pod with a service account."""
    path = tmp_path / "serviceaccount"
    path.mkdir()
    return path


@pytest.fixture
def secure(account: Path) -> Iterator[KubeApiProcess]:
    """A server with HTTPS, whose certificate is in the account's folder."""
    server = KubeApiProcess(certificates=certificates(account))
    yield server
    server.stop()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts as Python 3.13 and newer have them, which the agent's image has: on every Python that runs the tests."""
    flags = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    monkeypatch.setattr(_transport, "create_urllib3_context", partial(create_urllib3_context, verify_flags=flags))


def in_pod(account: Path, port: int) -> KubeCluster:
    """As in a Pod of the node."""
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
    credentials = Credentials(None, service_account=account, environ=environ)
    return KubeCluster(None, node_name=NODE, credentials=credentials, pace=BRISK)


def test_a_service_account_over_https_whose_token_rotates(account: Path, secure: KubeApiProcess) -> None:
    before = set(threading.enumerate())
    (account / "token").write_text(secure.add_token("first", None))
    cluster = in_pod(account, secure.port)
    secure.create(on_node(pod("a")))
    recorder = Recorder()
    watch = cluster.watch(cluster.watched, recorder)
    assert watch.synced.wait(20)
    until(lambda: secure.watches == 2, "the watches")
    (account / "token").write_text(secure.add_token("second", None))
    secure.remove_token("first")
    secure.cut_watches()
    assert cluster.get("Pod", "a")["metadata"]["name"] == "a"
    secure.create(on_node(pod("b")))
    recorder.wait_for("ADDED", "b")
    watch.close()
    cluster.close()
    assert set(threading.enumerate()) <= before


def test_a_server_with_the_certificate_of_another(account: Path, secure: KubeApiProcess, tmp_path: Path) -> None:
    (account / "token").write_text(secure.add_token("first", None))
    (tmp_path / "other").mkdir()
    (account / "ca.crt").write_bytes(certificates(tmp_path / "other").authority.read_bytes())
    cluster = in_pod(account, secure.port)
    with pytest.raises(Unavailable, match="certificate authority given to the agent"):
        cluster.get("Pod", "a")
    cluster.close()


@pytest.mark.usefixtures("strict")
def test_an_authority_without_key_usage_and_key_identifiers(account: Path) -> None:
    server = KubeApiProcess(certificates=bare_certificates(account))
    try:
        (account / "token").write_text(server.add_token("first", None))
        server.create(pod("a"))
        cluster = in_pod(account, server.port)
        assert cluster.get("Pod", "a")["metadata"]["name"] == "a"
        reader = cluster.reader()
        assert reader.get("/version")
        reader.close()
        cluster.close()
    finally:
        server.stop()


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"address": "127.0.0.2"}, "IP address mismatch"),
        ({"days": -1}, "certificate has expired"),
    ],
)
def test_names_and_dates_of_such_a_server(account: Path, wrong: dict[str, Any], words: str) -> None:
    server = KubeApiProcess(certificates=bare_certificates(account, **wrong), crds=[])
    try:
        (account / "token").write_text(server.add_token("first", None))
        cluster = in_pod(account, server.port)
        with pytest.raises(Unavailable, match=words):
            cluster.get("Pod", "a")
        cluster.close()
    finally:
        server.stop()


@pytest.mark.usefixtures("strict")
def test_such_a_server_of_another_authority(account: Path, tmp_path: Path) -> None:
    server = KubeApiProcess(certificates=bare_certificates(account), crds=[])
    try:
        (account / "token").write_text(server.add_token("first", None))
        (tmp_path / "other").mkdir()
        (account / "ca.crt").write_bytes(bare_certificates(tmp_path / "other").authority.read_bytes())
        cluster = in_pod(account, server.port)
        with pytest.raises(Unavailable, match="certificate verify failed"):
            cluster.get("Pod", "a")
        cluster.close()
    finally:
        server.stop()


def test_the_authorities_of_the_system_where_a_kubeconfig_names_none(
    account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = KubeApiProcess(certificates=bare_certificates(account))
    try:
        server.create(pod("a"))
        path = server.kubeconfig(tmp_path / "kubeconfig")
        config = yaml.safe_load(path.read_text())
        config["clusters"][0]["cluster"].pop("certificate-authority", None)
        path.write_text(yaml.safe_dump(config))
        with pytest.raises(Unavailable, match="certificate verify failed"):
            KubeCluster(path, node_name=NODE).get("Pod", "a")
        monkeypatch.setenv("SSL_CERT_FILE", str(account / "ca.crt"))
        assert KubeCluster(path, node_name=NODE).get("Pod", "a")["metadata"]["name"] == "a"
    finally:
        server.stop()


def test_a_refused_token_is_read_again(kubeapi: KubeApiProcess, tmp_path: Path) -> None:
    api = kubeapi
    (tmp_path / "token").write_text(api.add_token("first", None))
    config = yaml.safe_load(api.kubeconfig(tmp_path / "kubeconfig").read_text())
    config["users"][0]["user"] = {"tokenFile": str(tmp_path / "token")}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    cluster = KubeCluster(tmp_path / "kubeconfig", node_name="n")
    api.create(pod("a"))
    cluster.get("Pod", "a")
    (tmp_path / "token").write_text(api.add_token("second", None))
    api.remove_token("first")
    cluster.get("Pod", "a")
    api.remove_token("second")
    with pytest.raises(Unavailable, match="token is valid"):
        cluster.get("Pod", "a")
    cluster.close()


def test_the_service_account_of_a_pod(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    (tmp_path / "ca.crt").write_text("a certificate")
    with pytest.raises(InvalidConfig, match="token file does not exist"):
        Credentials(None, service_account=tmp_path, environ=environ)
    (tmp_path / "token").write_text("first")
    credentials = Credentials(None, service_account=tmp_path, environ=environ)
    assert credentials.server == "https://[fd00::1]:443"
    assert credentials.configuration.get_api_key_with_prefix("BearerToken") == "bearer first"
    (tmp_path / "token").write_text("second")
    credentials.reload()
    assert credentials.configuration.get_api_key_with_prefix("BearerToken") == "bearer second"


def test_no_credentials_at_all(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"name a kubeconfig in kubernetes\.kubeconfig"):
        Credentials(None, service_account=tmp_path, environ={})
    for content in (None, "", "{", "kind: Config"):
        if content is not None:
            (tmp_path / "kubeconfig").write_text(content)
        with pytest.raises(InvalidConfig, match=f"kubeconfig {tmp_path}"):
            Credentials(tmp_path / "kubeconfig")
