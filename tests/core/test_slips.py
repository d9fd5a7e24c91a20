"""Likely slips of the hand, and crystals that are not seen: noticed, with what was probably meant."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import openbragg
from command_line import CRYSTAL, Finished, run
from openbragg import Crystal, Detector, Experiment, Miller, Simulation
from openbragg.testing import lattice_amplitude, make_lattice

SLIP = re.compile(r"typed|coherent block|which no crystal has")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def simulated(*words: object) -> Finished:
    return run("simulate", *CRYSTAL, "-default_F", 100, "-detpixels", 4, "-nonoise", "-floatfile", "a", *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-energy 12.66", "the wavelength is 979.338 A, 12.66 eV.*if keV were typed, give -energy 12660"),
        ("-energy 7", "if keV were typed, give -energy 7000"),
        ("-energy 0.9795", "give -lambda 0.9795"),
        ("-lambda 12660", "-energy 12660"),
        ("-lambda 12.66", "if keV were typed, give -energy 12660"),
        ("-lambda 0.9795e-10 -oversample 1", "if metres were typed, give -lambda 0.9795"),
        ("-lambda 0.00009795 -oversample 1", "if micrometres were typed, give -lambda 0.9795"),
        ("-energy 12660000 -oversample 1", "if meV were typed, give -energy 12660"),
        ("-distance 0.15 -oversample 1", "0.15 mm from the crystal: .*if metres were typed, give -distance 150"),
        ("-close_distance 0.15 -oversample 1", "give -close_distance 150"),
        ("-distance 150000", "if micrometres were typed, give -distance 150"),
        ("-pixel 75 -oversample 1", "if micrometres were typed, give -pixel 0.075"),
        ("-pixel 0.000075", "if metres were typed, give -pixel 0.075"),
        ("-cell 50e-10 -N 1", "which no crystal has: -cell is in A"),
        (
            "-xtalsize 0.02 -oversample 1",
            "a crystal of 20 um is taken as one coherent block.* 4000 x 4000 x 4000 cells, in 1 x 1",
        ),
    ],
)
def test_a_likely_slip_is_noticed_with_what_was_meant(words: str, said: str) -> None:
    finished = simulated(*words.split())
    assert finished.status == 0, finished.err
    assert len([line for line in finished.complaints() if SLIP.search(line)]) == 1
    assert re.search(said, finished.err), finished.err


@pytest.mark.parametrize(
    "words",
    [
        *("-energy 1500", "-energy 12660", "-lambda 0.0197", "-lambda 9.9", "-distance 3", "-distance 20000"),
        *("-pixel 0.001", "-pixel 1", "-cell 3 -N 2", "-cell 2500 -N 1", "-xtalsize 0.001 -oversample 1"),
    ],
)
def test_what_is_done_in_earnest_is_not_noticed(words: str) -> None:
    finished = simulated(*words.split())
    assert finished.status == 0, finished.err
    assert not SLIP.search(finished.err)


def test_a_slip_is_named_where_it_makes_the_run_impossible() -> None:
    for words, meant in (("-lambda 0.9795e-10", "give -lambda 0.9795"), ("-xtalsize 20", "one coherent block")):
        finished = simulated(*words.split())
        assert finished.status == 2
        assert meant in finished.err and len(finished.complaints()) == 1
        assert not Path("a").exists()


def test_slips_are_said_before_anything_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise openbragg.InputError("rendered")

    monkeypatch.setattr(Simulation, "rendering", stop)
    finished = simulated("-energy", 12.66)
    first, *_, last = finished.complaints()
    assert "give -energy 12660" in first and last == "openbragg: error: rendered"
    report = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in finished.out.splitlines())
    assert report["oversampling"] == "1 x 1 subpixels"
    assert report["expected time"] == "less than a second"
    assert "largest" not in report


def test_a_wavelength_and_a_distance_that_nobody_gave_are_printed() -> None:
    out = simulated().out
    assert "wavelength      1 A, as none was given" in out
    assert "distance        100 mm, as none was given" in out


@pytest.mark.parametrize(
    ("words", "unsaid"),
    [
        ("-lambda 1 -distance 100", []),
        ("-energy 12398.42", ["distance"]),
        ("-close_distance 100", ["wavelength"]),
        ("-pix0_vector_mm 100 0.2 -0.2", ["wavelength"]),
        ("-img header.img", []),
    ],
)
def test_what_a_flag_or_a_file_gives_is_not_printed_as_a_default(words: str, unsaid: list[str]) -> None:
    simulated("-intfile", "header.img")
    found = [line.split()[0] for line in simulated(*words.split()).out.splitlines() if "as none was given" in line]
    assert found == unsaid


FAINT = "the crystal adds less than one photon to the image"
HIDDEN = "the crystal adds less than a thousandth of the background's photons to the image"
GAUSS = "-cell 80 80 40 -N 20 -detpixels 48 -pixel 0.4 -oversample 2"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"{GAUSS} -gauss_xtal -fluence 1e24", FAINT),
        (f"{GAUSS} -tophat_spots", FAINT),
        (f"{GAUSS} -gauss_xtal -background water", FAINT),
        (f"{GAUSS} -background water", HIDDEN),
        (f"{GAUSS} -gauss_xtal -water 50", FAINT),
        ("-fluence 1e10", FAINT),
        ("-uniform_photons 1e9", HIDDEN),
    ],
)
def test_a_crystal_that_is_not_seen_is_noticed(words: str, said: str) -> None:
    finished = simulated(*words.split())
    assert finished.status == 0, finished.err
    assert finished.err.count(said) == 1
    assert ("-fudge" in finished.err) == ("gauss" in words or "tophat" in words)


@pytest.mark.parametrize(
    "words", ["", GAUSS, f"{GAUSS} -gauss_xtal -fudge 0.0249", "-uniform_photons 10", "-water 0.0001"]
)
def test_a_crystal_that_is_seen_is_not(words: str) -> None:
    assert "the crystal adds less" not in simulated(*words.split()).err


def test_the_share_is_that_of_the_crystal_and_not_of_the_water() -> None:
    experiment = Experiment(
        crystal=Crystal(cell=(50e-10,) * 3 + (math.pi / 2,) * 3, cells=(3, 3, 3), water=1e-3),
        detector=Detector(pixels=(8, 8)),
    )
    factors = openbragg.plugin("structure_factors", "hkl", default_F=1e-9)
    rendering = Simulation(experiment, structure_factors=factors).rendering()
    assert float(rendering.frame().sum()) > 1e6
    assert any(line.startswith(FAINT) for line in rendering.choices.notices)


@pytest.mark.parametrize("name", ["gauss", "tophat"])
@pytest.mark.parametrize("cells", [(5, 5, 5), (4, 6, 9)])
def test_the_fudge_of_the_advice_gives_spots_the_intensity_of_a_crystal(name: str, cells: tuple[int, int, int]) -> None:
    shape = openbragg.plugin("lattice_shapes", name)
    plain = make_lattice(cells)
    advised = re.search(r"-fudge (\S+)", shape.when_faint(plain))
    assert advised is not None
    lattice = make_lattice(cells, fudge=float(advised[1]))
    step = 1.0 / 80.0
    axis = torch.arange(-0.5 + step / 2, 0.5, step, dtype=torch.float64)
    offset = Miller(*torch.meshgrid(axis, axis, axis, indexing="ij"))
    zero = torch.zeros_like(offset.h)
    total = float((lattice_amplitude(shape, offset, Miller(zero, zero, zero), lattice).double() ** 2).sum()) * step**3
    # Three digits of the fudge, to the power of 3/2, and the steps of the sum at the top hat's edge.
    assert total == pytest.approx(math.prod(cells), rel=0.02)


def test_the_volume_of_a_lattice_is_that_of_its_cell() -> None:
    assert float(make_lattice((1, 1, 1), reciprocal_vectors=torch.eye(3) / 50e-10).volume()) == pytest.approx(50e-10**3)
