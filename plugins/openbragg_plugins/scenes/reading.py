"""What a JSON file says of a scene."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from openbragg import (
    Crystal,
    InputError,
    OpenBraggError,
    SceneCrystal,
    Shot,
    options_of,
    parse_json,
    quoted,
    read_content,
    unit,
)
from openbragg_plugins.scenes.laws import law_or_refuse, twinned_crystal
from openbragg_plugins.scenes.rotations import random_rotation

if TYPE_CHECKING:
    from openbragg import OptionSpec

_LARGEST_FILE = 1 << 24
_WHAT = "a scene of crystals"
#: Keys of a crystal that choose a plugin, with the hook and the field of `SceneCrystal`.
_PLUGINS = {
    "structure_factors": "structure_factors",
    "lattice_shape": "lattice_shapes",
    "mosaic_model": "mosaic_models",
    "diffuse": "diffuse_models",
}
_FIELDS = {"mosaic_model": "mosaic"}
#: Keys of a crystal that place it from where the mounted one is.
_PLACING = ("law", "rotation", "spread", "seed")
#: Fields of a crystal that its own keys stand for, or that belong to the whole shot.
_NOT_SAID = ("cell", "misset_seed", "reciprocal_vectors", "water")


@attrs.frozen
class ReadScene:
    """A scene from a file: its top object, and where it stands."""

    path: Path
    content: dict[str, Any]
    _made: dict[str, Any] = attrs.field(factory=dict, init=False, eq=False, repr=False)

    def shot(self, crystal: Crystal, image: int) -> Shot:
        """The crystals on a shot; arguments and errors as in `openbragg.SceneModel.shot`."""
        rows = self.content["crystals"]
        others = []
        for number, row in enumerate(rows, 1):
            try:
                others.append(self._crystal(crystal, row, (image, number)))
            except OpenBraggError as error:
                raise InputError(f"{self.path}: crystals[{number - 1}]: {error}") from None
        return Shot(weight=_number(self.content.get("weight", 1.0), "weight"), others=tuple(others))

    def reads(self) -> tuple[Path, ...]:
        """The files that its plugins read, each once."""
        found = []
        for row in self.content["crystals"]:
            for key in _PLUGINS:
                options = row.get(key) if isinstance(row, dict) else None
                if isinstance(options, dict) and isinstance(options.get("file"), str):
                    found.append(self._file(options["file"], key))
        return tuple(dict.fromkeys(found))

    def _crystal(self, crystal: Crystal, row: Any, draw: tuple[int, int]) -> SceneCrystal:
        if not isinstance(row, dict):
            raise InputError(f"expected an object, got {quoted(row)}")
        plugins = {_FIELDS.get(key, key): self._kept(key, row[key]) for key in _PLUGINS if key in row}
        taken = ("weight", *_PLUGINS, *_PLACING)
        made = _changed(crystal, {key: value for key, value in row.items() if key not in taken})
        return SceneCrystal(_placed(made, row, draw), _number(row.get("weight", 1.0), "weight"), **plugins)

    def _kept(self, key: str, said: Any) -> Any:
        """A plugin, made once: what it prepared serves all images of a series."""
        words = json.dumps([key, said])
        if words not in self._made:
            self._made[words] = self._plugin(key, said)
        return self._made[words]

    def _plugin(self, key: str, said: Any) -> Any:
        """A plugin by its name; by a file that says what it is; or with its options, in the units of their flags."""
        from openbragg import plugin, structure_factors_of

        if isinstance(said, str):
            return plugin(_PLUGINS[key], said)
        if not isinstance(said, dict) or not isinstance(said.get("name", ""), str):
            raise InputError(f"{key}: expected a name or an object, got {quoted(said)}")
        options = {word: value for word, value in said.items() if word != "name"}
        if "name" not in said:
            if key != "structure_factors" or list(options) != ["file"]:
                raise InputError(f"{key}: the key name is missing")
            return structure_factors_of(self._file(options["file"], key))
        specs = dict(options_of(type(plugin(_PLUGINS[key], said["name"]))))
        for word, value in options.items():
            spec = specs.get(word) or next((each for each in specs.values() if f"-{word}" in each.flags), None)
            if spec is not None:
                options[word] = self._value(word, spec, value)
        return plugin(_PLUGINS[key], said["name"], **options)

    def _value(self, word: str, spec: OptionSpec, value: Any) -> Any:
        if spec.type is Path or (spec.input and isinstance(value, str)):
            return self._file(value, word)
        return _in_si(word, spec, value)

    def _file(self, name: Any, key: str) -> Path:
        """A file in the folder of the scene's, or below: a scene from a stranger reads nothing else."""
        folder = self.path.resolve().parent
        if not isinstance(name, str) or not (folder / name).resolve().is_relative_to(folder):
            raise InputError(f"{key}: expected a file in the folder of the scene, got {quoted(name)}")
        return self.path.parent / name


