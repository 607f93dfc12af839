"""Drivers that are wrong in what they say of options or of the node. Each runs the one group that is about its fault."""

from __future__ import annotations

from sample_cases import PairCase
from secnet_conformance.driver.readonly import ReadOnly
from secnet_samples import wrong_views


class TestValidatesByHost(ReadOnly):
    class case(PairCase):
        driver = wrong_views.ValidatesByHost
