"""From flags to an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openbragg.cli.compose import Flag, construct
from openbragg.errors import UsageError
from openbragg.model import Beam, Crystal, Detector, Experiment, Sampling, Scan
from openbragg.options import ANGLE_OF_CELL, COUNT, POSITIVE
from openbragg.orchestrator.matrix import read_mosflm_matrix
from openbragg.orchestrator.sources import read_sources
from openbragg.units import unit

#: What the last of these fields to be set implies about the pivot of the custom convention, as in the reference.
_PIVOT_IMPLIED = {
    "distance": "beam",
    "beam_centre": "beam",
    "close_distance": "sample",
    "near_point": "sample",
    "near_pixel": "sample",
    "twotheta": "sample",
}
_RIGHT_ANGLE = unit("deg").to_si(90.0)

Assignments = list[tuple[Flag, list[str]]]


def make_experiment(assignments: Assignments) -> Experiment:
    """The experiment that flags describe, in their order, its files read.

    Raises
    ------
    OpenBraggError
        When a value or a file cannot be used, or there is no crystal.
    """
    beam = _make_beam(assignments)
    return Experiment(
        beam=beam,
        detector=construct(Detector, assignments, implied_pivot=_implied_pivot(assignments)),
        crystal=_make_crystal(assignments, beam),
        scan=construct(Scan, assignments),
        sampling=construct(Sampling, assignments),
    )


def _make_beam(assignments: Assignments) -> Beam:
    """The beam, its file of sources read."""
    files = [words[0] for flag, words in assignments if flag.owner is Beam and flag.field == "sources"]
    others = [(flag, words) for flag, words in assignments if flag.field != "sources"]
    beam: Beam = construct(Beam, others, sources=read_sources(Path(files[-1])) if files else None)
    return beam


def _implied_pivot(assignments: Assignments) -> str | None:
    implied = None
    for flag, words in assignments:
        if flag.owner is Detector and flag.field == "pivot":
            implied = words[0]
        elif flag.owner is Detector:
            implied = _PIVOT_IMPLIED.get(flag.field, implied)
    return implied


def _make_crystal(assignments: Assignments, beam: Beam) -> Crystal:
    """The crystal: what its flags cannot say one by one is worked out here."""
    fixed: dict[str, Any] = {}
    others: Assignments = []
    for flag, words in assignments:
        if flag.owner is not Crystal:
            continue
        if flag.field == "cell":
            fixed["cell"] = _cell(flag, words)
        elif flag.field == "reciprocal_vectors":
            fixed["reciprocal_vectors"] = read_mosflm_matrix(Path(words[0]), beam.wavelength)
        elif flag.field == "misset":
            fixed["misset"] = _misset(flag, words)
        else:
            if flag.field == "cells":
                _check(flag, words[0], COUNT.holds, COUNT.text)
            others.append((flag, words))
    if not fixed.keys() & {"cell", "reciprocal_vectors"}:
        raise UsageError("no crystal: give an orientation matrix with -mat, or a unit cell with -cell")
    crystal: Crystal = construct(Crystal, others, **fixed)
    return crystal


def _cell(flag: Flag, words: list[str]) -> tuple[float, ...]:
    """a, b, c in metres and the angles in radians: lengths default to a, angles to 90 degrees."""
    angstrom, degree = unit("A").to_si, unit("deg").to_si
    lengths = [angstrom(_check(flag, word, POSITIVE.holds, f"{POSITIVE.text} (A)")) for word in words[:3]]
    angles = [
        degree(_check(flag, word, lambda value: ANGLE_OF_CELL.holds(degree(value)), ANGLE_OF_CELL.text))
        for word in words[3:]
    ]
    return (
        *lengths,
        *(lengths[0] for _ in range(3 - len(lengths))),
        *angles,
        *(_RIGHT_ANGLE for _ in range(3 - len(angles))),
    )


def _misset(flag: Flag, words: list[str]) -> Any:
    angles = flag.value(words)
    if not isinstance(angles, str) and len(angles) != 3:
        raise UsageError(f"{flag.spellings[0]}: expected three angles or 'random', got {' '.join(words)!r}")
    return angles


def _check(flag: Flag, word: str, holds: Any, expected: str) -> float:
    """The number in a word that obeys a rule."""
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not holds(value):
        raise UsageError(f"{flag.spellings[0]}: expected {expected}, got {word!r}")
    return value
