"""Defaults: every blank of an experiment filled in as the reference program does."""

import math
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import openbragg
from command_line import experiment, selected
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan, UsageError, plugin
from openbragg.model.lattice import random_misset
from openbragg.orchestrator.resolving.resolve import (
    Choices,
    resolve_crystal,
    resolve_region,
    resolve_sampling,
    resolve_scan,
)

DEGREE = math.pi / 180
ANGSTROM = 1e-10
RIGHT = math.pi / 2
MOSAIC = plugin("mosaic_models", "nanobragg")
CUBE = (50 * ANGSTROM, 50 * ANGSTROM, 50 * ANGSTROM, RIGHT, RIGHT, RIGHT)

angles = st.floats(min_value=1e-6, max_value=7.0)


def resolved_scan(words: str) -> tuple[float, float, float, int]:
    """Start, range and step in degrees, and steps, of a scan given by flags."""
    scan = resolve_scan(experiment(*words.split()).scan)
    assert scan.range is not None and scan.step is not None and scan.steps is not None
    return scan.start / DEGREE, scan.range / DEGREE, scan.step / DEGREE, scan.steps


@pytest.mark.parametrize(
    ("words", "start", "whole", "step", "steps"),
    [
        ("", 0, 0, 0, 1),
        ("-phi 30", 30, 0, 0, 1),
        ("-osc 1", 0, 1, 0.5, 2),
        ("-osc 0", 0, 0, 0, 2),
        ("-phi -5 -osc 1", -5, 1, 0.5, 2),
        ("-osc 1 -phistep 0.3", 0, 1, 0.3, 4),
        ("-osc 1 -phistep 0.4", 0, 1, 0.4, 3),
        ("-osc 1 -phistep 3", 0, 1, 3, 1),
        ("-osc 1 -phistep 0", 0, 1, 0.5, 2),
        ("-phistep 0.2", 0, 0.2, 0.2, 2),
        ("-phistep 0", 0, 0, 0, 1),
        ("-phisteps 4", 0, 1, 0.25, 4),
        ("-phisteps 1", 0, 1, 1, 1),
        ("-phisteps 0", 0, 1, 1, 1),
        ("-osc 2 -phisteps 5", 0, 2, 0.4, 5),
        ("-osc 2 -phisteps 0", 0, 2, 2, 1),
        ("-osc 0 -phisteps 5", 0, 0, 0, 5),
        ("-osc 2 -phisteps 5 -phistep 0.1", 0, 2, 0.1, 5),
        ("-osc 2 -phisteps 5 -phistep 0", 0, 2, 0, 5),
        ("-phisteps 7 -phistep 0.1", 0, 0.1, 0.1, 2),
        ("-phisteps 7 -phistep 0", 0, 1, 1 / 7, 7),
    ],
)
def test_scan_is_completed_as_in_the_reference(words: str, start: float, whole: float, step: float, steps: int) -> None:
    # The conversion to radians and back costs the last bits.
    assert resolved_scan(words) == pytest.approx((start, whole, step, steps), rel=1e-14)


@given(angles, angles)
def test_steps_of_a_given_size_just_cover_the_range(whole: float, step: float) -> None:
    assume(whole / step < 1e6)
    steps = resolve_scan(Scan(range=whole, step=step)).steps
    assert steps is not None
    # One part in 1e12 for the division that decides.
    assert steps * step >= whole * (1 - 1e-12)
    assert (steps - 1) * step < whole * (1 + 1e-12)


@given(angles, st.integers(min_value=1, max_value=10_000))
def test_a_number_of_steps_shares_out_the_range(whole: float, steps: int) -> None:
    scan = resolve_scan(Scan(range=whole, steps=steps))
    assert scan.steps == steps
    assert scan.step == pytest.approx(whole / steps, rel=1e-15)


@given(
    st.none() | st.floats(min_value=0, max_value=7),
    st.none() | st.floats(min_value=0.001, max_value=7),
    st.none() | st.integers(min_value=0, max_value=99),
)
def test_a_completed_scan_has_no_blanks_and_completing_it_again_keeps_it(
    whole: float | None, step: float | None, steps: int | None
) -> None:
    scan = resolve_scan(Scan(start=0.5, range=whole, step=step, steps=steps))
    assert scan.start == 0.5
    assert scan.steps is not None and scan.steps >= 1
    assert None not in (scan.range, scan.step)
    assert resolve_scan(scan) == scan


def crystal(**fields: Any) -> Crystal:
    return Crystal(cell=CUBE, **fields)


@pytest.mark.parametrize(
    ("spread", "domains", "expected"),
    [
        (None, None, 1),
        (None, 0, 1),
        (None, 7, 1),
        (0.0, None, 1),
        (0.0, 7, 1),
        (0.1, None, 10),
        (0.1, 0, 10),
        (0.1, 1, 1),
        (0.1, 7, 7),
    ],
)
def test_mosaic_domains_follow_the_spread(spread: float | None, domains: int | None, expected: int) -> None:
    choices = Choices()
    made = resolve_crystal(crystal(mosaic_spread=spread, mosaic_domains=domains), Beam(), MOSAIC, choices)
    assert made.mosaic_domains == expected
    assert made.mosaic_spread == (spread or 0.0)
    assert ("mosaic domains" in choices.made) == (spread == 0.1 and not domains)
    assert bool(choices.notices) == (not spread and domains == 7)


