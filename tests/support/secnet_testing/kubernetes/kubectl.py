"""kubectl as a person uses it, against whichever cluster a kubeconfig names."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from secnet_conformance.netns import Namespace

__all__ = ["Kubectl", "KubectlError", "Object"]

Object = dict[str, Any]
_POLL_SECONDS = 0.3


class KubectlError(AssertionError):
    """kubectl ended with an error; the message is the command and what it wrote."""


class Kubectl:
    """program: a new file `kubectl`, written here, which a shell finds as such. Thread-safe.

    kube: the program that has kubectl in it. namespace: the network namespace in which the API is reached.
    """

    def __init__(self, program: Path, kube: Path, kubeconfig: Path, namespace: Namespace | None = None) -> None:
        entering = "" if namespace is None else f"nsenter --net={namespace.path} -- "
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexport KUBECONFIG={kubeconfig}\nexec {entering}{kube} kubectl "$@"\n')
        program.chmod(0o755)
        self.program = program

    def __call__(
        self,
        *arguments: str,
        stdin: str | None = None,
        timeout: float = 120,
    ) -> str:
        """Run a command; what it printed. Raises KubectlError."""
        done = subprocess.run(
            [self.program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {(done.stdout + done.stderr).strip()}")
        return done.stdout

    def apply(self, *manifests: Object | str, namespace: str | None = None) -> None:
        """`kubectl apply` of objects, or of texts with YAML documents."""
        texts = [text if isinstance(text, str) else json.dumps(text) for text in manifests]
        scope = ["-n", namespace] if namespace else []
        self("apply", *scope, "-f", "-", stdin="\n---\n".join(texts))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The live object, or None."""
        text = self("get", kind, name, "-o", "json", "--ignore-not-found", *(["-n", namespace] if namespace else []))
        found: Object | None = json.loads(text) if text else None
        return found

    def list(self, kind: str, namespace: str | None = None, *, labels: str = "") -> list[Object]:
        """All objects of a kind, in one namespace or in all."""
        scope = ["-n", namespace] if namespace else ["-A"]
        found: list[Object] = json.loads(self("get", kind, "-o", "json", *scope, "-l", labels))["items"]
        return found

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until a condition holds; an assertion that fails in it does not hold. AssertionError names `what`."""
        deadline = time.monotonic() + seconds
        while True:
            missing = ""
            try:
                if condition():
                    return
            except (AssertionError, subprocess.TimeoutExpired) as exc:
                missing = str(exc)
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}{missing and f': {missing}'}"
            time.sleep(_POLL_SECONDS)
