"""The cases: what is run, and which ratio it has to reach."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import attrs

from benchmarks.inputs import (
    EIGER_TABLE,
    SAXS_TABLE,
    SPECTRUM_FILES,
    write_eiger_table,
    write_saxs_table,
    write_spectrum_files,
)
from openbragg.errors import InputError

#: Programs that a case may be measured against, by the names they have in reports.
REFERENCE, IMPORT, FULL_SUM, ONE_TABLE = "reference", "import torch", "full sum", "one table"

#: Measured reference cases, beside the checkout.
SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference"

_CRYSTAL = "-cell 70 80 90 75 85 95 -default_F 100 -lambda 1 -distance 100"
_MOSAIC = f"{_CRYSTAL} -detpixels 512 -mosaic 0.5 -mosaic_domains 50 -mosaic_seed 1 -oversample 2 -osc 1 -phisteps 5"
_NORMAL = "-mosaic 0.02 -mosaic_domains 100 -mosaic_seed 1"
_DIVERGENCE = "-hdivrange 1 -hdivsteps 12 -vdivrange 1 -vdivsteps 12 -square_div -dispersion 1 -dispsteps 3"


@attrs.frozen
class Bar:
    """What a case has to reach.

    Attributes
    ----------
    quantity
        ``kernel`` or ``whole``, seconds; ``unwritten``, the whole but for writing files; ``memory``, bytes;
        ``gradients``, forward and backward over forward; ``beyond``, seconds of a call beyond its kernel; ``images``
        and ``rate``, images a second; ``scaling``, the rate of twice the workers; ``reading``, the rate of a data
        set's samples over that of its files; ``stills``, a minute and core; ``jacobian``, the Jacobian over forward.
    limit
        The least ratio to be reached, the other program's number over ours, where `at_least`; else the most, ours over
        the other's, or ours alone where there is no other.
    against
        The other program.
    """

    quantity: str
    limit: float
    at_least: bool = True
    against: str | None = REFERENCE


@attrs.frozen
class Part:
    """A part of an image, of which programs are timed that take too long for all of it.

    Attributes
    ----------
    region
        First and last pixel along fast, then along slow, both included.
    whole
        Pixels of the image, (slow, fast).
    """

    region: tuple[int, int, int, int]
    whole: tuple[int, int]

    def flags(self) -> tuple[str, ...]:
        """What has a program render it alone."""
        return ("-roi", *map(str, self.region))

    def scale(self) -> float:
        """How many times as many pixels the image has."""
        first_fast, last_fast, first_slow, last_slow = self.region
        return self.whole[0] * self.whole[1] / ((last_fast - first_fast + 1) * (last_slow - first_slow + 1))


@attrs.frozen
class Case:
    """A case.

    Attributes
    ----------
    name, summary
        What it is called, and what it is.
    arguments
        Flags that every program gets.
    bars
        What is to be reached.
    own
        Flags that only this project's programs get.
    full
        Flags that the full sum gets in their place.
    beside
        Programs that run beside, other than the reference and the revision.
    part
        The part of the image that the full sum and the reference render; their kernels count as many times as the whole
        has more pixels.
    needs_reference
        Whether the reference runs, if there is one.
    stand_in
        Flags that the reference gets for what it does not have: it then has as many terms, and another image.
    inputs
        Files by the names they have in the working folder.
    precision
        Of amplitudes. By itself `auto` would take float64 for short sums with all of the reference's quirks, and cases
        of one length would not be what another is.
    counted
        Whether operations of a term are counted, see `benchmarks.limit`: the square shape with whole structure factors.
    tolerance
        Largest difference between images over the peak.
    """

    name: str
    summary: str
    arguments: tuple[str, ...]
    bars: tuple[Bar, ...]
    own: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    part: Part | None = None
    needs_reference: bool = True
    stand_in: tuple[str, ...] = ()
    inputs: Mapping[str, Path] = attrs.field(factory=dict)
    precision: str = "mixed"
    counted: bool = False
    tolerance: float = 1e-6


#: The names of the cases that are images, in the order in which they run.
NAMES = (
    *("mosaic", "supervisor", "saxs", "divergence", "small", "gauss", "round", "double", "cull"),
    *("ntensor", "closed", "spectrum"),
)
#: The same of those whose images are large; they run when they are asked for.
LONG_NAMES = ("eiger", "eiger-round", "eiger-wavelengths")
#: The cases that are no images: `benchmarks.gradients`, `benchmarks.jacobian` and `benchmarks.calls` run them.
GRADIENTS = "gradients"
GRADIENTS_BAR = Bar("gradients", 4.0, at_least=False, against=None)
JACOBIAN = "jacobian"
JACOBIAN_BAR = Bar("jacobian", 6.0, at_least=False, against=None)
CALLS = "calls"
CALLS_BAR = Bar("beyond", 5e-3, at_least=False, against=None)
STILL = "still"
STILL_BAR = Bar("images", 20.0, against=None)
#: All of them, in the order in which they run.
PROGRAMS = (GRADIENTS, JACOBIAN, CALLS, STILL)
#: The case that makes data sets, minutes long and run when it is asked for; `benchmarks.dataset` runs it.
DATASET = "dataset"
DATASET_BAR = Bar("rate", 6.0, against=None)
#: Twice the workers on as many cores, over half of them.
SCALING_BAR = Bar("scaling", 1.8, against=None)
READING_BAR = Bar("reading", 1.0, against=None)
#: Shots of that case.
DATASET_SHOTS = 1000
#: The case that refines, likewise; `benchmarks.refine` runs it.
REFINE = "refine"
REFINE_BAR = Bar("stills", 100.0, against=None)


class SkippedError(Exception):
    """A case that cannot run here, and why."""


def make_case(name: str, folder: Path) -> Case:
    """Make a case by its name; input files that are not there yet are made in a folder.

    Raises
    ------
    SkippedError
        When its input is not on this machine.
    """
    if name == "supervisor":
        return _supervisor()
    if name == "saxs":
        return _saxs(folder)
    if name == "spectrum":
        return _spectrum(folder)
    if name in LONG_NAMES:
        return _eiger(name, folder)
    return next(case for case in _PLAIN if case.name == name)


_PLAIN = (
    Case(
        "mosaic",
        "50 mosaic domains, 5 phi steps, 2 x 2 subpixels, 512 x 512 pixels",
        tuple(f"{_MOSAIC} -N 20".split()),
        (Bar("kernel", 45.0), Bar("whole", 6.0)),
        counted=True,
    ),
    Case(
        "divergence",
        "12 x 12 directions of 3 wavelengths, 256 x 256 pixels",
        tuple(f"{_CRYSTAL} -N 20 -detpixels 256 -pixel 0.4 -oversample 1 {_DIVERGENCE}".split()),
        (Bar("kernel", 40.0),),
        counted=True,
    ),
    Case(
        "small",
        "one term a pixel, 1024 x 1024 pixels: what a run costs beside its sum",
        tuple(f"{_CRYSTAL} -N 5 -detpixels 1024 -oversample 1".split()),
        (Bar("whole", 1.6, at_least=False, against=IMPORT),),
        beside=(IMPORT,),
    ),
    Case(
        "gauss",
        "the mosaic case with a Gaussian crystal",
        # By default the spots of so large a crystal fall between the pixels; with this they are as wide as 1/N.
        tuple(f"{_MOSAIC} -N 20 -gauss_xtal -fudge 0.04".split()),
        (Bar("kernel", 16.0),),
    ),
    Case(
        "round",
        "the mosaic case with a round crystal",
        tuple(f"{_MOSAIC} -N 20 -round_xtal".split()),
        (Bar("kernel", 20.0),),
    ),
    Case(
        "double",
        "the mosaic case in double precision",
        tuple(f"{_MOSAIC} -N 20".split()),
        (Bar("kernel", 8.0),),
        precision="double",
        counted=True,
    ),
    Case(
        "cull",
        "the mosaic case with 60 cells a side, of which terms might be left out",
        tuple(f"{_MOSAIC} -N 60".split()),
        (Bar("kernel", 1.0 / 1.1, against=FULL_SUM),),
        own=("--cull", "1e-4"),
        beside=(FULL_SUM,),
        needs_reference=False,
    ),
    Case(
        "ntensor",
        "the mosaic case with a Gaussian crystal, N a tensor, terms left out that hardly count",
        tuple(f"{_MOSAIC} -N 20 -gauss_index -N_offdiagonal 4 -3 2".split()),
        (Bar("kernel", 1.0, against=FULL_SUM),),
        own=("--cull", "1e-6"),
        beside=(FULL_SUM,),
        needs_reference=False,
    ),
    Case(
        "closed",
        "normally distributed blocks in closed form, against 100 domains of the same law",
        tuple(f"{_CRYSTAL} -detpixels 512 {_NORMAL} -oversample 2 -N 20 -gauss_index".split()),
        (Bar("kernel", 8.0, against=FULL_SUM),),
        own=("--mosaic-model", "closed"),
        full=("--mosaic-model", "normal"),
        beside=(FULL_SUM,),
        needs_reference=False,
        # The error of so few domains of so small a spread; that of the closed form is a tenth of it.
        tolerance=2e-3,
    ),
)


def _supervisor() -> Case:
    file = SHARED / "supervisor" / "case.json"
    if not file.is_file():
        raise SkippedError("its input, shared/reference beside the checkout, is not on this machine")
    try:
        arguments = tuple(str(word) for word in json.loads(file.read_text(encoding="utf-8"))["args"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: expected a case with its args ({error})") from None
    return Case(
        "supervisor",
        "a whole Pilatus 6M frame, triclinic cell, 10 phi steps",
        arguments,
        (Bar("kernel", 20.0), Bar("whole", 2.0), Bar("memory", 700e6, at_least=False, against=None)),
        inputs={word: SHARED / word for word in arguments if (SHARED / word).is_file()},
        counted=True,
    )


def _saxs(folder: Path) -> Case:
    table = folder / SAXS_TABLE
    if not table.exists():
        write_saxs_table(table)
    return Case(
        "saxs",
        "a single cell, interpolated table, 2 x 2 subpixels, 1024 x 1024 pixels",
        tuple(f"-cell 100 100 100 90 90 90 -hkl {SAXS_TABLE} -interpolate -N 1 -lambda 1".split())
        + tuple("-distance 500 -detpixels 1024 -oversample 2".split()),
        (Bar("kernel", 8.0),),
        inputs={SAXS_TABLE: table},
    )


def _spectrum(folder: Path) -> Case:
    files = {name: folder / name for name in SPECTRUM_FILES}
    if not all(file.exists() for file in files.values()):
        write_spectrum_files(folder)
    wavelengths, table, channels = SPECTRUM_FILES
    return Case(
        "spectrum",
        "100 energies, 25 mosaic domains, a table at each energy, 1024 x 1024 pixels",
        (
            *"-cell 30 35 40 80 95 100 -lambda 1 -N 20 -distance 200 -detpixels 1024 -oversample 1".split(),
            *f"-mosaic 0.5 -mosaic_domains 25 -mosaic_seed 1 -spectrum_file {wavelengths} -hkl {table}".split(),
        ),
        # All columns are alike, so that the image is that of one table, and the terms are the same.
        (Bar("kernel", 1.5, at_least=False, against=ONE_TABLE),),
        own=("-hkl", channels, "-channels"),
        beside=(ONE_TABLE,),
        needs_reference=False,
        inputs=files,
    )


def _eiger(name: str, folder: Path) -> Case:
    table = folder / EIGER_TABLE
    if not table.exists():
        write_eiger_table(table)
    flags = (
        f"-cell 79 79 38 90 90 90 -hkl {EIGER_TABLE} -nointerpolate -Na 50 -Nb 50 -Nc 100 -misset 10 20 30 -lambda 1"
    )
    flags += " -distance 200 -pixel 0.075 -detpixels_x 4148 -detpixels_y 4362 -oversample 1"
    mosaic = " -mosaic 0.3 -mosaic_domains 100 -mosaic_seed 1 -osc 1 -phisteps 10"
    gauss, bar = ("-gauss_index",), Bar("kernel", 30.0, against=FULL_SUM)
    case = Case(
        name,
        "",
        tuple((flags + mosaic).split()),
        (bar,),
        own=(*gauss, "--cull", "1e-6"),
        full=gauss,
        beside=(FULL_SUM, IMPORT),
        part=Part((1562, 2585, 2053, 2308), (4362, 4148)),
        inputs={EIGER_TABLE: table},
        tolerance=2e-6,
    )
    if name == "eiger":
        return attrs.evolve(
            case,
            summary="lysozyme, 4148 x 4362 pixels, 100 domains x 10 steps, Gaussian spots",
            bars=(bar, Bar("unwritten", 3.0, at_least=False, against=IMPORT), Bar("kernel", 1000.0)),
            # The reference has no Gaussian of the index. With this its own has spots as wide.
            stand_in=("-gauss_xtal", "-fudge", "2.4e-4"),
        )
    if name == "eiger-round":
        return attrs.evolve(
            case,
            summary="lysozyme, 4148 x 4362 pixels, 100 domains x 10 steps, a round crystal",
            own=("-round_xtal", "--cull", "1e-4"),
            full=("-round_xtal",),
            bars=(Bar("kernel", 6.0, against=FULL_SUM),),
            stand_in=("-round_xtal",),
            tolerance=1e-4 + 1e-6,
        )
    closed = (*gauss, "--mosaic-model", "closed")
    return attrs.evolve(
        case,
        summary="lysozyme, 4148 x 4362 pixels, 20 wavelengths of 0.1 %, one domain in closed form",
        arguments=tuple(f"{flags} -dispersion 2 -dispsteps 20 -mosaic 0.02 -phi 10".split()),
        own=(*closed, "--cull", "1e-6"),
        full=closed,
        part=None,
        needs_reference=False,
    )
