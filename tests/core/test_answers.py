"""Plugins that raise, or answer with NaN, a wrong shape or dtype: one line that names them, and no file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import attrs
import pytest

import openbragg
from command_line import CRYSTAL, SMALL, run
from openbragg import testing
from openbragg_noise.poisson import Poisson

Install = Callable[..., None]

HEAD = """
from typing import ClassVar
import attrs
from openbragg import hookimpl, option

@attrs.frozen
class Bad:
    name: ClassVar[str] = "bad"
    summary: ClassVar[str] = "answers badly"
    flags: ClassVar[tuple[str, ...]] = ()
"""
FACTORS = """
    def prepare(self, experiment, device, dtype):
        import torch
        return (torch.ones((), dtype=dtype, device=device),)

    def amplitude(self, index, nearest, tables):
        import torch
        return {answer}

@hookimpl
def structure_factors():
    return [Bad]
"""
SHAPE = """
    def factors(self, offset, nearest, lattice):
        import torch
        return {answer}

@hookimpl
def lattice_shapes():
    return [Bad]
"""
DIFFUSE = """
    def prepare(self, experiment, reciprocal_vectors, space_group, device):
        return ()

    def intensity(self, index, nearest, amplitude, lattice, parameters):
        size = index.h.to(lattice.dtype) ** 2
        return {answer}

@hookimpl
def diffuse_models():
    return [Bad]
"""
BACKGROUND = """
    def prepare(self, experiment, device):
        return ()

    def photons(self, rays, tables):
        return {answer}

@hookimpl
def backgrounds():
    return [Bad]
"""
NOISE = """
    def counts(self, photons, seed):
        return {answer}

@hookimpl
def noise_models():
    return [Bad]
"""
CONVENTION = """
    def place(self, detector):
        import openbragg
        laboratory = openbragg.plugin("geometry_conventions", "mosflm").place(detector)
        return {answer}

    def beam_centre(self, detector, fast, slow):
        return fast, slow

@hookimpl
def geometry_conventions():
    return [Bad]
"""
FORMAT = """
    file: str = option("-bad", type=str, output="photons", help="A file.")

    def write(self, stream, image):
        stream.write(b"half")
        {answer}

    def default_file(self, content):
        return None

@hookimpl
def image_formats():
    return [Bad]
"""
TRUTH = """
    file: str = option("-bad", type=str, output="truth", help="A file.")

    def write_truth(self, stream, path, truth):
        stream.write(b"half")
        {answer}

@hookimpl
def truth_formats():
    return [Bad]
