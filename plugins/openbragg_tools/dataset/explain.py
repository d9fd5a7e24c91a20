"""What a recipe will make, in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from openbragg.commands import load_torch
from openbragg_tools.dataset.distributions import Distribution, RandomOrientation
from openbragg_tools.dataset.draws import DrawnShot, draw_shot
from openbragg_tools.dataset.recipe import KINDS, Recipe
from openbragg_tools.dataset.shots import render_shot
from openbragg_tools.dataset.studio import Studio, command_of

#: Bytes of a pixel in each array.
_BYTES = {"counts": 4, "photons": 4, "crystals": 4, "spots": 4, "lattice": 1, "hkl": 6, "wavelength": 4}
#: Shots that are drawn, and of which flags are read, to see that they can be.
_TRIED = 20
#: Of which so many are made to see how long it takes.
_TIMED = 5
_WIDTH = 16


def explained(studio: Studio, workers: int = 1) -> Iterator[str]:
    """Lines for people: the shots, what is drawn, an example, and how much disk and time it takes.

    The disk is what it is before compression; the time is that of so many workers, from a few shots that are made.

    Raises
    ------
    OpenBraggError
        When one of the first shots cannot be drawn or its flags cannot be used.
    """
    recipe = studio.recipe
    identity = recipe.identity()
    drawn = [draw_shot(recipe, number, identity) for number in range(_TRIED)]
    layouts = [
        studio.simulation(shot, place).layout() for shot in drawn for place in ([*range(len(shot.lattices))] or [None])
    ]
    panels = layouts[0].panels
    slow, fast = max(panel.rows().stop for panel in panels), max(panel.columns().stop for panel in panels)
    yield _line("shots", f"{recipe.shots} in {-(-recipe.shots // recipe.shard)} shards, seed {recipe.seed}")
    yield _line(
        "kinds", ", ".join(f"{kind} {100 * part:.3g} %" for kind, part in zip(KINDS, _parts(recipe), strict=True))
    )
    yield _line("all have", command_of(recipe.flags))
    for group in recipe.groups:
        yield _line("together", f"{', '.join(group.names())}: one of {len(group.alternatives)} sets")
    for name, distribution in recipe.draws.items():
        yield _line(name, _drawn(studio, name, distribution))
    yield _line("lattices", recipe.lattices.words())
    for name, distribution in recipe.lattice_draws.items():
        yield _line(f"  {name}", _drawn(studio, name, distribution))
    yield _line("  weight", recipe.lattice_weight.words())
    arrays = ["counts", *recipe.labels.arrays]
    several = recipe.images or 1
    size = several * slow * fast * sum(_BYTES[name] for name in arrays) * recipe.shots
    if recipe.images is not None:
        yield _line("a shot", f"{recipe.images} images, each turned on by -osc from the one before")
    yield _line("images", f"{fast} x {slow} pixels (fast x slow): {', '.join(arrays)}")
    yield _line("disk", f"{_bytes(size)} before compression")
    each = _seconds_a_shot(studio, drawn)
    whole = timedelta(seconds=round(each * recipe.shots / workers))
    yield _line("time", f"{each:.2g} s for a shot on one core, {whole} for all with --workers {workers}")
    example = drawn[0]
    yield _line("shot 0", f"{example.kind}: {command_of(studio.flags(example, 0 if example.lattices else None))}")


def _seconds_a_shot(studio: Studio, drawn: list[DrawnShot]) -> float:
    identity = studio.recipe.identity()
    # The first one of a crystal may compile, and loads what it needs.
    first = next((shot.number for shot in drawn if shot.lattices), 0)
    load_torch()
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        render_shot(studio, first, identity)
        began = time.perf_counter()
        for shot in drawn[:_TIMED]:
            render_shot(studio, shot.number, identity)
        return (time.perf_counter() - began) / _TIMED
    finally:
        torch.set_num_threads(threads)


def _drawn(studio: Studio, name: str, distribution: Distribution) -> str:
    """How a value is drawn, with the unit of its flag where it has one."""
    unit = "" if isinstance(distribution, RandomOrientation) else studio.unit(name)
    return ", ".join(filter(None, (distribution.words(), unit)))


def _bytes(size: float) -> str:
    """So many bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000.0:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:.3g} GB"


def _parts(recipe: Recipe) -> list[float]:
    return [kind / sum(recipe.kinds) for kind in recipe.kinds]


def _line(word: str, text: str) -> str:
    return f"{word:<{_WIDTH}}{text}" if len(word) < _WIDTH else f"{word} {text}"
