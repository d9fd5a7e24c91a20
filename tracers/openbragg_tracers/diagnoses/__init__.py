"""Patterns of differences whose cause is known, one a file."""

from __future__ import annotations

from typing import ClassVar, Protocol

import attrs
import numpy as np

from openbragg.orchestrator.traces.diagnoses.constant_factor import ConstantFactor
from openbragg.orchestrator.traces.diagnoses.degrees_for_radians import DegreesForRadians
from openbragg.orchestrator.traces.diagnoses.half_pixel import HalfPixel
from openbragg.orchestrator.traces.diagnoses.hkl_permutation import HklPermutation
from openbragg.orchestrator.traces.diagnoses.matrix_wavelength import MatrixWavelength
from openbragg.orchestrator.traces.diagnoses.millimetres_for_metres import MillimetresForMetres
from openbragg.orchestrator.traces.diagnoses.phi_carryover import PhiCarryover
from openbragg.orchestrator.traces.diagnoses.single_precision import SinglePrecision
from openbragg.orchestrator.traces.differences import Comparison


class Diagnosis(Protocol):
    """A pattern that is known.

    Attributes
    ----------
    name
        What people call it.
    explanation
        What it is and what to do, in a paragraph.
    """

    name: ClassVar[str]
    explanation: ClassVar[str]

    def matches(self, comparison: Comparison) -> str | None:
        """What of the comparison shows the pattern, in a sentence; None when it is not there."""


@attrs.frozen
class Finding:
    """A diagnosis that fits: its name, what shows it, and what it is."""

    name: str
    evidence: str
    explanation: str


DIAGNOSES: tuple[type[Diagnosis], ...] = (
    PhiCarryover,
    HalfPixel,
    MillimetresForMetres,
    DegreesForRadians,
    MatrixWavelength,
    HklPermutation,
    ConstantFactor,
    SinglePrecision,
)


def diagnose(comparison: Comparison) -> list[Finding]:
    """The diagnoses that fit a comparison; none when it is within tolerance."""
    found = []
    # Numbers of a program under test may be of any size.
    with np.errstate(all="ignore"):
        for diagnosis in (kind() for kind in DIAGNOSES) if comparison.diverged() else ():
            evidence = diagnosis.matches(comparison)
            if evidence is not None:
                found.append(Finding(diagnosis.name, evidence, diagnosis.explanation))
    return found
