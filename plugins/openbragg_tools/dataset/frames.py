"""One image of a shot: its counts, its labels, and its reflections."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from openbragg import InputError, ShotSpectrum, unit
from openbragg_tools.dataset.labels import Labels
from openbragg_tools.dataset.spots import Array, find_spots

if TYPE_CHECKING:
    import torch

    from openbragg import PredictedReflections, Simulation

_ANGSTROM, _DEGREE = unit("A"), unit("deg")


@attrs.frozen(eq=False)
class Crystal:
    """A crystal on an image: the simulation of it alone, and by what its photons are multiplied."""

    simulation: Simulation
    weight: float


@attrs.frozen(eq=False)
class Frame:
    """An image, and what is known of it.

    Attributes
    ----------
    arrays
        ``counts``, and those per-pixel arrays that are asked for, by name: (slow, fast).
    reflections
        Its rows in the table of reflections: columns by name.
    photons, crystal_photons
        Expected on all pixels together, and those of the crystals alone.
    background
        Expected of what is around the crystals, (slow, fast).
    """

    arrays: dict[str, Array]
    reflections: dict[str, Array]
    photons: float
    crystal_photons: float
    background: torch.Tensor


def render_frame(
    whole: Simulation, crystals: Sequence[Crystal], kind: str, place: int, labels: Labels, before: Sequence[Frame]
) -> Frame:
    """Make an image.

    Parameters
    ----------
    whole
        The simulation of the image with its backgrounds, its noise, and the seed of that.
    crystals
        The crystals on it, without backgrounds.
    kind
        Of the shot: ``hit``, ``miss`` or ``blank``.
    place
        The number of the image in its shot, from 0.
    labels
        Which labels are made.
    before
        The images of the shot before this one: spots are numbered on, and the background is theirs.

    Raises
    ------
    OpenBraggError
        When it cannot be rendered.
    """
    background = _background(whole, kind, before)
    apart = [crystal.simulation.photons().detach() * crystal.weight for crystal in crystals]
    total = background.clone()
    for photons in apart:
        total += photons
    # Without further crystals it is the first one's, and no copy.
    bragg = reduce(add, (photons.cpu().numpy() for photons in apart)) if apart else np.zeros(tuple(total.shape))
    counts = _stored(whole.counts(photons=total).cpu().numpy(), whole.noise.name)
    found = _Found.of(crystals, labels.photons)
    spots = find_spots(bragg, found.places, found.photons, labels)
    arrays = {"counts": counts}
    for name in labels.arrays:
        if name == "photons":
            arrays[name] = total.cpu().numpy().astype(np.float32)
        elif name == "wavelength":
            arrays[name] = _wavelengths(crystals, apart, bragg.shape)
        elif name == "crystals":
            arrays[name] = bragg.astype(np.float32)
        elif name == "spots":
            first = sum(len(frame.reflections["h"]) for frame in before)
            arrays[name] = spots.covered + np.int32(first) * (spots.covered >= 0) if first else spots.covered
        else:
            arrays[name] = _of_spots(name, spots.covered, found)
    return Frame(
        arrays=arrays,
        reflections={
            "image": np.full(len(found.photons), place, dtype=np.int32),
            "lattice": found.lattice,
            **{letter: found.indices[:, axis] for axis, letter in enumerate("hkl")},
            "fast": found.places[:, 0],
            "slow": found.places[:, 1],
            "phi": _DEGREE.from_si(found.angle),
            **{f"box_{side}": spots.box[:, column] for column, side in enumerate(_SIDES)},
            "partiality": found.partiality,
            "photons": found.photons,
            "box_photons": spots.photons,
            "spot_pixels": spots.pixels,
            "amplitude": found.amplitude,
            "d": _ANGSTROM.from_si(found.spacing),
        },
        photons=float(total.sum(dtype=_double())),
        crystal_photons=float(bragg.sum(dtype=np.float64)),
        background=background,
    )


def _background(whole: Simulation, kind: str, before: Sequence[Frame]) -> torch.Tensor:
    if kind == "blank":
        import torch

        layout = whole.layout()
        return torch.zeros(layout.experiment.detector.frame_shape(), dtype=layout.dtype, device=layout.plan.device)
    # It does not turn with the crystal.
    return before[0].background if before and not isinstance(whole.spectrum, ShotSpectrum) else whole.background()


_SIDES = ("left", "right", "top", "bottom")


@attrs.frozen(eq=False)
class _Found:
    """The reflections of all crystals of an image that are strong enough for a label; arrays have a row for each."""

    lattice: Array
    indices: Array
    places: Array
    photons: Array
    partiality: Array
    amplitude: Array
    spacing: Array
    angle: Array

    @classmethod
    def of(cls, crystals: Sequence[Crystal], least: float) -> _Found:
        """The reflections of so many photons, crystal by crystal, in the order of prediction."""
        parts = [
            _strong(crystal.simulation, crystal.simulation.reflections(), place, crystal.weight, least)
            for place, crystal in enumerate(crystals)
        ] or [cls(*(np.zeros(shape, dtype) for shape, dtype in _NOTHING))]
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in attrs.fields(cls)))


#: Arrays of no reflections, in the order of `_Found`.
_NOTHING: tuple[tuple[tuple[int, ...], type], ...] = (
    ((0,), np.int32),
    ((0, 3), np.int32),
    ((0, 2), np.float64),
    ((0,), np.float64),
    ((0,), np.float64),
    ((0,), np.float64),
    ((0,), np.float64),
    ((0,), np.float64),
)


def _strong(simulation: Simulation, found: PredictedReflections, place: int, weight: float, least: float) -> _Found:
    layout = simulation.layout()
    slabs = np.array([(panel.columns().start, panel.rows().start) for panel in layout.panels], dtype=np.float64)
    sizes = np.array([panel.pixels[::-1] for panel in layout.panels])
    places = found.pixel + slabs[found.panel]
    # Parallax may take a reflection off the panel, and gaps of the frame have no pixels.
    inside = ((found.pixel >= 0.0) & (found.pixel < sizes[found.panel])).all(axis=1)
    mask = layout.mask()
    if mask is not None:
        columns, rows = np.where(inside[:, None], places, 0.0).astype(np.int64).T
        inside &= mask.cpu().numpy().astype(bool)[rows, columns]
    photons = found.photons * weight
    chosen = inside & (photons >= least)
    return _Found(
        lattice=np.full(int(chosen.sum()), place, dtype=np.int32),
        indices=found.indices[chosen],
        places=places[chosen],
        photons=photons[chosen],
        partiality=found.partiality[chosen],
        amplitude=found.amplitude[chosen],
        spacing=found.spacing[chosen],
        angle=found.angle[chosen],
    )


def _of_spots(name: str, covered: Array, found: _Found) -> Array:
    """What the reflections whose spots cover pixels have; a number that is none where there is no spot."""
    spots = np.nonzero(covered >= 0)
    if name == "lattice":
        lattices: Array = np.full(covered.shape, -1, dtype=np.int8)
        lattices[spots] = found.lattice[covered[spots]]
        return lattices
    indices: Array = np.zeros((*covered.shape, 3), dtype=np.int16)
    indices[spots] = found.indices[covered[spots]]
    return indices


def _wavelengths(crystals: Sequence[Crystal], apart: list[torch.Tensor], shape: tuple[int, ...]) -> Array:
    """The mean over the photons of all crystals in angstrom, NaN where there are none: float32."""
    whole, weighted = np.zeros(shape), np.zeros(shape)
    for one, photons in zip(crystals, apart, strict=True):
        part, lengths = photons.cpu().numpy().astype(np.float64), one.simulation.labels().wavelength.cpu().numpy()
        lit = np.isfinite(lengths)
        whole += np.where(lit, part, 0.0)
        weighted += np.where(lit, part * np.where(lit, lengths, 0.0), 0.0)
    mean = np.divide(weighted, whole, out=np.full(shape, np.nan), where=whole > 0.0)
    return np.asarray(_ANGSTROM.from_si(mean), dtype=np.float32)


def _stored(counts: Array, model: str) -> Array:
    """Counts as int32.

    Raises
    ------
    InputError
        When they are none.
    """
    whole = counts.astype(np.int32)
    if not np.array_equal(whole, counts):
        raise InputError(
            f"the noise model {model} gives no whole counts that 32 bits hold; expected photons are a label: "
            'arrays = ["photons"]'
        )
    return whole


def _double() -> Any:
    import torch

    return torch.float64
