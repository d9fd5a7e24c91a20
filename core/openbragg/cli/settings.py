"""Options of a run that are no part of the experiment."""

from __future__ import annotations

import attrs

from openbragg.options import one_of, option


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
        default="mixed",
        type=str,
        rule=one_of("mixed", "double"),
        metavar="mixed | double",
        help="float32 amplitudes from float64 geometry, within 1e-6 of the peak; or float64 throughout.",
    )
    device: str = option("-device", default="cpu", type=str, metavar="cpu | cuda", help="Where to compute.")


@attrs.frozen
class Output:
    """What is shown while the run goes on."""

    progress: bool | None = option(
        "-progress",
        negations=("-noprogress",),
        type=bool,
        help="Show a progress bar. Default: on a terminal.",
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


@attrs.frozen
class NoiseChoice:
    """Choice of the noise model by name."""

    name: str | None = option("-noise", type=str, metavar="NAME", help="Noise of the noise image. Default: poisson.")
