"""Continuous settings of the experiment and of its plugins as parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from openbragg import NOT_NEGATIVE, POSITIVE, Experiment, OptionSpec, Simulation, UsageError, options_of, scalar
from openbragg_tools.refine.parameters import CELL_PART, FACTOR, GROUPS, TURN, Parameter

#: Parts of an experiment, and plugins of a simulation, whose settings can be refined.
_PARTS, _PLUGINS = ("crystal", "beam", "detector"), ("mosaic", "spectrum", "lattice_shape", "structure_factors")
#: Settings of the experiment that are refined by their logarithms, for they are widths or numbers; those of plugins are
#: where they may not be below 0.
_LOGARITHMIC = ("cells", "mosaic_spread", "divergence_range", "dispersion")
#: Names that crystallographers have for the numbers of a setting.
_NAMES = {
    "cells": ("N_a", "N_b", "N_c"),
    "cells_offdiagonal": ("N_d", "N_e", "N_f"),
    "spreads": ("mosaic_1", "mosaic_2", "mosaic_3"),
}
#: How far a step may take what starts from 0, by unit, in SI units.
_FROM_NOTHING = {"cells": 2.0, "A": 3e-13, "mm": 2e-4, "mrad": 1e-3, "electrons": 2.0}


def evolved(simulation: Simulation, parts: dict[str, Any], fields: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """What `Simulation.evolve` takes for numbers of some fields.

    Parameters
    ----------
    parts
        Parts of the experiment that have changed already, by name.
    fields
        By what frees them, the numbers of fields: tensors, ().
    """
    changed = dict(parts)
    for name, numbers in fields.items():
        part, field, _ = _field(simulation, name)
        whole = changed[part] if part in changed else _part(simulation, simulation.experiment, part)
        held = getattr(whole, field)
        changed[part] = attrs.evolve(whole, **{field: tuple(numbers) if _several(held) else numbers[0]})
    return changed


def field_parameters(simulation: Simulation, experiment: Experiment, name: str) -> list[Parameter]:
    """The numbers of a setting of the experiment, whose blanks are filled, or of a plugin.

    Raises
    ------
    UsageError
        When there is no such setting, or it has no value from which a refinement can start.
    """
    part, field, spec = _field(simulation, name)
    held = getattr(_part(simulation, experiment, part), field)
    values = list(held) if _several(held) else [held]
    if any(value is None or not np.isscalar(scalar(value).item()) for value in values):
        raise UsageError(f"free: {name} has no value to start from: give it one")
    labels: Sequence[str] = [field] if len(values) == 1 else [f"{field}_{place}" for place in range(1, len(values) + 1)]
    labels = _NAMES.get(field, labels)
    width = part in _PLUGINS and spec.rule in (POSITIVE, NOT_NEGATIVE)
    logarithmic = field in _LOGARITHMIC or width
    made = []
    for label, value in zip(labels, map(float, values), strict=True):
        if logarithmic and value <= 0.0:
            raise UsageError(f"free: {name} cannot start from 0: give it a value")
        inside = math.log(value) if logarithmic else value
        made.append(Parameter(label, name, inside, _stride(value, spec, logarithmic), spec.unit, logarithmic))
    return made


def _stride(value: float, spec: OptionSpec, logarithmic: bool) -> float:
    if logarithmic:
        return FACTOR
    if spec.unit == "deg":
        return TURN
    return CELL_PART * abs(value) or _FROM_NOTHING.get(spec.unit, 1e-3)


def _several(held: Any) -> bool:
    return isinstance(held, tuple | list)


def _part(simulation: Simulation, experiment: Experiment, part: str) -> Any:
    return getattr(simulation if part in _PLUGINS else experiment, part)


def _field(simulation: Simulation, name: str) -> tuple[str, str, OptionSpec]:
    """The part of the experiment, or the plugin, and the field that a name means, and how the field is told."""
    asked, _, field = name.rpartition(".")
    for part in (*_PARTS, *_PLUGINS):
        cls = type(_part(simulation, simulation.experiment, part))
        spec = dict(options_of(cls)).get(field) if attrs.has(cls) else None
        if asked in ("", part) and spec is not None and spec.type is float:
            return part, field, spec
    raise UsageError(f"free: expected some of {', '.join(GROUPS)}, or continuous settings such as distance; got {name}")
