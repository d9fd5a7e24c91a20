"""MTZ files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from openbragg import InputError
from openbragg_plugins.structure_factors.columns import AMPLITUDE, INTENSITY, Column, paired, with_differences
from openbragg_plugins.structure_factors.other_kinds import other_kind
from openbragg_plugins.structure_factors.reflection_data import (
    ReflectionData,
    checked_cell,
    checked_group,
    checked_indices,
)
from openbragg_plugins.structure_factors.sources import as_file, complaints

if TYPE_CHECKING:
    import gemmi
    import numpy as np

#: Column types of amplitudes and intensities; G and K are those of one Friedel mate.
_TYPES = {"F": AMPLITUDE, "G": AMPLITUDE, "J": INTENSITY, "K": INTENSITY}
_MATES = ("G", "K")
#: Of h, k and l; and of anomalous differences.
_INDEX, _DIFFERENCE = "H", "D"
_PHASE = "P"
#: Columns that only unmerged files have.
_OF_OBSERVATIONS = ("M/ISYM", "M_ISYM", "BATCH")
#: Merged reflections are there once, but for a few by mistake.
_MOST_REPEATED = 0.1
#: A file's first record, and the size of a number in it.
_HEADER_BYTES = 80
_NUMBER_BYTES = 4
#: First byte of the mark of a machine that writes the lowest byte first.
_LITTLE_ENDIAN = b"D"
#: The record of the header that says how many columns, reflections and batches there are.
_SIZES = re.compile(rb"NCOL +([-+]?\d{1,18}) +([-+]?\d{1,18}) +([-+]?\d{1,18})")


def read_mtz(path: Path, content: bytes) -> ReflectionData:
    """Read merged reflections from an MTZ file.

    Raises
    ------
    InputError
        When it is no MTZ file, is damaged, unmerged, or lacks reflections, the cell or the space group.
    """
    import gemmi

    with complaints(path, "MTZ file"), as_file(content, ".mtz") as name:
        if not content.startswith(b"MTZ "):
            kind = other_kind(content[: _HEADER_BYTES * 4])
            raise InputError(f"{path}: not an MTZ file: {kind or 'it does not begin with MTZ'}")
        _check_size(path, content)
        mtz = gemmi.read_mtz_file(name)
    labels = [column.label for column in mtz.columns]
    observations = [label for label in labels if label.upper() in _OF_OBSERVATIONS]
    if mtz.batches or observations:
        sign = f"{len(mtz.batches)} batches" if mtz.batches else f"column {observations[0]}"
        raise InputError(f"{path}: the reflections are unmerged ({sign}): merge them first")
    cell = checked_cell(path, mtz.cell)
    group = checked_group(path, mtz.spacegroup, mtz.spacegroup_name, cell)
    if len(labels) < 3 or mtz.nreflections < 1:
        raise InputError(f"{path}: there are no reflections in the file")
    data = mtz.array
    indices = checked_indices(path, data[:, _index_columns(path, mtz)])
    _refuse_repeated(path, indices)
    by_label: dict[str, gemmi.Mtz.Column] = {}
    for column in mtz.columns:
        by_label.setdefault(column.label, column)

    def values(label: str) -> np.ndarray[Any, np.dtype[Any]]:
        column = data[:, labels.index(label)].astype("f8")
        # A file may mark what is missing by a number of its own.
        column[data[:, labels.index(label)] == mtz.valm] = float("nan")
        return column

    def wavelength(label: str) -> float | None:
        own = by_label[label].dataset_id
        every = sorted((dataset.id != own, dataset.wavelength) for dataset in mtz.datasets)
        return next((value for _, value in every if 0.0 < value < 1e6), None)

    columns = _columns(by_label, labels)
    taken = {label for column in columns for label in column.labels}
    unused = [label for label, column in by_label.items() if column.type == _DIFFERENCE and label not in taken]
    return ReflectionData(
        cell=cell,
        group=group,
        indices=indices,
        columns=columns,
        values=values,
        wavelength=wavelength,
        order=tuple(labels),
        phases=tuple(label for label, column in by_label.items() if column.type == _PHASE),
        notices=tuple(f"{path}: the differences {label} belong to no amplitudes, and are not used" for label in unused),
    )


def _check_size(path: Path, content: bytes) -> None:
    """Refuse a file that promises more numbers than there are, before memory is taken for them."""
    order: Literal["little", "big"] = "little" if content[8:9] == _LITTLE_ENDIAN else "big"
    start = int.from_bytes(content[4:8], order, signed=True)
    if start == -1:  # of a large file, the place is further on
        start = int.from_bytes(content[12:20], order, signed=True)
    if not 0 < _NUMBER_BYTES * (start - 1) < len(content):
        raise InputError(f"{path}: the header should be at number {start}, beyond the {len(content)} bytes of the file")
    for found in _SIZES.finditer(content):
        columns, reflections, batches = (int(word) for word in found.groups())
        claimed = _HEADER_BYTES + _NUMBER_BYTES * columns * reflections
        if min(columns, reflections) < 0 or claimed > len(content) or batches > len(content):
            raise InputError(
                f"{path}: {reflections} reflections of {columns} columns are {claimed} bytes, "
                f"and the file has {len(content)}"
            )


def _index_columns(path: Path, mtz: gemmi.Mtz) -> list[int]:
    """Where h, k and l are: by their names, or else the first three of their type."""
    of_type = [place for place, column in enumerate(mtz.columns) if column.type == _INDEX]
    named = {mtz.columns[place].label.upper(): place for place in reversed(of_type)}
    if all(name in named for name in "HKL"):
        return [named[name] for name in "HKL"]
    if len(of_type) < 3:
        raise InputError(f"{path}: expected columns H, K and L of type {_INDEX}, got {len(of_type)} of that type")
    return of_type[:3]


def _refuse_repeated(path: Path, indices: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Refuse reflections most of which are there several times: observations that nobody merged."""
    import numpy as np

    once = len(np.unique(indices, axis=0))
    if len(indices) - once > _MOST_REPEATED * once:
        raise InputError(
            f"{path}: the reflections are unmerged ({len(indices)} observations of {once}): merge them first"
        )


def _columns(by_label: dict[str, gemmi.Mtz.Column], order: list[str]) -> list[Column]:
    found = {label: column for label, column in by_label.items() if column.type in _TYPES}
    mates = [Column((label,), _TYPES[column.type]) for label, column in found.items() if column.type in _MATES]
    means = [Column((label,), _TYPES[column.type]) for label, column in found.items() if column.type not in _MATES]
    differences = [label for label, column in by_label.items() if column.type == _DIFFERENCE]
    # Programs give the type F to Friedel mates, too.
    return with_differences(paired([*mates, *means]), differences, order)