"""
CASES = [
    (FACTORS, "1 / 0", "-structure_factors bad", "structure factors", "amplitude", "ZeroDivisionError"),
    (FACTORS, "tables[0] * index.h * torch.nan", "-structure_factors bad", "structure factors", "amplitude", "float"),
    (
        FACTORS,
        "(torch.nan * index.h).to(tables[0].dtype)",
        "-structure_factors bad",
        "structure factors",
        "amplitude",
        "nan",
    ),
    (
        FACTORS,
        "(torch.inf * index.h.abs()).to(tables[0].dtype)",
        "-structure_factors bad",
        "structure factors",
        "amplitude",
        "inf",
    ),
    (FACTORS, "tables[0]", "-structure_factors bad", "structure factors", "amplitude", "the shape (2, 3)"),
    (FACTORS, "7.0", "-structure_factors bad", "structure factors", "amplitude", "a tensor, got an object of type"),
    (SHAPE, "[][0]", "-lattice_shape bad", "lattice shape", "factors", "IndexError"),
    (SHAPE, "offset.h.to(lattice.dtype)", "-lattice_shape bad", "lattice shape", "factors", "a tuple of 1 or 3"),
    (SHAPE, "(offset.h * 1.0,)", "-lattice_shape bad", "lattice shape", "factors", "expected float32, got float64"),
    (SHAPE, "((offset.h * torch.nan).float(),)", "-lattice_shape bad", "lattice shape", "factors", "got nan"),
    (SHAPE, "(offset.h.float()[:1, :2],) * 3", "-lattice_shape bad", "lattice shape", "factors", "the shape (2, 3)"),
    (DIFFUSE, "size.missing", "-diffuse bad", "diffuse scattering", "intensity", "AttributeError"),
    (DIFFUSE, "size * float('nan')", "-diffuse bad", "diffuse scattering", "intensity", "got nan"),
    (DIFFUSE, "index.h ** 2", "-diffuse bad", "diffuse scattering", "intensity", "expected float32, got float64"),
    (DIFFUSE, "size[:1]", "-diffuse bad", "diffuse scattering", "intensity", "the shape (2, 3)"),
    (DIFFUSE, "-size", "-diffuse bad", "diffuse scattering", "intensity", "no number below 0"),
    (BACKGROUND, "rays.slow.missing", "-background bad", "background", "photons", "AttributeError"),
    (BACKGROUND, "rays.slow * float('nan')", "-background bad", "background", "photons", "got nan"),
    (BACKGROUND, "rays.slow[:2]", "-background bad", "background", "photons", "expected the shape (16,), got (2,)"),
    (BACKGROUND, "rays.slow.float()", "-background bad", "background", "photons", "expected float64, got float32"),
    (BACKGROUND, "rays.slow - 9.0", "-background bad", "background", "photons", "no number below 0"),
    (NOISE, "{}['no']", "-noise bad", "noise model", "counts", "KeyError"),
    (NOISE, "photons * float('nan')", "-noise bad", "noise model", "counts", "got nan"),
    (NOISE, "photons / 0.0 + 1.0 / (photons * 0.0)", "-noise bad", "noise model", "counts", "got inf"),
    (NOISE, "photons[1:]", "-noise bad", "noise model", "counts", "expected the shape (4, 4), got (3, 4)"),
    (NOISE, "photons > 1", "-noise bad", "noise model", "counts", "expected floating point, got bool"),
    (NOISE, "photons.numpy()", "-noise bad", "noise model", "counts", "expected a tensor"),
    (CONVENTION, "laboratory.nothing", "-convention bad", "convention", "place", "AttributeError"),
    (CONVENTION, "None", "-convention bad", "convention", "place", "expected a Laboratory"),
    (
        CONVENTION,
        "attrs.evolve(laboratory, beam=laboratory.beam.float())",
        "-convention bad",
        "convention",
        "place",
        "beam: expected float64",
    ),
    (
        CONVENTION,
        "attrs.evolve(laboratory, spindle=laboratory.beam * float('nan'))",
        "-convention bad",
        "convention",
        "place",
        "spindle: expected numbers, got nan",
    ),
    (FORMAT, "raise ValueError('no such\\nthing')", "-bad b.bad", "image format", "write", "ValueError: no such thing"),
    (TRUTH, "raise ValueError", "-bad b.bad", "truth format", "write_truth", "ValueError: no reason given"),
]


@pytest.mark.parametrize(
    ("source", "answer", "flags", "role", "method", "reason"), CASES, ids=[f"{case[4]}-{case[1]}" for case in CASES]
)
def test_a_plugin_that_answers_badly_is_named_and_no_file_is_written(
    install: Install, source: str, answer: str, flags: str, role: str, method: str, reason: str
) -> None:
    install("acme", "1.0", bad=HEAD + source.replace("{answer}", answer))
    before = {path for path in Path().rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__"}
    small = [*CRYSTAL, "-detpixels", "4"] if "-structure_factors" in flags else SMALL
    finished = run("simulate", *small, *flags.split(), "-floatfile", "a.bin", "-noisefile", "a.img", "-expt", "a.expt")
    (line,) = [line for line in finished.complaints() if "error" in line]
    assert finished.status == 1
    assert line.startswith(f"openbragg: error: the {role} bad (acme_bad): {method}(): ")
    assert reason in line
    after = {path for path in Path().rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__"}
    assert after == before


@attrs.frozen
class Odd:
    """A shape without numbers."""

    name: ClassVar[str] = "odd"
    summary: ClassVar[str] = "nothing"
    flags: ClassVar[tuple[str, ...]] = ()

    def factors(self, offset, nearest, lattice):
        return ((offset.h * float("nan")).to(lattice.dtype),)


def test_photons_in_python_name_the_plugin_that_gave_no_number() -> None:
    simulation = openbragg.from_flags([*CRYSTAL, "-default_F", "10", "-detpixels", "4"]).evolve(lattice_shape=Odd())
    with pytest.raises(openbragg.PluginError, match=r"lattice shape odd \(.*\): factors\(\): .*got nan"):
        simulation.photons()


def test_debug_shows_where_a_plugin_raised(install: Install) -> None:
    install("acme", "1.0", bad=HEAD + NOISE.replace("{answer}", "1 / 0"))
    with pytest.raises(ZeroDivisionError):
        run("simulate", *SMALL, "-noise", "bad", "-noisefile", "a.img", "--debug")


def test_a_fault_of_the_program_stays_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openbragg.orchestrator.rendering.render_panel", None)
    with pytest.raises(TypeError):
        run("simulate", *SMALL, "-floatfile", "a.bin")


@pytest.mark.parametrize("answer", ["nan", "shape", "dtype"])
def test_the_checks_of_noise_models_find_such_answers(answer: str) -> None:
    good = Poisson()

    def counts(photons, seed):
        drawn = good.counts(photons, seed)
        return {"nan": drawn * float("nan"), "shape": drawn[:1, :1], "dtype": drawn.long()}[answer]

    with pytest.raises(AssertionError):
        testing.noise_models.check_shape_and_device(SimpleNamespace(counts=counts))


def test_a_pixel_in_the_crystal_is_the_fault_of_no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The middle of a detector whose normal lies in its plane, turned about the crystal."""
    monkeypatch.chdir(tmp_path)
    turned = ("-beam_vector", 1, 0, 0, "-odet_vector", 0, 0, -1, "-detector_rotz", 81.53, "-pivot", "sample")
    model = ("-cell", 30, 45, 60, 80, 95, 110, "-default_F", 3, "-N", 11, "-detpixels", 5, "-oversample", 1)
    finished = run("simulate", *model, *turned, "-floatfile", "a.bin")
    assert finished.status == 1
    (line,) = [each for each in finished.complaints() if "error" in each]
    assert line == "openbragg: error: the pixel at slow 2, fast 2 lies in the crystal: move the detector away"
    assert not Path("a.bin").exists()
