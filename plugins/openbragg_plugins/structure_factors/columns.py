"""Which columns of a reflection file are the amplitudes."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from openbragg import InputError

AMPLITUDE, INTENSITY = "amplitude", "intensity"

#: Names of measured amplitudes and intensities, the most usual first; what stands between letters and digits does not
#: count.
_MEASURED = (
    *("F", "FP", "FOBS", "FO", "FMEAS", "FMEASAU", "FOBSFILTERED", "FNAT", "FNATIVE"),
    *("IMEAN", "I", "IOBS", "INTENSITYMEAS", "FSQUAREDMEAS", "IOBSFILTERED"),
)
_CALCULATED = (
    *("FC", "FCALC", "FCALCAU", "FMODEL", "FCALL", "FCALLLS", "FCTOT", "FCALCTOT", "FCOMPLEX"),
    *("PDBXFCALCWITHSOLVENT", "ICALC", "INTENSITYCALC", "FSQUAREDCALC"),
)
#: Beginnings of the names of map coefficients, and of parts of a structure: amplitudes of no crystal.
_MAPS = (
    *("FWT", "DELF", "FDELWT", "2F", "3F", "FOFC", "MFO", "FDM", "FEM", "PDBXFWT", "PDBXDELFWT", "FDIFF", "ANOM"),
    *("FMASK", "FBULK", "FPART", "FSOLV", "PDBXFCALCPARTSOLVENT"),
)
_SIGNS = (
    *(("(+)", "(-)"), ("[+]", "[-]"), ("+", "-"), ("plus", "minus"), ("PLUS", "MINUS"), ("Plus", "Minus")),
    *(("pos", "neg"), ("POS", "NEG")),
)
#: What begins the names of an amplitude and of its anomalous difference, before what they have in common.
_AMPLITUDE_NAMES, _DIFFERENCE_NAMES = ("FP", "F"), ("DANO", "DELANO", "DELTAANO", "DANOM", "DF", "DP", "D")


@attrs.frozen
class Column:
    """One column of a file, or two that hold a Friedel pair.

    Attributes
    ----------
    labels
        One label, or those of h k l and of -h -k -l.
    quantity
        `AMPLITUDE` or `INTENSITY`.
    difference
        Whether the two hold the mean of the mates, and by how much that of h k l is above that of -h -k -l.
    """

    labels: tuple[str, ...]
    quantity: str
    difference: bool = False

    def text(self) -> str:
        """The labels as people write them."""
        return ",".join(self.labels)

    def rank(self) -> int:
        """0 for a Friedel pair, 1 for measured ones, 2 for others, 3 for calculated pairs, 4 for calculated ones, 5 for
        maps and parts of a structure.
        """
        name = self.stem()
        pair = len(self.labels) == 2 and not self.difference
        if name in _MEASURED:
            return 0 if pair else 1
        if name in _CALCULATED:
            return 3 if pair else 4
        if name.startswith(_MAPS):
            return 5
        return 0 if pair else 2

    def stem(self) -> str:
        """The first label in capitals, without a mate's sign and without what stands between letters and digits."""
        name = self.labels[0]
        if len(self.labels) == 2 and not self.difference:
            for plus, minus in _SIGNS:
                if plus in name and minus.join(name.rsplit(plus, 1)) == self.labels[1]:
                    name = "".join(name.rsplit(plus, 1))
                    break
        return _bare(name)


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


