"""What ``--cull`` promises, asked of renderings, and what both of its ways are tried with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from hypothesis import strategies as st

import openbragg
from openbragg import Beam, Experiment, Simulation
from openbragg.model.vectors import rotation_about
from openbragg.orchestrator.rendering import Rendering
from openbragg_plugins.structure_factors.hkl import HklTable

A = 1e-10
#: Sums of the same float64 numbers in another order, relative to the peak.
REORDERED = 1e-12
#: The error of single precision, in either of two images, relative to the peak.
ROUNDED = 2e-6
#: Quirks that change what is summed.
QUIRKS = ("phi-carryover", "last-layer", "water-over-steps")
ONE_AMPLITUDE = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
#: Four blocks that differ much in size, one of them next to nothing.
WEIGHTED = openbragg.plugin(
    "mosaic_models",
    "list",
    rotations=rotation_about(
        torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64).expand(4, 3),
        torch.tensor([0.0, 0.01, -0.02, 0.2], dtype=torch.float64),
    ),
    weights=(1.0, 20.0, 1e-7, 3.0),
)


class Coloured(HklTable):
    """A table of amplitudes that differ much from one wavelength to the next."""

    def spectral(self, wavelengths: torch.Tensor, tables: Any) -> torch.Tensor:
        return torch.tensor([1.0, 20.0, 0.1], dtype=torch.float64).repeat(len(wavelengths))[: len(wavelengths), None]

    def amplitude_at(self, index: Any, nearest: Any, spectral: Any, tables: Any) -> torch.Tensor:
        return self.amplitude(index, nearest, tables) * spectral[0].to(tables[0].dtype)

    def limits(self, spectral: torch.Tensor, tables: Any) -> Any:
        return tables[0] * spectral.max().to(tables[0].dtype), *tables[1:]


INDEX = torch.cartesian_prod(*[torch.arange(-4, 5)] * 3)


def table(power: int, default: float, of: type[HklTable] = HklTable) -> Any:
    """Amplitudes that differ much between neighbours, of both signs; the higher the power, the fewer are large."""
    amplitudes = 60.0 * torch.sin(INDEX.double() @ torch.tensor([1.0, 2.3, 3.1], dtype=torch.float64)) ** power
    return of(reflections=(INDEX, amplitudes), default_F=default, interpolate=False)


@st.composite
def beams(draw: st.DrawFn) -> Beam:
    """Up to three wavelengths and two directions."""
    return Beam(
        wavelength=1.2 * A,
        dispersion=0.01,
        dispersion_steps=draw(st.integers(1, 3)),
        divergence_range=(2e-3, 0.0),
        divergence_steps=(draw(st.integers(1, 2)), 1),
    )


def rendered(experiment: Experiment, **options: Any) -> Rendering:
    """Of one amplitude for all reflections, in double precision, operation by operation, unless it says otherwise."""
    standard = {"structure_factors": ONE_AMPLITUDE, "precision": "double", "engine": "eager"}
    return Simulation(experiment, **standard | options).rendering()


def assert_promised(full: Rendering, culled: Rendering, share: float) -> None:
    """In double precision every panel keeps the bound that it says, which is no more than it was asked for."""
    assert len(culled.culled) == len(full.images)
    for one, other, found in zip(full.images, culled.images, culled.culled, strict=True):
        error, peak = one - other, float(one.max())
        assert float(error.abs().max()) <= found.bound + REORDERED * peak
        assert found.bound <= share * peak * (1.0 + REORDERED)
        # What is left out is missing, never too much.
        assert float(error.min()) >= -REORDERED * peak


def assert_close(full: Sequence[torch.Tensor], culled: Sequence[torch.Tensor], share: float) -> None:
    """In single precision every panel is as close as it was asked for, but for rounding."""
    for one, other in zip(full, culled, strict=True):
        assert float((one - other).abs().max()) <= (share + ROUNDED) * float(one.max())
