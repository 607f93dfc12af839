"""Who the agent is to the API server: kubeconfig, and the service account of its Pod, also when tokens change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from secnet.agent.cluster.kube import Credentials, KubeCluster
from secnet.contract import InvalidConfig, Unavailable
from secnet_testing.kubeapi.process import KubeApiProcess

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
    server = KubeApiProcess(tls=account)
    yield server
    server.stop()


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
    other = tmp_path / "other"
    other.mkdir()
    KubeApiProcess(tls=other, crds=[]).stop()
    (account / "ca.crt").write_bytes((other / "ca.crt").read_bytes())
    cluster = in_pod(account, secure.port)
    with pytest.raises(Unavailable, match="certificate authority given to the agent"):
        cluster.get("Pod", "a")
    cluster.close()


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
