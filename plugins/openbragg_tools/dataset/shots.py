"""One shot: its counts, and what is known of it."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from openbragg import ImageSetup, InputError, unit
from openbragg_tools.dataset.draws import DrawnShot, draw_shot
from openbragg_tools.dataset.masters import setup_of
from openbragg_tools.dataset.recipe import Recipe
from openbragg_tools.dataset.spots import Array, find_spots
from openbragg_tools.dataset.studio import Studio, command_of

if TYPE_CHECKING:
    import torch

    from openbragg import PredictedReflections, Simulation

_ANGSTROM = unit("A")


@attrs.frozen(eq=False)
class Shot:
    """What is stored of a shot.

    Attributes
    ----------
    number
        Of the shot, from 0.
    arrays
        ``counts``, and those per-pixel arrays that the recipe asks for, by name.
    row
        Its row in the table of shots.
    lattices, reflections
        Its rows in the tables of lattices and of reflections: columns by name.
    setup
        How it was recorded, for files of other programs; None where none are made.
    """

    number: int
    arrays: dict[str, Array]
    row: dict[str, Any]
    lattices: dict[str, Array]
    reflections: dict[str, Array]
    setup: ImageSetup | None = None


def render_shot(studio: Studio, number: int, identity: str) -> Shot:
    """Make a shot from its number.

    Raises
    ------
    OpenBraggError
        When it cannot be drawn or rendered; the message has the number.
    """
    shot = draw_shot(studio.recipe, number, identity)
    every = [studio.simulation(shot, place) for place in range(len(shot.lattices))]
    whole = every[0] if every else studio.simulation(shot)
    background = whole.background()
    crystals = [one.evolve(backgrounds=()) for one in every]
    apart = [one.photons().detach() * drawn.weight for one, drawn in zip(crystals, shot.lattices, strict=True)]
    total = background.clone() if shot.kind != "blank" else background * 0.0
    for photons in apart:
        total += photons
    # Without further crystals it is the first one's, and no copy.
    bragg = reduce(add, (photons.cpu().numpy() for photons in apart)) if apart else np.zeros(tuple(total.shape))
    counts = _stored(whole.counts(seed=shot.seed, photons=total).cpu().numpy(), whole.noise.name)
    found = _Found.of(crystals, shot, studio.recipe)
    spots = find_spots(bragg, found.places, found.photons, studio.recipe.labels)
    arrays = {"counts": counts}
    for name in studio.recipe.labels.arrays:
        if name == "photons":
            arrays[name] = total.cpu().numpy().astype(np.float32)
        elif name == "wavelength":
            arrays[name] = _wavelengths(crystals, apart, bragg.shape)
        elif name == "crystals":
            arrays[name] = bragg.astype(np.float32)
        elif name == "spots":
            arrays[name] = spots.covered
        else:
            # Each is a number of the spot's reflection; pixels of no spot have -1, or no number.
            arrays[name] = _of_spots(name, spots.covered, found)
    reflections = {
        "shot": np.full(len(found.photons), number, dtype=np.int64),
        "lattice": found.lattice,
        **{letter: found.indices[:, axis] for axis, letter in enumerate("hkl")},
        "fast": found.places[:, 0],
        "slow": found.places[:, 1],
        **{name: spots.box[:, place] for place, name in enumerate(("box_left", "box_right", "box_top", "box_bottom"))},
        "partiality": found.partiality,
        "photons": found.photons,
        "box_photons": spots.photons,
        "spot_pixels": spots.pixels,
        "amplitude": found.amplitude,
        "d": _ANGSTROM.from_si(found.spacing),
    }
    row = {
        "shot": number,
        "kind": shot.kind,
        "lattices": len(shot.lattices),
        "noise_seed": shot.seed,
        "reflections": len(found.photons),
        "d_min": float(reflections["d"].min()) if len(found.photons) else float("nan"),
        "photons": float(total.sum(dtype=_double())),
        "crystal_photons": float(bragg.sum(dtype=np.float64)),
        "flags": command_of(studio.flags(shot)),
        **{_column(name): value for name, value in told(studio.recipe, shot).items()},
    }
    lattices: dict[str, Array] = {
        "shot": np.full(len(shot.lattices), number, dtype=np.int64),
        "lattice": np.arange(len(shot.lattices), dtype=np.int32),
        "weight": np.array([drawn.weight for drawn in shot.lattices], dtype=np.float64),
        "flags": np.array([command_of(studio.flags(shot, place)) for place in range(len(shot.lattices))], dtype=object),
        **_axes(crystals),
    }
    setup = None if studio.linking is None else setup_of(studio.linking, [whole], counts.dtype.name)
    return Shot(number, arrays, row, lattices, reflections, setup)


@attrs.frozen(eq=False)
class _Found:
    """The reflections of all crystals of a shot that are strong enough for a label; arrays have a row for each."""

    lattice: Array
    indices: Array
    places: Array
    photons: Array
    partiality: Array
    amplitude: Array
    spacing: Array

    @classmethod
    def of(cls, crystals: list[Simulation], shot: DrawnShot, recipe: Recipe) -> _Found:
        """The reflections, crystal by crystal, in the order of prediction."""
        parts = [
            _strong(simulation, simulation.reflections(), place, shot.lattices[place].weight, recipe.labels.photons)
            for place, simulation in enumerate(crystals)
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
    )


def _of_spots(name: str, covered: Array, found: _Found) -> Array:
    if name == "lattice":
        return np.append(found.lattice, -1).astype(np.int8)[covered]
    return np.concatenate([found.indices, np.zeros((1, 3), np.int32)]).astype(np.int16)[covered]


def _wavelengths(crystals: list[Simulation], apart: list[torch.Tensor], shape: tuple[int, ...]) -> Array:
    """The mean over the photons of all crystals in angstrom, NaN where there are none: float32."""
    whole, weighted = np.zeros(shape), np.zeros(shape)
    for one, photons in zip(crystals, apart, strict=True):
        part, lengths = photons.cpu().numpy().astype(np.float64), one.labels().wavelength.cpu().numpy()
        lit = np.isfinite(lengths)
        whole += np.where(lit, part, 0.0)
        weighted += np.where(lit, part * np.where(lit, lengths, 0.0), 0.0)
    mean = np.divide(weighted, whole, out=np.full(shape, np.nan), where=whole > 0.0)
    return np.asarray(_ANGSTROM.from_si(mean), dtype=np.float32)


def told(recipe: Recipe, shot: DrawnShot) -> dict[str, Any]:
    """What was drawn for a shot, every name of the recipe with a number or a word; None where nothing was."""
    numeric = numbers_of(recipe)
    return {name: _plain(shot.values.get(name), numeric[name]) for name in recipe.names()}


def numbers_of(recipe: Recipe) -> dict[str, bool]:
    """Which of the values that are drawn for a shot are numbers."""
    every = [*(one for group in recipe.groups for one in group.alternatives), recipe.draws]
    return {name: all(one[name].numeric for one in every if name in one) for name in recipe.names()}


def _plain(value: Any, number: bool) -> Any:
    if value is None:
        return float("nan") if number else None
    if number:
        return float(value)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _column(name: str) -> str:
    return f"drawn_{name.lstrip('-')}"


def _axes(crystals: list[Simulation]) -> dict[str, Array]:
    """The vectors a, b and c of each crystal in the laboratory in angstrom, its blocks and the spindle not turned."""
    rows = [_cell_vectors(one) for one in crystals]
    every = np.stack(rows) if rows else np.zeros((0, 3, 3))
    names = [f"{vector}_{axis}" for vector in "abc" for axis in "xyz"]
    return {name: _ANGSTROM.from_si(every.reshape(-1, 9)[:, place]) for place, name in enumerate(names)}


def _cell_vectors(simulation: Simulation) -> Array:
    reciprocal = simulation.layout().plan.reciprocal_vectors.detach().cpu().numpy().astype(np.float64)
    return np.linalg.inv(reciprocal).T


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
