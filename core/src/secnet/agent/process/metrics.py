"""The metrics of one agent process."""

from __future__ import annotations

from ..base.metrics import Metrics

__all__ = ["make_metrics"]


def make_metrics(enabled: bool) -> Metrics:
    """The metrics of one agent: counted if `enabled`. Raises NotReady where the packages for that are missing."""
    if not enabled:
        return Metrics()
    try:
        import waitress  # noqa: F401  # serves them

        from ..observe.prometheus import PrometheusMetrics
    except ModuleNotFoundError as exc:
        from secnet.contract import NotReady

        raise NotReady(
            f"metrics need the Python package {exc.name}",
            hint="install secnet with the extra `cluster`, or remove the section http",
            subject="node configuration",
            path="$.http",
        ) from exc
    return PrometheusMetrics()
