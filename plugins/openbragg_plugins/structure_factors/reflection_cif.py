"""Reflections of a CIF: mmCIF, and the lists of small molecules (.fcf)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg import InputError
from openbragg_plugins.structure_factors.columns import AMPLITUDE, INTENSITY, Column, paired
from openbragg_plugins.structure_factors.crystal_file import cell_of, operations_of, wavelength_of
from openbragg_plugins.structure_factors.reflection_data import (
    ReflectionData,
    checked_cell,
    checked_group,
    checked_indices,
    refuse_misfit,
)
from openbragg_plugins.structure_factors.sources import complaints, text_of

if TYPE_CHECKING:
    import gemmi
    import numpy as np

#: Items of the category _refln that hold amplitudes or intensities.
_QUANTITIES = {
    **dict.fromkeys(
        [
            *("F_meas_au", "F_meas", "pdbx_F_plus", "pdbx_F_minus", "F_calc_au", "F_calc"),
            *("pdbx_F_calc_with_solvent", "pdbx_F_calc_part_solvent", "pdbx_FWT", "pdbx_DELFWT"),
        ],
        AMPLITUDE,
    ),
    **dict.fromkeys(
        [
            *("intensity_meas", "F_squared_meas", "pdbx_I_plus", "pdbx_I_minus"),
            *("intensity_calc", "F_squared_calc"),
        ],
        INTENSITY,
    ),
}
#: Statuses of systematically absent and unreliable reflections.
_UNUSED = ("-", "x")
_STATUSES = ("status", "observed_status", "include_status")
#: What begins the name of an item: of mmCIF, and of a small molecule.
_CATEGORIES = ("_refln.", "_refln_")


def read_reflection_cif(path: Path, content: bytes, block: str | None) -> ReflectionData:
    """Read merged reflections from a block of a CIF, by default from the first that has some.

    Raises
    ------
    InputError
        When it is no such file, there is no such block, or it lacks reflections, the cell or the space group.
    """
    import gemmi

    with complaints(path, "mmCIF reflection file"):
        document = gemmi.cif.read_string(text_of(content))
        lists = [block for block in document if block.find_loop("_refln_index_h")]
        blocks = list(map(gemmi.hkl_cif_as_refln_block, lists)) or list(gemmi.as_refln_blocks(document))
    chosen = _block(path, blocks, block)
    loop = chosen.default_loop
    with complaints(path, "mmCIF reflection file"):
        small = next(iter(loop.tags)).startswith("_refln_")
        cell = (cell_of(path, chosen.block) if small else None) or checked_cell(path, chosen.cell)
        group = (operations_of(path, chosen.block, cell) if small else None) or checked_group(
            path, chosen.spacegroup, _group_name(chosen), cell
        )
        refuse_misfit(path, group, cell)
        labels = [label for label in chosen.column_labels() if label in _QUANTITIES]
        indices = checked_indices(path, _indices(path, chosen))
    tags = [tag[len(_CATEGORIES[0]) :] for tag in loop.tags]
    columns = paired([Column((label,), _QUANTITIES[label]) for label in labels if label in tags])
    measured = {column.quantity for column in columns if column.rank() < 3}

    def values(label: str) -> np.ndarray[Any, np.dtype[Any]]:
        return _numbers(path, chosen, label)

    def wavelength(label: str) -> float | None:
        return wavelength_of(chosen.block)

    return ReflectionData(
        cell=cell,
        group=group,
        indices=indices,
        columns=columns,
        values=values,
        wavelength=wavelength,
        part=f"block {chosen.block.name}" if len(blocks) > 1 else "",
        measures_intensities=small and measured == {INTENSITY},
    )


def _block(path: Path, blocks: list[gemmi.ReflnBlock], name: str | None) -> gemmi.ReflnBlock:
    merged = [block for block in blocks if block.default_loop is not None and block.is_merged()]
    if name is not None:
        found = [block for block in blocks if block.block.name == name]
        if not found:
            names = ", ".join(block.block.name for block in blocks)
            raise InputError(f"{path}: -block {name}: there is no such block; there are {names or 'none'}")
        merged = [block for block in merged if block.block.name == name]
    if not merged:
        unmerged = any(block.is_unmerged() for block in blocks)
        raise InputError(
            f"{path}: the reflections are unmerged: merge them first"
            if unmerged
            else f"{path}: there are no reflections in the {'block' if name else 'file'}"
        )
    return merged[0]


def _group_name(block: gemmi.ReflnBlock) -> str:
    for tag in ("_symmetry.space_group_name_H-M", "_space_group.name_H-M_alt"):
        value = block.block.find_value(tag)
        if value:
            import gemmi

            return "" if gemmi.cif.is_null(value) else str(gemmi.cif.as_string(value))
    return ""


def _indices(path: Path, block: gemmi.ReflnBlock) -> Any:
    import numpy as np

    columns = [_strings(block, f"index_{axis}") for axis in "hkl"]
    if any(column is None for column in columns):
        raise InputError(f"{path}: the reflections have no indices _refln.index_h, index_k and index_l")
    try:
        return np.array([[int(word) for word in column] for column in columns if column is not None], dtype="f8").T
    except (ValueError, OverflowError):
        for number, words in enumerate(zip(*(column or [] for column in columns), strict=True), start=1):
            if not all(word.lstrip("+-").isdigit() and len(word) < 10 for word in words):
                shown = " ".join(words)[:60]
                raise InputError(f"{path}, reflection {number}: expected three whole indices, got {shown!r}") from None
        raise


def _numbers(path: Path, block: gemmi.ReflnBlock, label: str) -> np.ndarray[Any, np.dtype[Any]]:
    """The numbers of an item, NaN for those that are unknown, and for those that their status says not to use."""
    import gemmi
    import numpy as np

    words = _strings(block, label)
    assert words is not None
    numbers = np.array([gemmi.cif.as_number(word) for word in words], dtype="f8")
    for place in np.flatnonzero(~np.isfinite(numbers)).tolist():
        if not gemmi.cif.is_null(words[place]):
            raise InputError(
                f"{path}, reflection {place + 1}: expected a number for _refln.{label}, got {words[place][:40]!r}"
            )
    for name in _STATUSES if "calc" not in label else ():
        if (status := _strings(block, name)) is not None:
            numbers[np.isin(np.array([word.strip("'\"") for word in status]), _UNUSED)] = np.nan
    return numbers


def _strings(block: gemmi.ReflnBlock, label: str) -> list[str] | None:
    loop = block.default_loop
    tags = list(loop.tags)
    for category in _CATEGORIES:
        if f"{category}{label}" in tags:
            return list(loop.values)[tags.index(f"{category}{label}") :: len(tags)]
    return None
