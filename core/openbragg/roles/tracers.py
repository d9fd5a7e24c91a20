"""The contract of tracers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from openbragg.engine.trace import PixelTrace


@runtime_checkable
class Tracer(Plugin, Protocol):
    """A record of one pixel's calculation: names for numbers that the trace holds.

    A tracer picks, names and combines what is in the trace; it computes no physics of its own. It returns tensors, with
    their gradients; they become Python numbers only where they are written down.
    """

    def values(self, trace: PixelTrace) -> Mapping[str, torch.Tensor]:
        """Numbers () and vectors (n,) of the whole pixel, in the order in which they are to be written."""

    def steps(self, trace: PixelTrace) -> Mapping[str, torch.Tensor | None]:
        """Numbers of each term: tensors that broadcast over the trace's seven axes; None for what there is not.

        Names that several tracers give are written once.
        """
