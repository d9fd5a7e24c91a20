"""Every installed diagnosis keeps the contract of its role; test_trace_diagnoses.py has what each finds."""

from __future__ import annotations

from typing import Any

import pytest

from openbragg.orchestrator.finding.registry import default_registry
from openbragg.testing import check_diagnosis
from openbragg_tracers.comparison.differences import compare_pixels
from traced_model import FAULTS, GOOD, fault

DIAGNOSES = [found.cls() for found in default_registry().of_role("diagnoses")]


@pytest.mark.parametrize("diagnosis", DIAGNOSES, ids=lambda diagnosis: diagnosis.name)
def test_a_diagnosis_keeps_its_contract(diagnosis: Any) -> None:
    planted = [name for name, (expected, _, _) in FAULTS.items() if expected == diagnosis.name]
    assert planted
    places = ((100, 300), (271, 12))
    check_diagnosis(
        diagnosis,
        *([compare_pixels(GOOD.trace(*place), fault(name).trace(*place)) for place in places] for name in planted),
    )