@given(
    st.floats(min_value=10, max_value=500),
    st.floats(min_value=0.01, max_value=1000).map(lambda cells: math.floor(cells) + 0.5),
)
def test_a_size_is_rounded_up_to_whole_cells(length: float, cells: float) -> None:
    metres = length * ANGSTROM
    made = resolve_crystal(
        Crystal(cell=(metres, metres, metres, RIGHT, RIGHT, RIGHT), size=(cells * metres, None, 0.0), cells=(9, 8, 7)),
        Beam(),
        MOSAIC,
        Choices(),
    )
    assert made.cells == (math.ceil(cells), 8, 7)


@pytest.mark.parametrize(
    ("length", "size", "cells"),
    [
        (50, 0.0001, 20),
        (50, 0.00015, 30),
        (50, 0.00037, 74),
        (50, 0.0005, 100),
        (50, 0.001, 200),
        (60, 0.0003, 50),
        (60, 0.00333, 555),
        (60, 0.00703, 1172),
        (70.3, 0.0003, 43),
        (70.3, 0.00703, 1000),
        (33.3, 0.00333, 1000),
    ],
)
def test_a_size_that_is_a_whole_number_of_cells_is_not_rounded_to_one_more(
    length: float, size: float, cells: int
) -> None:
    """Cells (A) and sizes (mm) with the counts that the reference program made of them."""
    made = experiment("-cell", length, "-xtalsize", size)
    assert resolve_crystal(made.crystal, made.beam, MOSAIC, Choices()).cells == (cells, cells, cells)


def test_a_size_counts_in_cells_of_the_oriented_crystal() -> None:
    vectors = ((0.0, 1 / 40e-10, 0.0), (1 / 50e-10, 0.0, 0.0), (0.0, 0.0, 1 / 80e-10))
    turned = Crystal(reciprocal_vectors=vectors, misset=(0.1, 0.2, 0.3), size=(405e-10, 405e-10, 405e-10))
    assert resolve_crystal(turned, Beam(), MOSAIC, Choices()).cells == (11, 9, 6)


def test_a_crystal_is_clipped_to_the_beam_across_it_and_not_along_it() -> None:
    choices = Choices()
    made = resolve_crystal(crystal(size=(1010e-10, 1010e-10, 303e-10)), Beam(size=505e-10), MOSAIC, choices)
    assert made.cells == (21, 11, 7)
    (notice,) = choices.notices
    assert "along b" in notice
    assert choices.made["cells"] == "21 x 11 x 7"


@given(st.floats(min_value=1e-9, max_value=1e-4), st.floats(min_value=1e-9, max_value=1e-4))
def test_no_crystal_is_wider_than_the_beam(size: float, beam: float) -> None:
    made = resolve_crystal(crystal(size=(size, size, size)), Beam(size=beam), MOSAIC, Choices())
    along, height, width = made.cells
    assert height == width <= along
    assert (height - 1) * CUBE[0] < beam * (1 + 1e-12) or height == 1


def test_without_a_size_the_beam_clips_nothing() -> None:
    assert resolve_crystal(crystal(cells=(40, 40, 40)), Beam(size=1e-9), MOSAIC, Choices()).cells == (40, 40, 40)


def sampled(oversample: int | None = None, cells: tuple[int, int, int] = (3, 3, 3), **fields: Any) -> Sampling:
    """The sampling of a detector with some fields, by a beam of 1 A."""
    made = Experiment(
        crystal=crystal(cells=cells), detector=Detector(**fields), sampling=Sampling(oversample=oversample)
    )
    laboratory = selected().roles["geometry_conventions"].place(made.detector)
    return resolve_sampling(made, laboratory, openbragg.plugin("lattice_shapes", "square"), Choices())


@given(
    st.floats(min_value=1e-5, max_value=2e-3),
    st.floats(min_value=0.02, max_value=1.0),
    st.tuples(*(st.integers(min_value=1, max_value=300),) * 3),
)
def test_oversampling_puts_three_subpixels_on_a_fringe(
    pixel: float, distance: float, cells: tuple[int, int, int]
) -> None:
    exact = 3 * max(cells) * CUBE[0] * pixel / (1e-10 * distance)
    assume(abs(exact - round(exact)) > 1e-9 * exact and exact < 1000)
    assert sampled(cells=cells, pixel_size=pixel, distance=distance, pixels=(2, 2)).oversample == math.ceil(exact)


def test_more_than_a_thousand_subpixels_must_be_asked_for() -> None:
    fields = {"cells": (10**6, 1, 1), "pixels": (2, 2)}
    with pytest.raises(UsageError, match="-oversample"):
        sampled(**fields)
    assert sampled(2000, **fields).oversample == 2000


