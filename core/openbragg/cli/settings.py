"""Options of a run that are no part of the experiment."""

from __future__ import annotations

from pathlib import Path

import attrs

from openbragg.options import COUNT, COUNT_OR_NONE, PART, Rule, one_of, option

#: More images than a series has.
MOST_IMAGES = 1_000_000
_IMAGES = Rule(f"a whole number from 1 to {MOST_IMAGES}", lambda value: COUNT.accepts(value) and value <= MOST_IMAGES)


@attrs.frozen
class Computation:
    """Where and how exactly to compute, and whether to differ from the flags as the reference does."""

    compat: str = option(
        "-compat",
        default="",
        type=str,
        metavar="nanobragg | QUIRK,...",
        help="Reproduce the reference program's quirks, all or some; see the notices for their names.",
    )
    precision: str = option(
        "-precision",
        default="auto",
        type=str,
        rule=one_of("auto", "mixed", "double"),
        metavar="auto | mixed | double",
        help="float32 amplitudes from float64 geometry, within 1e-6 of a peak's height; or float64 throughout."
        " By itself the first, or the second for short sums with all of the reference's quirks (--compat nanobragg).",
    )
    device: str = option("-device", default="cpu", type=str, metavar="cpu | cuda", help="Where to compute.")
    engine: str = option(
        "-engine",
        default="auto",
        type=str,
        rule=one_of("auto", "eager", "compiled"),
        metavar="auto | eager | compiled",
        help="Compile the model into one piece of code, which is kept for the next run; or compute operation by "
        "operation. auto: compiled where that is done already, or pays.",
    )
    threads: int | None = option(
        "-threads", type=int, rule=COUNT, help="Cores to use. Default: all, or what OMP_NUM_THREADS allows."
    )
    cull: float | None = option(
        "-cull",
        rule=PART,
        metavar="EPS",
        help="Leave out what hardly matters: sum from reflections to pixels, or the orientations near tiles of them, "
        "so that no pixel is further from the full sum than this part of the largest one. Default: nothing.",
    )


@attrs.frozen
class Output:
    """What is shown while the run goes on."""

    progress: bool | None = option(
        "-progress",
        negations=("-noprogress", "-quiet"),
        type=bool,
        help="Show a progress bar. Default: on a terminal.",
    )


@attrs.frozen
class SeriesChoice:
    """Whether a rotation series is rendered."""

    images: int | None = option(
        "-images",
        type=int,
        rule=_IMAGES,
        unit="images",
        help="Render a rotation series of so many images, each turned on by -osc from the one before. # in the names "
        "of files stands for a digit of the image's number.",
    )
    restart: bool = option(
        "-restart",
        default=False,
        type=bool,
        help="Begin the series anew, whatever is there. Default: go on with the images that are missing.",
    )


@attrs.frozen
class Timing:
    """Where is written how long the parts of a run took."""

    # A word and not a path, as a record is: no output of the simulation.
    file: str | None = option(
        "-timings",
        type=str,
        output="timings",
        metavar="FILE",
        help="Write as JSON how long the parts of the run took, and its peak memory.",
    )


@attrs.frozen
class Provenance:
    """Where a run is written down, and which one is repeated."""

    # Words and not paths: neither is an input or an output of the simulation.
    record: str | None = option(
        "-record", type=str, metavar="FILE", help="Write down the whole run as JSON: what went in, and what came out."
    )
    repeat: str | None = option(
        "-from",
        type=str,
        metavar="FILE",
        help="Repeat a recorded run: its flags stand here, so that later ones override them.",
    )
    force: bool = option(
        "-force", default=False, type=bool, help="Repeat the run even if an input is not the file it was."
    )
    anywhere: bool = option(
        "-write_anywhere",
        default=False,
        type=bool,
        help="Write the files of a repeated run wherever its record names them, out of the current folder and over "
        "files of others.",
    )


@attrs.frozen
class Printout:
    """What is printed of single pixels."""

    every: bool = option(
        "-printout", default=False, type=bool, help="Print what each pixel is made of, as the reference does."
    )
    pixel: tuple[int, int] | None = option(
        "-printout_pixel",
        type=int,
        length=2,
        rule=COUNT_OR_NONE,
        unit="pixels",
        metavar="fast slow",
        help="Print it of this pixel alone.",
    )


