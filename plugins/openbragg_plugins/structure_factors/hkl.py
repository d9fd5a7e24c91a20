"""Structure factors from a text table of h k l F."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, hookimpl, option
from openbragg_plugins.structure_factors.lookup import TableLookup, lengths_of
from openbragg_plugins.structure_factors.other_kinds import other_kind
from openbragg_plugins.structure_factors.sources import GZIP, content_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    import numpy as np
    import torch

    from openbragg import Experiment, StructureFactors

    Indices = np.ndarray[Any, np.dtype[np.int64]]

#: A table may span this many indices, or so many for each reflection in it, before it is taken for a mistake.
_LARGEST_BOX = 1 << 26
_BOX_PER_REFLECTION = 64
#: Crystals of at most this many cells along an axis are interpolated unless told otherwise, as in the reference.
_FEW_CELLS = 2
_COMMENT = "#"
#: So much of a file says what it is.
_BEGINNING = 1 << 12
#: A dump's first line, and the size of an amplitude in it.
_DUMP_LIMITS = re.compile(rb"\s*-?\d+(\s+-?\d+){5}\s*\n")
_LONGEST_FIRST_LINE = 200
_DUMP_BYTES = 8
#: A line of a table, as nearly all are: whole numbers are read in a third of the time.
_WHOLE_INDICES = [("h", "i8"), ("k", "i8"), ("l", "i8"), ("F", "f8")]
#: No index of a real reflection comes near this; it keeps boxes countable.
_LARGEST_INDEX = 1_000_000
#: A line of so many letters is no reflection, and many small words in it would take far more memory than their letters.
_LONGEST_LINE = 1 << 13


@attrs.frozen(eq=False)
class HklTable(TableLookup):
    """Amplitudes of the P1 cell, one line a reflection: h k l F; what is missing has the default amplitude.

    Between whole indices the nearest reflection counts, or, with interpolation, the 4 x 4 x 4 Lagrange cubic through
    the neighbours where the table has them all. From Python, `reflections` replaces the file; its amplitudes may
    carry a gradient.

    Attributes
    ----------
    reflections
        Whole indices, shape (reflections, 3), and amplitudes in electrons, (reflections,); arrays or tensors.
    """

    name: ClassVar[str] = "hkl"
    summary: ClassVar[str] = "text table of h k l F for the P1 cell, or one amplitude for all"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-hkl",
        type=Path,
        metavar="FILE",
        help="Structure factors: a table of h k l F in P1; or an MTZ, CIF or PDB file, known by what is in it.",
    )
    default_F: Any = option(
        "-default_F", default=0.0, unit="electrons", help="Amplitude of reflections that the table does not have."
    )
    interpolate: bool | None = option(
        "-interpolate",
        negations=("-nointerpolate",),
        type=bool,
        help="Interpolate between reflections, or not. Default: on for crystals of 1 or 2 cells.",
    )
    comments: bool = option(default=True, type=bool, help="Pass over what follows # in a line of the table.")
    dump: Path | None = option(
        "-dump",
        type=Path,
        metavar="FILE",
        help="Keep the table of -hkl in a binary file; without -hkl, take the table from there if it exists.",
    )
    reflections: Any = attrs.field(default=None, kw_only=True)

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        """See `openbragg.StructureFactors.prepare`.

        Returns
        -------
        Without reflections, the default amplitude alone, (). Else the table with a border of default amplitudes, flat;
        the lowest and highest h k l in it, (3,) each; and, only when it is to be interpolated, the offsets of the
        neighbours from the floor of an index, (4,), and `lengths_of` the table.
        """
        import torch

        default = torch.as_tensor(self.default_F, dtype=torch.float64).reshape(1).to(device)
        if self.file is None and self.reflections is None and self.dump is not None and _is_there(self.dump):
            low, box = read_dump(self.dump)
            table, lowest = torch.from_numpy(box).to(device), torch.tensor(low, dtype=torch.int64)
        elif self.file is not None or self.reflections is not None:
            table, lowest = self._box(default, device)
            if self.dump is not None:
                write_dump(self.dump, lowest.tolist(), table.detach().cpu().numpy())
        else:
            return (default.reshape(()).to(dtype),)

        wide = [length + 2 for length in table.shape]
        bordered = default.expand(wide[0] * wide[1] * wide[2]).reshape(wide).clone()
        bordered[1:-1, 1:-1, 1:-1] = table
        highest = lowest + torch.tensor(table.shape) - 1
        tables = (
            bordered.reshape(-1).to(dtype),
            lowest.to(device, torch.float64),
            highest.to(device, torch.float64),
        )
        if not self._interpolated(experiment):
            return tables
        offsets = torch.arange(-1.0, 3.0, dtype=torch.float64, device=device)
        return (*tables, offsets, lengths_of(*wide[1:]).to(device))

    def nothing(self) -> str | None:
        """See `openbragg.StructureFactors`: without a table and with amplitudes of 0."""
        default = self.default_F
        if self.file is not None or self.reflections is not None or getattr(default, "requires_grad", False):
            return None
        if (self.dump is not None and _is_there(self.dump)) or float(default) != 0.0:
            return None
        return "no structure factors: give a table with -hkl, or one amplitude with -default_F"

    def _box(self, default: torch.Tensor, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """The reflections in a box of default amplitudes, (h, k, l) float64, and its first h k l, (3,) int64."""
        import torch

        if self.file is not None:
            indices, amplitude = read_hkl(self.file, comments=self.comments)
            amplitudes = torch.from_numpy(amplitude)
        else:
            indices = torch.as_tensor(self.reflections[0], dtype=torch.int64).cpu().numpy()
            amplitudes = torch.as_tensor(self.reflections[1], dtype=torch.float64)
        h, k, l = indices.T.copy()  # numpy is slow along three columns
        lowest, highest = [int(index.min()) for index in (h, k, l)], [int(index.max()) for index in (h, k, l)]
        extent = [high - low + 1 for low, high in zip(lowest, highest, strict=True)]
        box = extent[0] * extent[1] * extent[2]
        if box > max(_LARGEST_BOX, _BOX_PER_REFLECTION * len(indices)):
            where = self.file or "reflections"
            raise InputError(f"{where}: {len(indices)} reflections spread from {lowest} to {highest}")
        flat = ((h - lowest[0]) * extent[1] + (k - lowest[1])) * extent[2] + (l - lowest[2])
        # The last of equal indices counts, as in the reference; scattering on a device keeps no order, so choose here.
        unique, chosen = (torch.from_numpy(places) for places in _last_occurrences(flat))
        table = default.expand(box).clone()
        table = table.index_put((unique.to(device),), amplitudes[chosen].to(device))
        return table.reshape(extent), torch.tensor(lowest, dtype=torch.int64)

    def _interpolated(self, experiment: Experiment) -> bool:
        if self.interpolate is not None:
            return self.interpolate
        return any(float(count) <= _FEW_CELLS for count in experiment.crystal.cells)


def read_hkl(path: Path, *, comments: bool = True) -> tuple[Indices, np.ndarray[Any, np.dtype[np.float64]]]:
    """Read a table: indices (reflections, 3) and amplitudes in electrons (reflections,).

    With `comments`, what follows # in a line is passed over; without, it is refused as any other word.

    Raises
    ------
    InputError
        When the file is missing, empty, or has a line that is not three whole numbers and a finite amplitude; the
        message names the line.
    """
    import numpy as np

    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if text.startswith(GZIP):
        text = content_of(path)
    if not text or text.decode("latin-1").isspace():
        raise InputError(f"{path}: no reflections in the file")
    mark = _COMMENT if comments and _COMMENT.encode() in text else None
    if mark is not None and not any(line.partition(mark)[0].strip() for line in _lines(text)):
        raise InputError(f"{path}: no reflections in the file")
    table = _parsed(text, _WHOLE_INDICES, mark)
    if table is not None:
        index = np.empty((len(table), 3), dtype=np.int64)
        for column, name in enumerate("hkl"):
            index[:, column] = table[name]
        amplitude = table["F"].copy()
    else:
        values = _parsed(text, "f8", mark)
        if values is None or values.shape[1:] != (4,) or not (values[:, :3] == np.rint(values[:, :3])).all():
            raise InputError(_complaint(path, text, mark))
        index, amplitude = values[:, :3], values[:, 3].copy()
    if not (np.isfinite(amplitude).all() and index.min() >= -_LARGEST_INDEX and index.max() <= _LARGEST_INDEX):
        raise InputError(_complaint(path, text, mark))
    return index.astype(np.int64, copy=False), amplitude


def read_dump(path: Path) -> tuple[tuple[int, int, int], np.ndarray[Any, np.dtype[np.float64]]]:
    """Read a table in the reference program's binary form: its first h k l, and a box (h, k, l) of amplitudes.

    A line of text holds lowest and highest h, k and l, with a form feed after it; then come float64 amplitudes in rows
    that are one longer along each axis than the indices need.

    Raises
    ------
    InputError
        When the file does not begin so, is not as long as its first line says, or holds something that is no number.
    """
    import numpy as np

    try:
        with path.open("rb") as stream:
            line = stream.readline(_LONGEST_FIRST_LINE)
            limits = [int(word) for word in line.split()] if _DUMP_LIMITS.fullmatch(line) else []
            if not limits or stream.read(1) != b"\f" or max(map(abs, limits)) > _LARGEST_INDEX:
                raise InputError(f"{path}: not a table dump: expected six limits of h k l and a form feed")
            lowest, highest = (limits[0], limits[2], limits[4]), limits[1::2]
            extent = [high - low + 1 for low, high in zip(lowest, highest, strict=True)]
            rows = [length + 1 for length in extent]
            expected = rows[0] * rows[1] * rows[2] * _DUMP_BYTES if min(extent) > 0 else 0
            held = path.stat().st_size - stream.tell()
            if expected == 0 or held != expected:
                shown = " ".join(map(str, limits))
                raise InputError(f"{path}: expected {expected} bytes of amplitudes for h k l {shown}, got {held}")
            content = stream.read(expected)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    box = np.frombuffer(content, dtype="<f8").reshape(rows)[:-1, :-1, :-1].astype(np.float64)
    if not np.isfinite(box).all():
        raise InputError(f"{path}: an amplitude in the table is no number")
    return lowest, box


def write_dump(path: Path, lowest: list[int], box: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Write a table (h, k, l) that begins at `lowest` as `read_dump` reads it; an existing file is replaced whole."""
    import numpy as np

    from openbragg import write_file

    limits = " ".join(f"{low} {low + length - 1}" for low, length in zip(lowest, box.shape, strict=True))
    content = np.pad(box, (0, 1)).astype("<f8").tobytes()
    write_file(path, lambda stream: stream.writelines([f"{limits}\n\f".encode(), content]))