def with_differences(columns: list[Column], differences: list[str], order: list[str]) -> list[Column]:
    """Columns, of which amplitudes that have an anomalous difference are taken with it.

    Parameters
    ----------
    columns
        All that hold amplitudes or intensities, pairs together.
    differences
        Labels of anomalous differences.
    order
        Labels of all columns of the file: a difference stands behind its amplitude, but for deviations between them,
        where its name does not say which it is of.
    """
    single = {
        column.labels[0]: column for column in columns if len(column.labels) == 1 and column.quantity == AMPLITUDE
    }
    of_amplitude: dict[str, str] = {}
    for difference in differences:
        named = [label for label in single if _is_difference_of(difference, label)]
        before = [label for label in order[: order.index(difference)] if label in single]
        place = order.index(difference)
        label = named[0] if named else before[-1] if before and place - order.index(before[-1]) <= 2 else None
        if label is not None:
            of_amplitude.setdefault(label, difference)
    return [
        Column((column.labels[0], of_amplitude[column.labels[0]]), AMPLITUDE, difference=True)
        if len(column.labels) == 1 and column.labels[0] in of_amplitude
        else column
        for column in columns
    ]


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
            return _labelled(path, columns, asked, quantity, flag)
    quantity = INTENSITY if from_intensities else AMPLITUDE
    fitting = [column for column in columns if column.quantity == quantity]
    usual = sorted((column for column in fitting if column.rank() < 5), key=_preference)
    flag = "-I_label" if from_intensities else "-F_label"
    if not usual:
        what = "intensities" if from_intensities else "amplitudes"
        others = _list(fitting) or "none of that kind"
        hint = ""
        if not from_intensities and (found := [column for column in columns if column.quantity == INTENSITY]):
            hint = f"; intensities {_list(found)} become amplitudes with -from_intensities"
        raise InputError(f"{path}: no column is obviously the {what}: {others}{hint}; name one with {flag}")
    best = [column for column in usual if _preference(column) == _preference(usual[0])]
    if len(best) > 1 and best[0].rank() in (0, 2):
        raise InputError(f"{path}: which of {_list(best)} to take is not obvious: name one with {flag}")
    if len(usual) == 1:
        return usual[0], None
    return usual[0], f"{path}: {usual[0].text()} is taken, of {_list(usual)}; {flag} chooses another"


def _labelled(path: Path, columns: list[Column], asked: str, quantity: str, flag: str) -> tuple[Column, str | None]:
    labels = tuple(word.strip() for word in asked.split(","))
    for column in columns:
        if column.difference and labels == column.labels:
            return column, None
    singles = {label: column.quantity for column in columns for label in column.labels}
    for column in columns:
        if column.difference:
            singles[column.labels[1]] = "anomalous difference"
    for label in labels:
        if label not in singles:
            raise InputError(f"{path}: {flag} {asked}: there is no column {label!r}; there are {_list(columns)}")
        if singles[label] == "anomalous difference":
            raise InputError(f"{path}: {flag} {asked}: {label!r} holds differences; there are {_list(columns)}")
        if singles[label] != quantity:
            other = "-I_label" if quantity == AMPLITUDE else "-F_label"
            raise InputError(f"{path}: {flag} {asked}: {label!r} holds no {quantity} but {singles[label]}; use {other}")
    if len(labels) > 2:
        raise InputError(f"{path}: {flag} {asked}: expected one label, or two of a Friedel pair")
    if len(labels) == 1:
        pairs = [column for column in columns if len(column.labels) == 2 and labels[0] in column.labels]
        if pairs and pairs[0].difference:
            both = pairs[0].text()
            return Column(labels, quantity), f"{path}: mates are equal; {flag} {both} takes their difference along"
        return pairs[0] if pairs else Column(labels, quantity), None
    return Column(labels, quantity), None


def _is_difference_of(difference: str, amplitude: str) -> bool:
    """Whether two labels differ only in what says the quantity: F and DANO, FP_peak and DANO_peak."""
    whole, mean = _bare(difference), _bare(amplitude)
    return any(
        whole.startswith(one) and mean.startswith(other) and whole.removeprefix(one) == mean.removeprefix(other)
        for one in _DIFFERENCE_NAMES
        for other in _AMPLITUDE_NAMES
    )


def _bare(label: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", label.upper())


def _preference(column: Column) -> tuple[int, int]:
    name = column.stem()
    return column.rank(), _MEASURED.index(name) if name in _MEASURED else len(_MEASURED)


def _list(columns: list[Column]) -> str:
    return ", ".join(column.text() for column in columns)
