"""Which columns of a reflection file are the amplitudes."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from openbragg import InputError

AMPLITUDE, INTENSITY = "amplitude", "intensity"

#: Names of measured amplitudes, the most usual first; what stands between letters and digits does not count.
_MEASURED = ("F", "FP", "FOBS", "FO", "FMEAS", "FMEASAU", "FOBSFILTERED", "FNAT", "FNATIVE")
_CALCULATED = (
    *("FC", "FCALC", "FCALCAU", "FMODEL", "FCALL", "FCALLLS", "FCTOT", "FCALCTOT", "FCOMPLEX"),
    *("PDBXFCALCWITHSOLVENT", "ICALC", "INTENSITYCALC", "FSQUAREDCALC"),
)
#: Beginnings of the names of map coefficients: amplitudes of no crystal.
_MAPS = ("FWT", "DELF", "FDELWT", "2F", "3F", "FOFC", "MFO", "FDM", "FEM", "PDBXFWT", "PDBXDELFWT", "FDIFF", "ANOM")
_SIGNS = (("(+)", "(-)"), ("+", "-"), ("plus", "minus"), ("PLUS", "MINUS"), ("Plus", "Minus"), ("pos", "neg"))


@attrs.frozen
class Column:
    """One column of a file, or two that hold a Friedel pair.

    Attributes
    ----------
    labels
        One label, or those of h k l and of -h -k -l.
    quantity
        `AMPLITUDE` or `INTENSITY`.
    """

    labels: tuple[str, ...]
    quantity: str

    def text(self) -> str:
        """The labels as people write them."""
        return ",".join(self.labels)

    def rank(self) -> int:
        """0 for a Friedel pair, 1 for measured amplitudes, 2 for others, 3 for calculated ones, 4 for maps."""
        if len(self.labels) == 2:
            return 0
        name = re.sub(r"[^A-Z0-9]", "", self.labels[0].upper())
        if name in _MEASURED:
            return 1
        if name in _CALCULATED:
            return 3
        return 4 if name.startswith(_MAPS) else 2


def paired(columns: list[Column]) -> list[Column]:
    """Columns of single mates brought together as Friedel pairs; what finds no mate stays."""
    by_label = {column.labels[0]: column for column in columns}
    pairs: list[Column] = []
    used: set[str] = set()
    for column in columns:
        label = column.labels[0]
        for plus, minus in _SIGNS:
            partner = minus.join(label.rsplit(plus, 1))
            if plus in label and partner in by_label and by_label[partner].quantity == column.quantity:
                pairs.append(Column((label, partner), column.quantity))
                used |= {label, partner}
                break
    return [*pairs, *(column for column in columns if column.labels[0] not in used)]


def choose(
    path: Path, columns: list[Column], *, amplitudes: str | None, intensities: str | None, from_intensities: bool
) -> tuple[Column, str | None]:
    """The column that is asked for, or the obvious one.

    Parameters
    ----------
    path
        The file, for messages.
    columns
        All that hold amplitudes or intensities, in the order of the file, pairs together.
    amplitudes, intensities
        Labels that the user asks for; two with a comma make a pair.
    from_intensities
        Whether the obvious intensities are wanted.

    Returns
    -------
    The column, and a notice where there was a choice.

    Raises
    ------
    InputError
        When there is no such column, or none is obvious; the message has those there are.
    """
    for asked, quantity, flag in ((amplitudes, AMPLITUDE, "-F_label"), (intensities, INTENSITY, "-I_label")):
        if asked is not None:
            return _labelled(path, columns, asked, quantity, flag), None
    quantity = INTENSITY if from_intensities else AMPLITUDE
    fitting = [column for column in columns if column.quantity == quantity]
    usual = sorted((column for column in fitting if column.rank() < 4), key=_preference)
    flag = "-I_label" if from_intensities else "-F_label"
    if not usual:
        what = "intensities" if from_intensities else "amplitudes"
        others = _list(fitting) or "none of that kind"
        hint = ""
        if not from_intensities and (found := [column for column in columns if column.quantity == INTENSITY]):
            hint = f"; intensities {_list(found)} become amplitudes with -from_intensities"
        raise InputError(f"{path}: no column is obviously the {what}: {others}{hint}; name one with {flag}")
    best = [column for column in usual if column.rank() == usual[0].rank()]
    if len(best) > 1 and best[0].rank() in (0, 2):
        raise InputError(f"{path}: which of {_list(best)} to take is not obvious: name one with {flag}")
    if len(usual) == 1:
        return usual[0], None
    return usual[0], f"{path}: {usual[0].text()} is taken, of {_list(usual)}; {flag} chooses another"


def _labelled(path: Path, columns: list[Column], asked: str, quantity: str, flag: str) -> Column:
    labels = tuple(word.strip() for word in asked.split(","))
    singles = {label: column.quantity for column in columns for label in column.labels}
    for label in labels:
        if label not in singles:
            raise InputError(f"{path}: {flag} {asked}: there is no column {label!r}; there are {_list(columns)}")
        if singles[label] != quantity:
            other = "-I_label" if quantity == AMPLITUDE else "-F_label"
            raise InputError(f"{path}: {flag} {asked}: {label!r} holds no {quantity} but {singles[label]}; use {other}")
    if len(labels) > 2:
        raise InputError(f"{path}: {flag} {asked}: expected one label, or two of a Friedel pair")
    if len(labels) == 1:
        pairs = [column for column in columns if len(column.labels) == 2 and labels[0] in column.labels]
        return pairs[0] if pairs else Column(labels, quantity)
    return Column(labels, quantity)


def _preference(column: Column) -> tuple[int, int]:
    name = re.sub(r"[^A-Z0-9]", "", column.labels[0].upper())
    return column.rank(), _MEASURED.index(name) if name in _MEASURED else len(_MEASURED)


def _list(columns: list[Column]) -> str:
    return ", ".join(column.text() for column in columns)
