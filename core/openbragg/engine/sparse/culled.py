"""What was left out of an image."""

from __future__ import annotations

import attrs


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
    """

    pairs: int
    evaluated: int
    bound: float
    of: str = "the orientations of tiles"

    def skipped(self) -> float:
        """The part of the pairs that was left out."""
        return 1.0 - self.evaluated / self.pairs if self.pairs else 0.0
