"""The noise of the read-out, from the pixels beside the spots."""

from __future__ import annotations

import math

import numpy as np

from openbragg import UsageError
from openbragg_tools.refine.counting import Measured
from openbragg_tools.refine.spots import Spots

#: Fewer pairs of pixels than this say nothing.
_FEWEST = 100
#: Differences beyond so many standard deviations are of spots too faint to be found; and the part of a normal
#: distribution's variance that is within.
_WITHIN, _PART = 3.0, 0.97334
_TURNS = 10


def readout_of(seen: Measured, found: Spots, readout: float | None) -> float:
    """The read-out's standard deviation in photons: given, or what the background varies more than photons do.

    Raises
    ------
    UsageError
        When what is given is none.
    """
    if readout is not None:
        if not (math.isfinite(readout) and readout >= 0.0):
            raise UsageError(f"readout: expected a number of counts, 0 or more, got {readout:g}")
        return readout / seen.gain
    pixels = seen.usable.copy()
    for (slow, fast), half in zip(found.centres, found.half_widths, strict=True):
        rows, columns = (slice(max(0, int(at - half)), int(at + half) + 1) for at in (slow, fast))
        pixels[rows, columns] = False
    pairs = pixels[:, 1:] & pixels[:, :-1]
    if pairs.sum() < _FEWEST:
        return 0.0
    # Differences of neighbours have twice a pixel's variance, and nothing of the background's slope.
    differences = (seen.photons[:, 1:] - seen.photons[:, :-1])[pairs]
    means = ((seen.photons[:, 1:] + seen.photons[:, :-1]) / 2.0)[pairs]
    within, spread = np.ones(len(differences), dtype=bool), 0.0
    for _ in range(_TURNS):
        spread = float(np.square(differences[within]).mean()) / _PART
        within = np.abs(differences) <= _WITHIN * math.sqrt(spread)
    return math.sqrt(max(0.0, spread / 2.0 - float(means[within].mean())))
