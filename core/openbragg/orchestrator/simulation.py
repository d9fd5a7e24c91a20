"""The simulation that a command line describes: its photons, and the traces of its pixels."""

from __future__ import annotations

from typing import Any

import attrs
import torch

from openbragg.engine.trace import PixelTrace
from openbragg.model import Experiment
from openbragg.orchestrator.simulate import Layout, lay_out, render
from openbragg.orchestrator.tracing import trace_of


@attrs.define(eq=False)
class Simulation:
    """An experiment and what it is computed with, laid out when it is first used.

    Attributes
    ----------
    experiment
        What is simulated.
    options
        Arguments of `openbragg.simulate`.
    computing
        Those of them that only a whole image needs.
    """

    experiment: Experiment
    options: dict[str, Any]
    computing: dict[str, Any]
    _layout: Layout | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of it so far."""
        return tuple(self._laid_out().choices.notices)

    def photons(self) -> torch.Tensor:
        """Expected photons of the stored frame, (slow, fast)."""
        rendering = render(self.experiment, **self.options, **self.computing)
        self._layout = rendering
        return rendering.frame()

    def trace(self, slow: int, fast: int) -> PixelTrace:
        """The terms that a pixel of the stored frame is summed from.

        Raises
        ------
        UsageError
            When the pixel is not rendered.
        """
        return trace_of(self._laid_out(), slow, fast)

    def _laid_out(self) -> Layout:
        if self._layout is None:
            self._layout = lay_out(self.experiment, **self.options)
        return self._layout
