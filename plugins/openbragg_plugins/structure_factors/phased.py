"""Complex amplitudes of a reflection file, expanded to the P1 cell."""

from __future__ import annotations

from math import pi
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg import InputError

if TYPE_CHECKING:
    import gemmi
    import numpy as np

    from openbragg_plugins.structure_factors.columns import Column
    from openbragg_plugins.structure_factors.reflection_data import ReflectionData
    from openbragg_plugins.structure_factors.symmetry import Symmetry

    Whole = np.ndarray[Any, np.dtype[np.int64]]
    Complex = np.ndarray[Any, np.dtype[np.complex128]]


def parts_of(path: Path, data: ReflectionData, labels: str) -> tuple[Whole, Complex]:
    """h k l and F of two columns A and B, of the reflections that have both.

    Raises
    ------
    InputError
        When these are not two columns.
    """
    names = [word.strip() for word in labels.split(",")]
    if len(names) != 2:
        raise InputError(f"{path}: -AB_label {labels}: expected two labels, like A,B")
    first, second = (_values(path, data, name, f"-AB_label {labels}") for name in names)
    return _known(path, data, first + 1j * second)


def phased_of(path: Path, data: ReflectionData, column: Column, phase: str | None) -> tuple[Whole, Complex]:
    """h k l and F of a column of amplitudes and one of phases, of the reflections that have both.

    Without the label of the phases they are the first that stand behind the amplitudes, or the only ones.

    Raises
    ------
    InputError
        When the amplitudes are not in one column, or there are no such phases.
    """
    import numpy as np

    if len(column.labels) > 1:
        raise InputError(f"{path}: beside -atoms expected one column of amplitudes, not {column.text()}: see -F_label")
    label = phase or _phases_behind(path, data, column.labels[0])
    amplitude = _values(path, data, column.labels[0], "-F_label")
    return _known(path, data, amplitude * np.exp(1j * np.radians(_values(path, data, label, f"-phase_label {label}"))))


def expanded_phases(indices: Whole, factors: Complex, group: gemmi.SpaceGroup | Symmetry) -> tuple[Whole, Complex]:
    """Every mate of every reflection, some more than once, and its F; absent ones are left out.

    F(h R) is F(h) exp(-2 pi i h t) for an operation x' = R x + t, and Friedel mates are conjugates.
    """
    import gemmi
    import numpy as np

    operations = group.operations()
    there = ~operations.systematic_absences(np.ascontiguousarray(indices, dtype=np.int32))
    indices, factors = indices[there], factors[there]
    mates, values = [], []
    for operation in operations.sym_ops:
        shift = indices @ (np.array(operation.tran, dtype=np.float64) / gemmi.Op.DEN)
        mates.append(indices @ (np.array(operation.rot, dtype=np.int64) // gemmi.Op.DEN))
        values.append(factors * np.exp(-2j * pi * shift))
    whole, every = np.concatenate(mates), np.concatenate(values)
    return np.concatenate([-whole, whole]), np.concatenate([every.conj(), every])


def _phases_behind(path: Path, data: ReflectionData, label: str) -> str:
    order = data.order
    behind = [each for each in data.phases if label in order and order.index(each) > order.index(label)]
    if behind:
        return behind[0]
    if len(data.phases) == 1:
        return data.phases[0]
    listed = ", ".join(data.phases) or "none"
    raise InputError(f"{path}: which phases belong to {label} is not obvious ({listed}): name them with -phase_label")


def _values(path: Path, data: ReflectionData, label: str, flag: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    if label not in data.order:
        raise InputError(f"{path}: {flag}: there is no column {label!r}; there are {', '.join(data.order) or 'none'}")
    return data.values(label)


def _known(path: Path, data: ReflectionData, factors: Complex) -> tuple[Whole, Complex]:
    import numpy as np

    there = np.isfinite(factors)
    if not there.any():
        raise InputError(f"{path}: there is no reflection with an amplitude and a phase")
    return data.indices[there], factors[there]
