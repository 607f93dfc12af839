"""What the agents asked of the API in all the tests before, as its audit log has it."""

from __future__ import annotations

import pytest
from secnet_testing.kubernetes.cluster import AGENT, LocalCluster, Object

ACCOUNT = "system:serviceaccount:secnet-system:secnet-agent"
# test_devices.py has Pods with devices of claims on agents that lack the component dra.
WITHOUT_THEIR_COMPONENT = [("list", "/apis/resource.k8s.io/v1/resourceslices")]


def requests(cluster: LocalCluster) -> list[Object]:
    """Those of the agents themselves: not what a test asked with a token of theirs."""
    mine = [each for each in cluster.audit() if each["user"]["username"] == ACCOUNT and each.get("userAgent") == AGENT]
    assert len(mine) > 100, "the agents' requests are in the audit log"
    return mine


@pytest.mark.parametrize("of", ["life", "waits", "installation"])
def test_no_request_of_an_agent_was_refused(local_cluster: LocalCluster, of: str) -> None:
    """of: which of the clusters, where the tier is divided."""
    assert requests(local_cluster)
    assert [each for each in local_cluster.refused() if each[:2] not in WITHOUT_THEIR_COMPONENT] == []


def test_an_agent_takes_the_tokens_that_the_kubelet_renews(local_cluster: LocalCluster) -> None:
    """The installation of these tests has tokens of ten minutes, which the kubelet replaces after eight."""

    def renewed() -> bool:
        tokens: dict[str, set[str]] = {}
        for each in requests(local_cluster):
            extra = each["user"].get("extra", {})
            pod = extra.get("authentication.kubernetes.io/pod-name", ["?"])[0]
            tokens.setdefault(pod, set()).update(extra.get("authentication.kubernetes.io/credential-id", []))
        return any(len(used) > 1 for used in tokens.values())

    local_cluster.wait(renewed, "an agent used two tokens in turn", 600)
