"""A recipe: what all shots of a data set have in common, and what varies."""

from __future__ import annotations

import hashlib
import json
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import attrs

from openbragg import InputError, quoted, read_content
from openbragg_tools.dataset.distributions import Distribution, Fixed, Integers, Value
from openbragg_tools.dataset.keys import refuse_other_keys, table, whole, yes
from openbragg_tools.dataset.labels import Labels, labels_of
from openbragg_tools.dataset.values import distribution, read_table, weights_of

#: Bytes of a recipe; what is longer is none.
_LARGEST = 1 << 20
#: What a shot may be: of a crystal in the beam, of a beam that misses it, or without any beam.
KINDS = ("hit", "miss", "blank")


@attrs.frozen
class Group:
    """Values that are drawn together: one of several sets of them."""

    name: str
    alternatives: tuple[Mapping[str, Distribution], ...]
    weights: tuple[float, ...]

    def names(self) -> tuple[str, ...]:
        """The names of all values that it may set."""
        return tuple(dict.fromkeys(name for one in self.alternatives for name in one))


@attrs.frozen(kw_only=True)
class Recipe:
    """A recipe, understood.

    Attributes
    ----------
    file, text
        Where it was read, and what stands there.
    shots, seed
        How many shots are made by default, and the seed of everything that is drawn.
    shard
        Shots in one file.
    images
        How many a shot has, each turned on by ``-osc`` from the one before; None for one that is no series.
    nxmx
        Whether files are made beside the shards that show them as NXmx.
    flags
        Flags of ``openbragg simulate`` that all shots have.
    kinds
        The chance of each of `KINDS`.
    draws
        From what each flag, and each value that is none, is drawn, in an order in which it can be.
    groups
        Values that are drawn together, before the others.
    lattices, lattice_draws, lattice_weight
        How many crystals are on a hit, what is drawn anew for each, and by what the photons of each are multiplied.
    labels
        Which labels are made.
    """

    file: Path
    text: str
    shots: int
    seed: int
    shard: int
    images: int | None
    nxmx: bool
    flags: tuple[str, ...]
    kinds: tuple[float, ...]
    draws: Mapping[str, Distribution]
    groups: tuple[Group, ...]
    lattices: Distribution
    lattice_draws: Mapping[str, Distribution]
    lattice_weight: Distribution
    labels: Labels
    told: Mapping[str, Any] = attrs.field(repr=False)

    def identity(self) -> str:
        """A hash of all that decides a shot, but for the seed and the contents of files."""
        deciding = {key: value for key, value in self.told.items() if key not in _NOT_DECIDING}
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    def names(self) -> tuple[str, ...]:
        """The names of all that is drawn for a shot, groups first."""
        return tuple(dict.fromkeys([*(name for group in self.groups for name in group.names()), *self.draws]))


def read_recipe(file: Path) -> Recipe:
    """Read a recipe from a TOML file.

    Raises
    ------
    InputError
        When it is none; the message is one line, with the key.
    """
    try:
        text = read_content(file, _LARGEST, "a recipe").decode("utf-8")
        told = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InputError(f"{file}: expected a recipe in TOML, which is UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: {error}") from None
    try:
        return _understood(file, text, told)
    except InputError as error:
        line = str(error)
        raise InputError(line if line.startswith(f"{file}: ") else f"{file}: {line}") from None


#: Keys that say how many shots there are and how they are stored, and not what they are.
_NOT_DECIDING = ("shots", "seed", "shard", "nxmx")
_KEYS = ("shots", "seed", "shard", "images", "nxmx", "flags", "kinds", "draw", "groups", "lattices", "labels")


def _understood(file: Path, text: str, told: dict[str, Any]) -> Recipe:
    refuse_other_keys("", told, _KEYS)
    folder = file.parent
    lattices = table(told, "lattices")
    refuse_other_keys("lattices.", lattices, ("number", "weight", "draw"))
    groups = tuple(_group(name, group, folder) for name, group in table(told, "groups").items())
    grouped = [name for group in groups for name in group.names()]
    return Recipe(
        file=file,
        text=text,
        shots=whole(told, "shots", 1000, 1),
        seed=whole(told, "seed", 1, 0),
        shard=whole(told, "shard", 100, 1),
        images=whole(told, "images", 1, 1) if "images" in told else None,
        nxmx=yes(told, "nxmx", True),
        flags=_flags(told.get("flags", "")),
        kinds=_kinds(table(told, "kinds")),
        draws=_ordered("draw", _distributions("draw", table(told, "draw"), folder), grouped),
        groups=groups,
        lattices=_number_of_lattices(lattices.get("number", 1), folder),
        lattice_draws=_ordered(
            "lattices.draw",
            _distributions("lattices.draw", table(lattices, "draw", "lattices."), folder),
            [*grouped, *table(told, "draw")],
        ),
        lattice_weight=_named("lattices.weight", lambda: distribution(lattices.get("weight", 1.0), folder)),
        labels=labels_of(table(told, "labels")),
        told=told,
    )