def read_scene(path: Path) -> ReadScene:
    """Read a file.

    Raises
    ------
    InputError
        When it is none of a scene; one line that names the file.
    """
    return _read(path, read_content(path, _LARGEST_FILE, _WHAT))


@lru_cache(maxsize=8)
def _read(path: Path, text: bytes) -> ReadScene:
    content = parse_json(text, path, _WHAT)
    if not isinstance(content, dict) or not isinstance(content.get("crystals"), list):
        raise InputError(f"{path}: not {_WHAT}: expected an object with a list of crystals")
    for key in content:
        if key not in ("weight", "crystals"):
            raise InputError(f"{path}: unknown key {quoted(key)}; expected weight and crystals")
    return ReadScene(path, content)


def _changed(crystal: Crystal, said: dict[str, Any]) -> Crystal:
    """The mounted crystal with what a row says of it, by the flags that say it of one, without their dash."""
    said = dict(said)
    changes: dict[str, Any] = {}
    if "cell" in said:
        # Another lattice: how the mounted one stands does not tell how this one does.
        changes |= {"cell": _cell(said.pop("cell")), "reciprocal_vectors": None, "misset": None}
    fields: dict[str, tuple[str, OptionSpec, int | None]] = {}
    for field, spec in options_of(Crystal):
        if field not in _NOT_SAID:
            fields |= {flag.lstrip("-"): (field, spec, None) for flag in spec.flags}
            parts = enumerate(spec.components)
            fields |= {flag.lstrip("-"): (field, spec, place) for place, flags in parts for flag in flags}
    for key, value in said.items():
        if key not in fields:
            known = ["weight", "cell", *_PLACING, *_PLUGINS, *(word for word in fields if fields[word][2] is None)]
            raise InputError(f"unknown key {quoted(key)}; expected one of {', '.join(known)}")
        field, spec, place = fields[key]
        made = _in_si(key, spec, value)
        if place is not None:
            before = changes.get(field, getattr(crystal, field))
            made = (*before[:place], made, *before[place + 1 :])
        elif spec.components and not isinstance(made, tuple):
            made = (made,) * len(spec.components)
        changes[field] = made
    return attrs.evolve(crystal, **changes)


def _placed(crystal: Crystal, row: dict[str, Any], draw: tuple[int, int]) -> Crystal:
    """Turned on from where it is: by a twin law, by angles about x, then y, then z, and at random."""
    from openbragg import rotation_xyz, turned_crystal

    if "law" in row:
        crystal = twinned_crystal(crystal, law_or_refuse(row["law"], "law"))
    if "rotation" in row:
        crystal = turned_crystal(crystal, rotation_xyz(_angles(row["rotation"], "rotation")))
    if "spread" not in row:
        if "seed" in row:
            raise InputError("seed: expected with spread")
        return crystal
    spread = math.pi if row["spread"] == "random" else unit("deg").to_si(_number(row["spread"], "spread"))
    seed = row.get("seed", 1)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InputError(f"seed: expected a whole number, got {quoted(seed)}")
    return turned_crystal(crystal, random_rotation(spread, seed, *draw))


def _cell(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 6:
        raise InputError(f"cell: expected a, b, c in A and alpha, beta, gamma in degrees, got {quoted(value)}")
    numbers = [_number(each, "cell") for each in value]
    return (*map(unit("A").to_si, numbers[:3]), *map(unit("deg").to_si, numbers[3:]))


def _angles(value: Any, where: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 3:
        raise InputError(f"{where}: expected three angles in degrees, got {quoted(value)}")
    return tuple(unit("deg").to_si(_number(each, where)) for each in value)


def _in_si(word: str, spec: OptionSpec, value: Any) -> Any:
    """The value of an option, in the unit of its flag."""
    if spec.type is float:
        if isinstance(value, list):
            return tuple(unit(spec.unit).to_si(_number(each, word)) for each in value)
        return unit(spec.unit).to_si(_number(value, word))
    return tuple(value) if isinstance(value, list) else value


def _number(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InputError(f"{where}: expected a number, got {quoted(value)}")
    return float(value)
