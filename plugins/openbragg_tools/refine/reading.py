"""Spots from files: DIALS's reflection tables, and lines of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openbragg import InputError, Panel, read_content, shown

#: Columns of a reflection table that have a spot's place, and the bytes of each of their numbers.
_PLACES, _BYTES = ("xyzobs.px.value", "xyzcal.px"), 8
#: The column that has the panels that they are on, numbers of as many bytes.
_PANEL = "panel"
#: The column that has the numbers of their experiments, of half as many.
_EXPERIMENT = "id"
#: More bytes than any table of spots has.
_LARGEST = 1 << 30
#: What DIALS's tables begin with: a MessagePack array of three, whose first is their name.
_TABLE = b"dials::af::reflection_table"


def read_spots(path: Path, panels: Sequence[Panel] = ()) -> np.ndarray[Any, Any]:
    """Places (fast, slow) of spots in pixels of the stored frame, whose edges are whole numbers, (spots, 2).

    Parameters
    ----------
    path
        The file.
    panels
        Those of the detector, on which a reflection table has its places; a text has them in the frame.

    Raises
    ------
    InputError
        When the file has none.
    """
    (spots,) = _read(path, panels, lambda content, name, panels: [_of_table(content, name, panels)[0]])
    return spots


def read_spots_of_stills(path: Path, panels: Sequence[Panel], experiments: Sequence[int]) -> list[np.ndarray[Any, Any]]:
    """The same of each of many stills, which a reflection table tells by the numbers of their experiments.

    Raises
    ------
    InputError
        When the file has none of a still.
    """

    def of_each(content: bytes, name: str, panels: Sequence[Panel]) -> list[np.ndarray[Any, Any]]:
        places, of_spots = _of_table(content, name, panels)
        if of_spots is None:
            raise InputError(f"{name}: does not say of which experiment its spots are")
        return [places[of_spots == number] for number in experiments]

    return _read(path, panels, of_each, experiments)


def _read(
    path: Path,
    panels: Sequence[Panel],
    of_table: Callable[..., list[np.ndarray[Any, Any]]],
    experiments: Sequence[int] = (),
) -> list[np.ndarray[Any, Any]]:
    """Places of the spots of each still, or of all experiments."""
    content = read_content(path, _LARGEST, "spots")
    name = shown(str(path))
    if _TABLE in content[:64]:
        found = of_table(content, name, panels)
    elif not experiments:
        found = [_of_text(content, name)]
    else:
        raise InputError(f"{name}: spots of {len(experiments)} images are expected as a reflection table")
    found = [spots[np.isfinite(spots).all(axis=1)] for spots in found]
    for place, spots in enumerate(found):
        if not len(spots):
            of_one = f" of experiment {experiments[place]}" if experiments else ""
            raise InputError(f"{name}: there are no spots in it{of_one}")
    return found


def _of_table(
    content: bytes, name: str, panels: Sequence[Panel]
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.int32]] | None]:
    """Places of all spots, and the experiments that they are of, where the table says that."""
    import msgpack

    try:
        _, _, table = msgpack.unpackb(content, strict_map_key=False)
        column = next(table["data"][each] for each in _PLACES if each in table["data"])
        rows, numbers = column[1]
        if len(numbers) != rows * 3 * _BYTES:
            raise ValueError
        places = np.frombuffer(numbers, dtype="<f8").reshape(rows, 3)[:, :2].astype(float)
        if panels and _PANEL in table["data"]:
            held = np.frombuffer(table["data"][_PANEL][1][1], dtype="<u8")
            if len(held) != rows or held.max(initial=0) >= len(panels):
                raise InputError(
                    f"{name}: has spots on panels that the detector does not have: there are {len(panels)}"
                )
            places += np.array([(panel.columns().start, panel.rows().start) for panel in panels])[held.astype(int)]
        experiments = None
        if _EXPERIMENT in table["data"]:
            experiments = np.frombuffer(table["data"][_EXPERIMENT][1][1], dtype="<i4")
            if len(experiments) != rows:
                raise ValueError
    except (ValueError, KeyError, TypeError, StopIteration, msgpack.UnpackException):
        raise InputError(f"{name}: expected a reflection table with {' or '.join(_PLACES)}") from None
    return places, experiments


def _of_text(content: bytes, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = []
    for number, line in enumerate(content.decode("latin-1").splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            rows.append((float(words[0]), float(words[1])))
        except (ValueError, IndexError):
            raise InputError(f"{name}, line {number}: expected fast and slow in pixels") from None
    return np.array(rows, dtype=float).reshape(-1, 2)
