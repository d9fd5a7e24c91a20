"""What a shot is: all that is drawn for it, from the recipe, the seed and its number alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from openbragg import InputError
from openbragg_tools.dataset.distributions import Distribution, Value, pick
from openbragg_tools.dataset.recipe import KINDS, Recipe, whole_lattices

#: Seeds of the noise lie below; so many are what every noise model takes.
_SEEDS = 1 << 31


@attrs.frozen
class DrawnLattice:
    """What was drawn for one crystal of a shot.

    Attributes
    ----------
    values
        By flag, or by the name of a value that is none.
    weight
        By what its photons are multiplied.
    """

    values: Mapping[str, Value]
    weight: float


@attrs.frozen
class DrawnShot:
    """What was drawn for a shot.

    Attributes
    ----------
    number
        Of the shot, from 0.
    kind
        One of `recipe.KINDS`.
    seed
        Of the noise.
    values
        By flag, or by the name of a value that is none.
    lattices
        Its crystals; none but for a hit.
    """

    number: int
    kind: str
    seed: int
    values: Mapping[str, Value]
    lattices: tuple[DrawnLattice, ...]


class Dice:
    """Random numbers of one shot: an independent sequence for each thing that is drawn.

    Nothing that is added to a recipe moves the others but through the recipe's own hash, and no shot knows of another.
    """

    def __init__(self, identity: str, seed: int, number: int) -> None:
        self._start = f"{identity}/{seed}/{number}"

    def bits(self, what: str) -> int:
        """128 bits that belong to a name."""
        return int.from_bytes(hashlib.sha256(f"{self._start}/{what}".encode()).digest()[:16], "big")

    def random(self, what: str) -> np.random.Generator:
        """The sequence that belongs to a name: Philox, its key being the bits."""
        return np.random.Generator(np.random.Philox(key=self.bits(what)))


def draw_shot(recipe: Recipe, number: int, identity: str | None = None) -> DrawnShot:
    """Draw a shot.

    Parameters
    ----------
    recipe, number
        What it is a function of; the recipe has the seed.
    identity
        The recipe's, where it is known already.

    Raises
    ------
    InputError
        When a value cannot be drawn.
    """
    dice = Dice(identity or recipe.identity(), recipe.seed, number)
    kind = KINDS[pick(dice.random("kind"), recipe.kinds)]
    values: dict[str, Value] = {}
    for group in recipe.groups:
        chosen = group.alternatives[pick(dice.random(f"group/{group.name}"), group.weights)]
        values.update(_drawn(chosen, dice, f"group/{group.name}/", {}))
    values.update(_drawn(recipe.draws, dice, "draw/", values))
    lattices = []
    if kind == "hit":
        count = whole_lattices(recipe.lattices.draw(dice.random("lattices"), _known(values)))
        for place in range(count):
            own = _drawn(recipe.lattice_draws, dice, f"lattice/{place}/", values)
            weight = recipe.lattice_weight.draw(dice.random(f"weight/{place}"), _known({**values, **own}))
            lattices.append(DrawnLattice(own, _weight(weight)))
    return DrawnShot(number, kind, dice.bits("noise") % _SEEDS, values, tuple(lattices))


def words_of(values: Mapping[str, Value]) -> list[str]:
    """The flags among values that were drawn, as words of a command line."""
    words: list[str] = []
    for name, value in values.items():
        if name.startswith("-") and value is not None and value is not False:
            words.append(name)
            words.extend(_words(value))
    return words


def _drawn(draws: Mapping[str, Distribution], dice: Dice, where: str, before: Mapping[str, Value]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, drawn in draws.items():
        try:
            values[name] = drawn.draw(dice.random(where + name), _known({**before, **values}))
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    return {name: values[name] for name in draws}


def _known(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name.lstrip("-"): value for name, value in values.items()}


def _weight(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        raise InputError(f"lattices.weight: expected a number from 0, got {value!r}")
    return float(value)


def _words(value: Value) -> Iterable[str]:
    if value is True:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [word for part in value for word in _words(part)]
    # The shortest words that give the same number again.
    return (repr(value) if isinstance(value, float) else str(value),)