def _parsed(text: bytes, columns: Any, mark: str | None) -> np.ndarray[Any, Any] | None:
    """The lines of a table by the numbers in their columns; None where a line has others."""
    import numpy as np

    with warnings.catch_warnings():
        # For an index like 1.5, numpy makes do with the 1 and a word of warning.
        warnings.simplefilter("error")
        try:
            return np.loadtxt(_lines(text), dtype=columns, ndmin=1 if np.dtype(columns).names else 2, comments=mark)
        except (ValueError, Warning):
            return None


def _lines(text: bytes) -> Iterable[str]:
    """The lines of a table, one by one; of a very long one the beginning, and something that no reflection has."""
    stream = io.TextIOWrapper(io.BytesIO(text), encoding="latin-1")
    return _cut_lines(stream) if _may_have_long_line(text) else stream


def _may_have_long_line(text: bytes) -> bool:
    """Whether line feeds alone do not keep the lines short."""
    start = 0
    while len(text) - start >= _LONGEST_LINE:
        end = text.rfind(b"\n", start, start + _LONGEST_LINE)
        if end < 0:
            return True
        start = end + 1
    return False


def _cut_lines(stream: TextIO) -> Iterator[str]:
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith("\n"):
            yield f"{line} and more"
            return
        yield line


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a name too long for any file
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _complaint(path: Path, text: bytes, mark: str | None) -> str:
    """What is wrong with a table: what it is instead, or its first bad line."""
    if kind := other_kind(text[:_BEGINNING]):
        return f"{path}: not structure factors that can be read: {kind}"
    for number, line in enumerate(_lines(text), start=1):
        words = (line.partition(mark)[0] if mark is not None else line).split()
        if words and not _is_reflection(words):
            shown = " ".join(words)[:60]
            return f"{path}, line {number}: expected h k l F (three whole numbers and an amplitude), got {shown!r}"
    return f"{path}: no table of h k l F"


def _is_reflection(words: list[str]) -> bool:
    import math

    try:
        h, k, l, amplitude = (float(word) for word in words)
    except ValueError:
        return False
    # Python reads 1_000 as a number, numpy does not.
    if any("_" in word for word in words):
        return False
    return math.isfinite(amplitude) and all(value.is_integer() and abs(value) <= _LARGEST_INDEX for value in (h, k, l))


def _last_occurrences(values: Indices) -> tuple[Indices, Indices]:
    """The distinct values of a list, and where each stands last."""
    import numpy as np

    # numpy makes use of an order that is there already; torch takes ten times as long.
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    return ordered[last], order[last]


@hookimpl
def structure_factors() -> list[type[StructureFactors]]:
    """Offer the h k l F table."""
    return [HklTable]