def _flags(told: Any) -> tuple[str, ...]:
    if isinstance(told, str):
        try:
            return tuple(shlex.split(told))
        except ValueError as error:
            raise InputError(f"flags: {error}") from None
    if not isinstance(told, list) or not all(isinstance(word, str | int | float) for word in told):
        raise InputError(f"flags: expected a text, or a list of words, got {quoted(told)}")
    return tuple(map(str, told))


def _kinds(told: Mapping[str, Any]) -> tuple[float, ...]:
    refuse_other_keys("kinds.", told, KINDS)
    weights = [told.get(kind, 0.0) for kind in KINDS] if told else [1.0, 0.0, 0.0]
    chances: tuple[float, ...] = _named("kinds", lambda: weights_of(weights, len(KINDS)))
    return chances


def _distributions(where: str, told: Mapping[str, Any], folder: Path) -> dict[str, Distribution]:
    return {name: _named(f"{where}.{name}", partial(distribution, value, folder)) for name, value in told.items()}


def _named(where: str, made: Callable[[], Any]) -> Any:
    try:
        return made()
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _ordered(where: str, draws: Mapping[str, Distribution], before: Iterable[str]) -> dict[str, Distribution]:
    """The draws so that each follows those that it needs."""
    called = {name.lstrip("-"): name for name in draws}
    known = {name.lstrip("-") for name in before}
    for name, drawn in draws.items():
        for need in drawn.needs:
            if need not in called and need not in known:
                raise InputError(f"{where}.{name}: nothing is called {quoted(need)}")
    needs = {name: [called[need] for need in drawn.needs if need in called] for name, drawn in draws.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise InputError(f"{where}: values that depend on each other in a circle: {', '.join(error.args[1])}") from None
    return {name: draws[name] for name in order}


def _group(name: str, told: Any, folder: Path) -> Group:
    where = f"groups.{name}"
    if not isinstance(told, dict):
        raise InputError(f"{where}: expected a table, got {quoted(told)}")
    refuse_other_keys(f"{where}.", told, ("alternatives", "table", "weights"))
    if ("alternatives" in told) == ("table" in told):
        raise InputError(f"{where}: expected either alternatives or a table")
    if "table" in told:
        if not isinstance(told["table"], str):
            raise InputError(f"{where}.table: expected the name of a file, got {quoted(told['table'])}")
        columns = read_table(folder / told["table"])
        rows = zip(*columns.values(), strict=True)
        alternatives: list[dict[str, Distribution]] = [dict(zip(columns, map(Fixed, row), strict=True)) for row in rows]
    else:
        listed = told["alternatives"]
        if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
            raise InputError(f"{where}.alternatives: expected a list of tables, got {quoted(listed)}")
        alternatives = [
            dict(_ordered(f"{where}.{number}", _distributions(f"{where}.{number}", one, folder), ()))
            for number, one in enumerate(listed)
        ]
    weights = _named(where, lambda: weights_of(told.get("weights"), len(alternatives)))
    return Group(name, tuple(alternatives), weights)


def _number_of_lattices(told: Any, folder: Path) -> Distribution:
    drawn: Distribution = _named("lattices.number", lambda: distribution(told, folder))
    if isinstance(drawn, Integers) and drawn.low < 1:
        raise InputError(
            "lattices.number: expected whole numbers from 1; a shot without a crystal is a miss, see kinds"
        )
    return drawn


def whole_lattices(value: Value) -> int:
    """The number of lattices, from what was drawn.

    Raises
    ------
    InputError
        When it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 1:
        raise InputError(f"lattices.number: expected a whole number above 0, got {quoted(value)}")
    return int(value)
