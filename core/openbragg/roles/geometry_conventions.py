"""The contract of geometry conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import torch

    from openbragg.model import Detector
    from openbragg.model.geometry import Laboratory


@runtime_checkable
class GeometryConvention(Plugin, Protocol):
    """From the detector's settings to vectors in the laboratory."""

    def place(self, detector: Detector) -> Laboratory:
        """Place the beam, the polarization, the spindle and each panel.

        Parameters
        ----------
        detector
            The settings, in metres and radians. None in a beam centre, a near point or the pivot means that the user
            left it to this convention.

        Returns
        -------
        Laboratory
            Usually made by `openbragg.place` from the convention's `Axes`. Everything differentiable in the
            settings stays so.
        """

    def beam_centre(self, detector: Detector, fast: torch.Tensor, slow: torch.Tensor) -> tuple[Any, Any]:
        """The convention's (X, Y) for a beam that meets the detector `fast`, `slow` metres from its first corner."""
