"""One shot: its images, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from openbragg import ImageSetup, unit
from openbragg_tools.dataset.draws import DrawnShot, draw_shot
from openbragg_tools.dataset.frames import Crystal, Frame, render_frame
from openbragg_tools.dataset.masters import setup_of
from openbragg_tools.dataset.recipe import Recipe
from openbragg_tools.dataset.spots import Array
from openbragg_tools.dataset.studio import Studio, command_of

if TYPE_CHECKING:
    from openbragg import Simulation

_ANGSTROM = unit("A")


@attrs.frozen(eq=False)
class Shot:
    """What is stored of a shot.

    Attributes
    ----------
    number
        Of the shot, from 0.
    stacked
        Whether it is of several images, so that arrays have an axis more, the first.
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
    stacked: bool
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
    recipe = studio.recipe
    shot = draw_shot(recipe, number, identity)
    every = [studio.simulation(shot, place) for place in range(len(shot.lattices))]
    whole = studio.images(every[0] if every else studio.simulation(shot), shot)
    for image in whole:
        # The first crystal alone then is this but for the backgrounds, and not laid out anew.
        image.layout()
    crystals = [[image.evolve(backgrounds=()) for image in whole]] if every else []
    crystals += [studio.images(one.evolve(backgrounds=()), shot) for one in every[1:]]
    frames: list[Frame] = []
    for place, image in enumerate(whole):
        alone = [Crystal(images[place], drawn.weight) for images, drawn in zip(crystals, shot.lattices, strict=True)]
        frames.append(render_frame(image, alone, shot.kind, place, recipe.labels, frames))
    stacked = recipe.images is not None
    arrays = {
        name: np.stack([frame.arrays[name] for frame in frames]) if stacked else frames[0].arrays[name]
        for name in frames[0].arrays
    }
    reflections = {
        name: np.concatenate([frame.reflections[name] for frame in frames]) for name in frames[0].reflections
    }
    count = len(reflections["h"])
    row = {
        "shot": number,
        "kind": shot.kind,
        "lattices": len(shot.lattices),
        "noise_seed": shot.seed,
        "reflections": count,
        "d_min": float(reflections["d"].min()) if count else float("nan"),
        "photons": sum(frame.photons for frame in frames),
        "crystal_photons": sum(frame.crystal_photons for frame in frames),
        "flags": command_of(studio.flags(shot)),
        **{_column(name): value for name, value in told(recipe, shot).items()},
    }
    lattices: dict[str, Array] = {
        "shot": np.full(len(shot.lattices), number, dtype=np.int64),
        "lattice": np.arange(len(shot.lattices), dtype=np.int32),
        "weight": np.array([drawn.weight for drawn in shot.lattices], dtype=np.float64),
        "flags": np.array([command_of(studio.flags(shot, place)) for place in range(len(shot.lattices))], dtype=object),
        **_axes([images[0] for images in crystals]),
    }
    of_shot: dict[str, Array] = {"shot": np.full(count, number, dtype=np.int64)}
    setup = None if studio.linking is None else setup_of(studio.linking, whole, arrays["counts"].dtype.name)
    return Shot(number, stacked, arrays, row, lattices, {**of_shot, **reflections}, setup)


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
