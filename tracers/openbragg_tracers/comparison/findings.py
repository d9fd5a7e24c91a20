"""What the installed diagnoses say of a comparison."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np

from openbragg import Diagnosis, TraceDifference, quoted
from openbragg_tracers.comparison.differences import Comparison


@attrs.frozen
class Finding:
    """A diagnosis that fits: its name, what shows it, and what it is."""

    name: str
    evidence: str
    explanation: str


def diagnose(comparison: Comparison, diagnoses: Iterable[tuple[Diagnosis, str]], notices: list[str]) -> list[Finding]:
    """What of the diagnoses fits, in the order of the calculation; nothing when all is within tolerance.

    Parameters
    ----------
    comparison
        What was compared.
    diagnoses
        Each with the distribution that it is from.
    notices
        Gets a line for each diagnosis that breaks its contract; the comparison stands without it.
    """
    if not comparison.diverged():
        return []
    found = []
    for diagnosis, origin in sorted(diagnoses, key=lambda each: _phase(each[0])):
        try:
            # Numbers of a program under test may be of any size.
            with np.errstate(all="ignore"):
                evidence = diagnosis.evidence(comparison.pixels)
            if evidence is None:
                continue
            if not isinstance(evidence, str):
                raise TypeError(f"expected a sentence or None, got {quoted(evidence)}")
            found.append(Finding(diagnosis.name, evidence, diagnosis.explanation))
        except Exception as error:
            reason = " ".join(str(error).split())
            name = f"the diagnosis {diagnosis.name} of {origin}"
            notices.append(f"{name} is left out: evidence(): {type(error).__name__}: {reason}")
    return found


def _phase(diagnosis: Diagnosis) -> int:
    """Where in the calculation it belongs; one that does not say it comes last."""
    phases, phase = TraceDifference.phases, getattr(diagnosis, "phase", "")
    return phases.index(phase) if phase in phases else len(phases)