@pytest.mark.parametrize(("given", "expected"), [(None, 1), (0, 1), (1, 1), (4, 4)])
def test_oversampling_is_what_was_asked_for_or_enough(given: int | None, expected: int) -> None:
    assert sampled(given, pixels=(4, 4)).oversample == expected


@pytest.mark.parametrize(
    ("asked", "rendered", "noticed"),
    [
        (None, (0, 4, 0, 2), False),
        ((1, 3, 0, 1), (1, 3, 0, 1), False),
        ((0, 4, 0, 2), (0, 4, 0, 2), False),
        ((4, 4, 2, 2), (4, 4, 2, 2), False),
        ((-1, 3, 0, 1), (0, 3, 0, 1), True),
        ((1, 5, 1, 3), (1, 4, 1, 2), True),
    ],
)
def test_a_region_is_kept_inside_the_detector(asked: Any, rendered: Any, noticed: bool) -> None:
    choices = Choices()
    assert resolve_region(asked, Detector(pixels=(3, 5)), choices) == rendered
    assert bool(choices.notices) == noticed


@given(st.tuples(*(st.integers(min_value=-9, max_value=9),) * 4))
def test_a_region_is_rendered_where_it_meets_the_detector_and_refused_where_it_does_not(
    asked: tuple[int, int, int, int],
) -> None:
    wanted = {
        (slow, fast)
        for slow in range(3)
        for fast in range(5)
        if asked[0] <= fast <= asked[1] and asked[2] <= slow <= asked[3]
    }
    if not wanted:
        with pytest.raises(UsageError, match="-roi"):
            resolve_region(asked, Detector(pixels=(3, 5)), Choices())
        return
    first_fast, last_fast, first_slow, last_slow = resolve_region(asked, Detector(pixels=(3, 5)), Choices())
    assert wanted == {
        (slow, fast) for slow in range(first_slow, last_slow + 1) for fast in range(first_fast, last_fast + 1)
    }


def test_flux_exposure_and_beam_size_replace_the_fluence() -> None:
    beam = experiment("-flux", "1e12", "-exposure", "0.1", "-beamsize", "0.03", "-fluence", "5").beam
    assert beam.photons_per_area == pytest.approx(1e12 * 0.1 / (3e-5) ** 2, rel=1e-14)


@pytest.mark.parametrize("flux", [None, 0.0])
def test_without_a_flux_the_fluence_counts(flux: float | None) -> None:
    assert Beam(fluence=5e20, flux=flux, exposure=7.0).photons_per_area == 5e20


@pytest.mark.parametrize(
    ("seed", "degrees"),
    [
        (1, (4.662957, -11.844979, 17.622548)),
        (7, (22.076402, 19.703339, 8.204977)),
        (12345, (105.720755, -34.951318, -97.823571)),
        (2147483646, (31.467257, -62.987222, -1.263446)),
    ],
)
def test_random_misset_has_the_angles_that_the_reference_prints(seed: int, degrees: tuple[float, ...]) -> None:
    # The reference prints six decimals.
    assert [angle / DEGREE for angle in random_misset(seed)] == pytest.approx(degrees, abs=6e-7)
    made = resolve_crystal(crystal(misset="random", misset_seed=seed), Beam(), MOSAIC, Choices())
    assert made.misset == random_misset(seed)
    assert made.misset_seed == seed


def test_a_random_misset_without_a_seed_takes_the_clock_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbragg.orchestrator.resolving.resolve.time.time", lambda: 12345.7)
    choices = Choices()
    made = resolve_crystal(crystal(misset="random"), Beam(), MOSAIC, choices)
    assert made.misset == random_misset(12345)
    assert "seed 12345" in choices.made["misset"]


@given(st.integers(min_value=1, max_value=2**31 - 2))
def test_random_misset_angles_are_angles(seed: int) -> None:
    x, y, z = random_misset(seed)
    assert max(abs(x), abs(z)) <= math.pi
    assert abs(y) <= RIGHT
    assert random_misset(seed) == (x, y, z)


def test_given_misset_angles_are_kept() -> None:
    made = resolve_crystal(crystal(misset=(0.1, 0.2, 0.3)), Beam(), MOSAIC, Choices())
    assert made.misset == (0.1, 0.2, 0.3)


def test_a_resolved_crystal_has_cell_counts_in_place_of_sizes_and_resolves_to_itself() -> None:
    made = resolve_crystal(
        crystal(size=(505e-10, 505e-10, None), cells=(1, 1, 4), mosaic_spread=0.1), Beam(), MOSAIC, Choices()
    )
    assert made.cells == (11, 11, 4)
    assert made.size == (None, None, None)
    choices = Choices()
    again = resolve_crystal(made, Beam(), MOSAIC, choices)
    assert attrs.astuple(again) == attrs.astuple(made)
    assert choices == Choices()
