"""Which labels of its images a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from openbragg import InputError, quoted
from openbragg_tools.dataset.keys import refuse_other_keys, whole

#: Per-pixel arrays that can be had beside the counts.
ARRAYS = ("photons", "crystals", "spots", "lattice", "hkl", "wavelength")


@attrs.frozen
class Labels:
    """Which labels are made, and how.

    Attributes
    ----------
    arrays
        Those of `ARRAYS` that are stored.
    photons
        Reflections of fewer expected photons have no label.
    peak
        A spot is where the expected photons of the crystals are at least this part of its largest pixel's.
    window
        How far in pixels a spot can reach from where it is predicted.
    """

    arrays: tuple[str, ...] = ("spots",)
    photons: float = 1.0
    peak: float = 0.1
    window: int = 10


def labels_of(told: Mapping[str, Any]) -> Labels:
    """What a recipe says of labels.

    Raises
    ------
    InputError
        With the key of what makes no sense.
    """
    refuse_other_keys("labels.", told, [attribute.name for attribute in attrs.fields(Labels)])
    arrays = told.get("arrays", list(Labels().arrays))
    if not isinstance(arrays, list) or any(word not in ARRAYS for word in arrays):
        raise InputError(f"labels.arrays: expected some of {', '.join(ARRAYS)}, got {quoted(arrays)}")
    numbers = {key: told.get(key, getattr(Labels(), key)) for key in ("photons", "peak")}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < float("inf"):
            raise InputError(f"labels.{key}: expected a number above 0, got {quoted(value)}")
    if numbers["peak"] > 1.0:
        raise InputError(f"labels.peak: expected a number up to 1, got {quoted(numbers['peak'])}")
    window = whole(told, "window", Labels().window, 1)
    return Labels(
        tuple(word for word in ARRAYS if word in arrays), float(numbers["photons"]), float(numbers["peak"]), window
    )
