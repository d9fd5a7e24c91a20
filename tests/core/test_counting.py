"""Counts that nobody gives, of round numbers: exact by default, the reference's to the last bit on request."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbragg import InputError, from_flags
from openbragg.model.scalars import rounded_up, whole_above
from openbragg.orchestrator.resolving.counting import Counting

#: Flags, with the cells and the subpixels a side that the reference program printed, and those of exact arithmetic.
COUNTS = {
    "-cell 20 -N 50": ((50, 50, 50), 4, (50, 50, 50), 3),
    "-cell 20 -N 50 -misset 10 20 30": ((50, 50, 50), 4, (50, 50, 50), 3),
    "-cell 100 100 100 90 90 120 -N 10": ((10, 10, 10), 4, (10, 10, 10), 3),
    "-cell 100 100 100 90 90 120 -N 10 -misset 1 2 3": ((10, 10, 10), 3, (10, 10, 10), 3),
    "-cell 100 -N 5 -pixel 0.4 -misset 10 20 30": ((5, 5, 5), 7, (5, 5, 5), 6),
    "-cell 50 -N 20 -detector_rotx 5": ((20, 20, 20), 3, (20, 20, 20), 3),
    "-cell 50 -N 20 -detector_roty 10 -twotheta 5": ((20, 20, 20), 4, (20, 20, 20), 4),
    "-cell 50 -N 20 -xds -detector_rotx 5": ((20, 20, 20), 3, (20, 20, 20), 3),
    "-cell 50 -N 20 -lambda 1.2 -distance 60": ((20, 20, 20), 5, (20, 20, 20), 5),
    "-cell 50 -N 20 -energy 12398.42": ((20, 20, 20), 3, (20, 20, 20), 3),
    "-mat A.mat -N 10": ((10, 10, 10), 3, (10, 10, 10), 3),
    "-mat A.mat -N 10 -misset 3 0 3": ((10, 10, 10), 4, (10, 10, 10), 3),
    "-cell 40 60 80 -xtalsize 0.0024 -misset 10 20 30": ((600, 400, 300), 73, (600, 400, 300), 72),
    "-cell 40 60 80 -xtalsize 0.0048 -beamsize 0.0024 -misset 1 2 3": ((1200, 400, 300), 145, (1200, 400, 300), 144),
}
#: Flags of ranges and steps, with what the reference counted and what it is.
STEPS = {
    "-osc 0.9 -phistep 0.3": (4, 3),
    "-osc 1.1 -phistep 0.1": (12, 11),
    "-osc 0.6 -phistep 0.2": (3, 3),
    "-osc 2.1 -phistep 0.7": (4, 3),
    "-osc 1 -phistep 0.3": (4, 4),
}
SOURCES = {
    "-hdivrange 1.5 -hdivstep 0.3": (6, 5),
    "-vdivrange 2.1 -vdivstep 0.7": (4, 3),
    "-hdivrange 0.6 -hdivstep 0.2": (3, 3),
}
REST = ["-default_F", "1", "-detpixels", "4"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("A.mat").write_text("0.01 0 0\n0 0.02 0\n0 0 0.025\n")


def noticed(notices: list[str]) -> list[str]:
    return [line for line in notices if line.startswith("rounded-counts: ")]


@pytest.mark.parametrize("words", COUNTS)
def test_cells_and_subpixels_are_exact_or_the_reference_s(words: str) -> None:
    their_cells, their_subpixels, cells, subpixels = COUNTS[words]
    for compat, wanted in (([], (cells, subpixels)), (["-compat", "rounded-counts"], (their_cells, their_subpixels))):
        layout = from_flags([*words.split(), *REST, *compat]).layout()
        made = layout.experiment
        assert (made.crystal.cells, made.sampling.oversample) == wanted
        differ = (cells, subpixels) != (their_cells, their_subpixels)
        assert len(noticed(layout.choices.notices)) == (differ and not compat)


@pytest.mark.parametrize("words", STEPS)
def test_rotation_steps_are_exact_or_the_reference_s(words: str) -> None:
    for compat, wanted in zip((["-compat", "rounded-counts"], []), STEPS[words], strict=True):
        line = ["-cell", "50", "-N", "3", "-oversample", "1", "-phi", "1", *words.split(), *REST, *compat]
        layout = from_flags(line).layout()
        assert layout.experiment.scan.steps == wanted
        assert len(noticed(layout.choices.notices)) == (STEPS[words][0] != STEPS[words][1] and not compat)


@pytest.mark.parametrize("words", SOURCES)
def test_sources_are_exact_or_the_reference_s(words: str) -> None:
    for compat, wanted in zip((["-compat", "rounded-counts"], []), SOURCES[words], strict=True):
        line = ["-cell", "50", "-N", "3", "-oversample", "1", "-square_div", *words.split(), *REST, *compat]
        layout = from_flags(line).layout()
        assert layout.plan.wavelengths.numel() == wanted
        assert len(noticed(layout.choices.notices)) == (SOURCES[words][0] != SOURCES[words][1] and not compat)


def test_one_notice_names_all_counts_that_differ() -> None:
    words = "-cell 20 -N 50 -osc 0.9 -phistep 0.3 -hdivrange 1.5 -hdivstep 0.3 -square_div".split()
    (line,) = noticed(from_flags([*words, *REST]).layout().choices.notices)
    assert (
        "(4 rotation steps in place of 3, 4 subpixels a side in place of 3, 6 sources horizontally in place of 5)"
        in line
    )


@given(st.integers(0, 10**6), st.integers(-20, 20))
def test_a_whole_number_but_for_rounding_is_that_number(whole: int, bits: int) -> None:
    near = whole + bits * math.ulp(max(1.0, float(whole)))
    assert whole_above(near, "cells") == whole
    assert rounded_up(near, "cells") == whole + (bits > 0)


@given(st.floats(0.0, 1e6).filter(lambda value: abs(value - round(value)) > 1e-9 * max(1.0, value)))
def test_any_other_quotient_is_rounded_up_alike(quotient: float) -> None:
    counting = Counting()
    assert counting.rounded_up(quotient, "cells") == math.ceil(quotient)
    assert counting.differing == []


@pytest.mark.parametrize("quotient", [math.inf, math.nan])
def test_what_cannot_be_counted_is_refused(quotient: float) -> None:
    with pytest.raises(InputError, match="more than can be counted"):
        whole_above(quotient, "cells")
