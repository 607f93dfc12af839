"""A Kubernetes namespace that one test has for itself."""

from __future__ import annotations

from dataclasses import dataclass

from .cluster import Cluster, Object

__all__ = ["OwnNamespace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNamespace:
    """A Kubernetes namespace of one test. `cluster` is where it is."""

    name: str
    cluster: Cluster

    def apply(self, *manifests: Object | str) -> None:
        """Apply objects in it."""
        self.cluster.apply(*manifests, namespace=self.name)

    def get(self, kind: str, name: str) -> Object:
        """The live object. AssertionError if there is none."""
        found = self.cluster.get(kind, name, self.name)
        assert found is not None, f"no {kind} {name} in {self.name}"
        return found

    def kubectl(self, *arguments: str, timeout: float = 120) -> str:
        """Run kubectl in it."""
        return self.cluster.kubectl("-n", self.name, *arguments, timeout=timeout)

    def wait_ready(self, *pods: str, seconds: int = 60) -> None:
        """Wait until Pods are Ready."""
        names = [f"pod/{name}" for name in pods] or ["pod", "--all"]
        self.kubectl("wait", "--for=condition=Ready", *names, f"--timeout={seconds}s", timeout=seconds + 30)

    def inside(self, pod: str, *argv: str) -> str:
        """Run a program in a Pod; what it printed."""
        return self.kubectl("exec", pod, "--", *argv)
