"""What only reads changes nothing."""

from __future__ import annotations

import copy
import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from secnet.contract import Call, CheckReport, LeaseOutline, ProbeReport

from ..additions import must_be_metrics, must_be_results
from ..steps import Recorder
from .lab import BackendLab, BackendTests, unchanged

__all__ = ["ReadOnly"]


@contextmanager
def looking(lab: BackendLab, what: str) -> Iterator[Call]:
    """A call for something that reads: no step, and the same picture afterwards."""
    before, recorder = lab.picture(), Recorder()
    yield lab.call(recorder)
    assert not recorder.names, f"{what} did the steps {', '.join(recorder.names)}"
    unchanged(before, lab.picture(), what)


class ReadOnly(BackendTests):
    """describe, probe, validate, outline, validate_objects, check, inventory, doctor, metrics."""

    group = "read-only"

    def test_describe_and_probe_change_nothing(self, lab: BackendLab) -> None:
        backend = lab.backend()
        with looking(lab, "describe"):
            assert backend.describe() == lab.info
        with looking(lab, "probe"):
            report = backend.probe()
        assert isinstance(report, ProbeReport), f"probe() returned {report!r}"

    def test_validate_accepts_what_is_good_and_changes_nothing(
        self, lab: BackendLab, config: Mapping[str, Any]
    ) -> None:
        """It works offline: the core makes an instance without a store for it."""
        before = lab.picture()
        offline = lab.case.backend(lab.context, None)
        try:
            offline.validate(lab.request(config).config)
            outline = offline.outline(lab.request(config).config, copy.deepcopy(list(lab.case.objects)))
        finally:
            offline.close()
        assert isinstance(outline, LeaseOutline), f"outline returned {outline!r}"
        for text in (*outline.subnets, *(route.dst for route in outline.routes)):
            ipaddress.ip_network(text)
        unchanged(before, lab.picture(), "validate or outline")

    def test_validate_objects_accepts_those_of_the_case(self, lab: BackendLab) -> None:
        objects = copy.deepcopy(list(lab.case.objects))
        with looking(lab, "validate_objects"):
            found = [
                f"{path}: {message}; {hint}" for _, path, message, hint in lab.case.backend.validate_objects(objects)
            ]
        assert not found, f"it finds fault with the objects of the case: {found}"
        assert objects == list(lab.case.objects), "it changed the objects that it was given"

    def test_check_changes_nothing(self, lab: BackendLab) -> None:
        request = lab.request()
        lease, backend = lab.allocate(request), lab.backend()
        with looking(lab, "check of a lease that is held") as call:
            assert isinstance(backend.check(lease, request.config, call), CheckReport)
        lab.release(request)
        with looking(lab, "check of a lease that was released") as call:
            assert isinstance(backend.check(lease, request.config, call), CheckReport)

    def test_its_own_checks_are_results_and_change_nothing(self, lab: BackendLab) -> None:
        with looking(lab, "doctor") as call:
            must_be_results(lab.backend().doctor(call))

    def test_its_metrics_can_be_exported(self, lab: BackendLab) -> None:
        with looking(lab, "metrics") as call:
            must_be_metrics(lab.backend().metrics(call))

    def test_inventory_changes_nothing(self, lab: BackendLab) -> None:
        request, backend = lab.request(), lab.backend()
        with looking(lab, "inventory of nothing") as call:
            assert isinstance(backend.inventory(call), tuple)
        lab.allocate(request)
        with looking(lab, "inventory") as call:
            backend.inventory(call)
        lab.release(request)
