"""How many subpixels spots want, and what too few cost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
import torch

import openbragg
from command_line import experiment, run, selected
from openbragg import Lattice, Miller, Sampling
from openbragg.orchestrator.resolving.counting import Counting
from openbragg.orchestrator.resolving.subpixels import choose_subpixels, coarse_notice, sampling_error
from openbragg.testing import make_lattice

#: A cubic cell of 100 angstroms, rows, in metres.
CUBE = torch.eye(3, dtype=torch.float64) * 1e-8
#: Pixels a thousandth of 1/angstrom apart: 0.1 mm at 100 mm and 1 angstrom.
FLAGS = "-cell 100 100 100 90 90 90 -lambda 1 -distance 100 -pixel 0.1 -detpixels 8"


def shape(name: str) -> Any:
    return openbragg.plugin("lattice_shapes", name)


def chosen(words: str, of: Any, *quirks: str) -> tuple[int, list[str]]:
    """Subpixels a side that are chosen, and notices."""
    made = experiment(*f"{FLAGS} {words}".split())
    laboratory = selected().roles["geometry_conventions"].place(made.detector)
    notices: list[str] = []
    return choose_subpixels(made, laboratory, of, notices, Counting(), frozenset(quirks)), notices


def coarse(words: str, of: Any, oversample: int) -> list[str]:
    made = experiment(*f"{FLAGS} {words}".split())
    laboratory = selected().roles["geometry_conventions"].place(made.detector)
    return coarse_notice(attrs.evolve(made, sampling=Sampling(oversample=oversample)), laboratory, of)


@pytest.mark.parametrize(
    ("words", "name", "count"),
    [
        # Three for 0.5 and for 2 fringes a pixel.
        ("-N 5", "square", 2),
        ("-N 20", "square", 6),
        ("-N 20 -fudge 9", "square", 6),
        ("-N 20", "round", 6),
        ("-N 20 -fudge 9", "round", 18),
        # Full widths at half height of 7.48 and 0.117 pixels.
        ("-N 5", "gauss", 1),
        ("-N 20", "gauss", 26),
        ("-N 20 -fudge 0.0619", "gauss", 7),
        # Diameters of 10.1 and 0.158 pixels.
        ("-N 5", "tophat", 1),
        ("-N 20", "tophat", 58),
    ],
)
def test_subpixels_are_chosen_by_the_width_of_spots_and_on_request_by_the_crystals_size(
    words: str, name: str, count: int
) -> None:
    assert chosen(words, shape(name))[0] == count
    by_size = {"-N 5": 2}.get(words, 6)
    assert chosen(words, shape(name), "subpixels-by-size") == (by_size, [])
    said = [line for line in chosen(words, shape(name))[1] if line.startswith("subpixels-by-size: ")]
    assert len(said) == (count != by_size)
    assert all(f"({by_size} subpixels a side in place of {count})" in line for line in said)


def test_many_subpixels_and_too_many_come_with_what_helps() -> None:
    assert "26 x 26 subpixels" in chosen("-N 20", shape("gauss"))[1][-1]
    assert "-fudge 0.0619" in chosen("-N 20", shape("gauss"))[1][-1]
    with pytest.raises(openbragg.UsageError, match=r"more than 1000 subpixels .* -fudge .* -oversample"):
        chosen("-N 100", shape("gauss"))


@pytest.mark.parametrize("samples", [1.2, 1.5, 2.0, 2.5])
def test_the_error_of_gaussian_spots_is_that_of_poissons_sum(samples: float) -> None:
    """The sum over samples a step s apart is the integral and, beside it, the transform at one wave a step.

    That is exp(-2 (pi sigma / s)^2) of it in each of two directions with each sign, and next to nothing at other waves.
    """
    lattice = make_lattice((20, 20, 20), reciprocal_vectors=CUBE.inverse())
    width = shape("gauss").spot_width(lattice)
    sigma = samples / (2.0 * math.sqrt(2.0 * math.log(2.0)))
    expected = 4.0 * math.exp(-2.0 * (math.pi * sigma) ** 2)
    found = sampling_error(shape("gauss"), lattice, CUBE[:, :2].T, width / samples, width)
    # Two waves at once add less than a tenth.
    assert found == pytest.approx(expected, rel=0.1, abs=1e-6)


@pytest.mark.parametrize(("name", "below"), [("square", 1e-3), ("round", 1e-3), ("gauss", 1e-3), ("tophat", 0.1)])
def test_what_is_chosen_gives_spots_their_intensity(name: str, below: float) -> None:
    lattice = make_lattice((20, 20, 20), reciprocal_vectors=CUBE.inverse())
    of = shape(name)
    width = of.spot_width(lattice) if isinstance(of, openbragg.SampledLatticeShape) else 1.0 / 2e-7
    assert sampling_error(of, lattice, CUBE[:, :2].T, width / 3.0, width) < below


def test_the_notice_says_what_a_coarse_oversampling_costs_spots_of_that_shape() -> None:
    (square,), (gauss,) = coarse("-N 20", shape("square"), 2), coarse("-N 20 -fudge 0.0619", shape("gauss"), 2)
    assert "their intensities may be off by up to 3.9 %; 6 would do" in square
    assert "their intensities may be off by up to 18 %; 7 would do" in gauss
    (flat,) = coarse("-N 20", shape("tophat"), 1)
    assert "their intensities may be off by 100 % and more; 58 would do" in flat
    (fine,) = coarse("-N 5", shape("square"), 1)
    assert "though intensities are right to 0.5 %; 2 would do" in fine
    assert coarse("-N 5", shape("gauss"), 1) == []


@attrs.frozen
class Plain:
    """A third party's shape, which says nothing of its spots, but has an option that could be taken for it."""

    name: ClassVar[str] = "plain"
    summary: ClassVar[str] = "nothing"
    flags: ClassVar[tuple[str, ...]] = ()

    width: float = 1.0

    def factors(self, offset: Miller, nearest: Miller, lattice: Lattice) -> tuple[torch.Tensor, ...]:
        return (offset.h.to(lattice.dtype),)


@attrs.frozen
class Wrong(Plain):
    def spot_width(self, lattice: Lattice) -> Any:
        return torch.tensor(math.nan)


def test_a_shape_that_does_not_say_its_width_is_sampled_by_the_crystals_size() -> None:
    assert chosen("-N 20", Plain()) == (6, [])


def test_a_width_that_is_none_is_refused_with_the_plugins_name() -> None:
    with pytest.raises(openbragg.PluginError, match=r"plain \(.*\): spot_width\(\): expected a number above 0, got"):
        chosen("-N 20", Wrong())


def test_a_run_samples_gaussian_spots_by_their_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = f"{FLAGS} -N 8 -gauss_xtal -default_F 100 -nonoise -floatfile a.bin".split()
    assert "2 x 2 subpixels" in run("simulate", *words).out
    assert "3 x 3 subpixels" in run("simulate", *words, "--compat", "nanobragg").out
