"""Memory for an image, which is there by the time that it is needed.

A machine gives a process its memory when something is written there first, and fills it with zeros. Of a large image
that takes as long as all terms near reflections do. While these are looked for, which is one core's work, another core
may see to it.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import torch

from openbragg.engine.threads import Team

#: Of numpy's numbers those of torch's.
_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
#: Bytes of memory that a machine gives at a time, at least.
_PAGE = 1 << 12
#: Bytes from which on another core is worth asking.
_LARGE = 1 << 22


class Room:
    """Zeros, (count,)."""

    def __init__(self, count: int, dtype: torch.dtype, team: Team) -> None:
        # Of memory that nothing is written to, none is taken.
        self._values = np.zeros(count, dtype=_NUMPY[dtype])
        self._filling: list[Future[None]] = []
        if team.size > 1 and self._values.nbytes >= _LARGE:
            self._filling = team.workers.start(self._fill, 1, team.size)

    def values(self) -> torch.Tensor:
        """The zeros; what is written to them stays."""
        for filling in self._filling:
            filling.result()
        return torch.from_numpy(self._values)

    def _fill(self) -> None:
        self._values[:: _PAGE // self._values.itemsize] = 0