@attrs.frozen
class WithoutEffect:
    """Flags that the reference program does nothing with: it reads them, or knows them from its examples alone."""

    stolout: str | None = option("-stolout", type=str, metavar="FILE", help="Without effect.")
    coherent: bool = option("-coherent", default=False, type=bool, help="Without effect.")
    hdiv: float | None = option("-hdiv", unit="mrad", help="Without effect; see -hdivrange.")
    vdiv: float | None = option("-vdiv", unit="mrad", help="Without effect; see -vdivrange.")
    dispstep: float | None = option("-dispstep", unit="wavelengths", help="Without effect; see -dispsteps.")


@attrs.frozen
class BackgroundChoice:
    """Choice of backgrounds by name."""

    name: str | None = option(
        "-background",
        type=str,
        metavar="NAME",
        help="Add the photons of this background; may be given several times. An option of one chooses it too.",
    )


@attrs.frozen
class CameraFile:
    """An image whose header describes the camera; flags come after it."""

    image: Path | None = option(
        "-img",
        type=Path,
        metavar="FILE",
        help="Image whose header gives pixels, distances, wavelength, beam centre, phi; flags override it.",
    )


@attrs.frozen
class DetectorChoice:
    """A detector that is known by name; flags come after it."""

    name: str | None = option(
        "-detector",
        type=str,
        metavar="NAME",
        help="A detector by name, with its pixels, gaps and sensor, such as pilatus-6m; flags override it. "
        "openbragg detectors lists them.",
    )


@attrs.frozen
class PresetChoice:
    """Settings of a kind of experiment; all other flags come after them."""

    name: str | None = option(
        "-preset",
        type=str,
        metavar="NAME",
        help="Settings of a kind of experiment, such as mx-rotation, each of which any other flag overrules.",
    )


@attrs.frozen
class GeometryFile:
    """A file that says where detector, beam and crystal are; flags come after it."""

    file: Path | None = option(
        "-geometry",
        type=Path,
        metavar="FILE",
        help="DIALS .expt, XDS.INP, XPARM.XDS or CrystFEL .geom: panels, beam, spindle, scan and crystal as there, or "
        "CrystFEL .cell: the cell; flags override it. Where it says no wavelength, -lambda or -energy must.",
    )
    reader: str | None = option(
        "-geometry_reader", type=str, metavar="NAME", help="How to read it. Default: as what is in it says."
    )


@attrs.frozen
class ConventionChoice:
    """Choice of the geometry convention by name."""

    name: str | None = option("-convention", type=str, metavar="NAME", help="Geometry convention. Default: mosflm.")


@attrs.frozen
class CrystalChoices:
    """Choice of the structure factors and the lattice shape by name."""

    structure_factors: str | None = option(
        "-structure_factors", type=str, metavar="NAME", help="Source of structure factors. Default: hkl."
    )
    lattice_shape: str | None = option(
        "-lattice_shape", type=str, metavar="NAME", help="Shape of the crystal. Default: square."
    )
    mosaic_model: str | None = option(
        "-mosaic_model", type=str, metavar="NAME", help="How the crystal's blocks are turned. Default: nanobragg."
    )
    scene: str | None = option(
        "-scene_model", type=str, metavar="NAME", help="Which crystals are on a shot. Default: single."
    )
    diffuse: str | None = option(
        "-diffuse", type=str, metavar="NAME", help="What the crystal scatters between its spots. Default: none."
    )


@attrs.frozen
class SpectrumChoice:
    """Choice of the spectrum by name."""

    name: str | None = option(
        "-spectrum", type=str, metavar="NAME", help="Wavelengths of the beam. Default: dispersion, that of -dispersion."
    )


@attrs.frozen
class NoiseChoice:
    """Choice of the noise model by name."""

    name: str | None = option("-noise", type=str, metavar="NAME", help="Noise of the noise image. Default: poisson.")
