"""What was left out of an image."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

#: What pairs are of, in words.
OF_TILES = "the orientations of tiles"
OF_SPOTS = "the terms, summed from reflections"


@attrs.frozen(kw_only=True)
class Culled:
    """What was left out of an image.

    Attributes
    ----------
    pairs, evaluated
        Of what there is, and what was evaluated of it: pairs of a tile and an orientation (for each source), or of a
        pixel and an orientation, without those that only filled a row up.
    bound
        Photons by which no pixel is further from the full sum than this.
    of
        What the pairs are, in words.
    level
        What no term that was left out is above, in squared electrons; of tiles the photons that might be left out of a
        pixel. Of several images together it is none.
    """

    pairs: int
    evaluated: int
    bound: float
    of: str = OF_TILES
    level: float = 0.0

    def skipped(self) -> float:
        """The part of the pairs that was left out."""
        return 1.0 - self.evaluated / self.pairs if self.pairs else 0.0


def together(parts: Sequence[Culled]) -> Culled | None:
    """What was left out of the sum of several images; None where nothing was left out of any."""
    if not parts:
        return None
    return Culled(
        pairs=sum(part.pairs for part in parts),
        evaluated=sum(part.evaluated for part in parts),
        bound=sum(part.bound for part in parts),
        of=" and ".join(dict.fromkeys(part.of for part in parts)),
    )
