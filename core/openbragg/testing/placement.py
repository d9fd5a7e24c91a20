"""Detectors to place, and what is measured on them once they are placed."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import strategies as st

from openbragg.model import Detector
from openbragg.model.geometry import Laboratory, PanelFrame

_ANGLES = st.tuples(*(st.floats(-0.5, 0.5) for _ in range(3)))


@st.composite
def detectors(draw: st.DrawFn, /, **fixed: Any) -> Detector:
    """Detectors of 20 to 60 pixels a side, 50 to 500 mm away, turned by up to 0.5 radians about every axis.

    `fixed` are fields that are not drawn.
    """
    pixels = draw(st.tuples(st.integers(20, 60), st.integers(20, 60)))
    return Detector(
        **{
            "pixels": pixels,
            "pixel_size": draw(st.floats(5e-5, 3e-4)),
            "distance": draw(st.floats(0.05, 0.5)),
            "beam_centre": draw(st.tuples(st.floats(-5e-3, 20e-3), st.floats(-5e-3, 20e-3))),
            "rotation": draw(_ANGLES),
            "twotheta": draw(st.floats(-0.5, 0.5)),
            "pivot": "beam",
            **fixed,
        }
    )


def panel_axes(frame: PanelFrame) -> torch.Tensor:
    """Fast, slow and normal of a panel as rows, (3, 3)."""
    return torch.stack([frame.fast, frame.slow, frame.normal])


def beam_spot(laboratory: Laboratory) -> torch.Tensor:
    """Where the beam meets the first panel, from the crystal, in the laboratory, (3,) in metres."""
    frame = laboratory.panels[0]
    fast, slow = frame.beam_point(laboratory.beam)
    return frame.origin + fast * frame.fast + slow * frame.slow


def rotation_matrix(detector: Detector) -> torch.Tensor:
    """The detector's rotation about x, y and z, each written out: another road than the one that is checked."""
    sines, cosines = zip(
        *((math.sin(float(angle)), math.cos(float(angle))) for angle in detector.rotation), strict=True
    )
    x = [[1.0, 0.0, 0.0], [0.0, cosines[0], -sines[0]], [0.0, sines[0], cosines[0]]]
    y = [[cosines[1], 0.0, sines[1]], [0.0, 1.0, 0.0], [-sines[1], 0.0, cosines[1]]]
    z = [[cosines[2], -sines[2], 0.0], [sines[2], cosines[2], 0.0], [0.0, 0.0, 1.0]]
    about_x, about_y, about_z = (torch.tensor(rows, dtype=torch.float64) for rows in (x, y, z))
    return about_z @ about_y @ about_x
