"""Amplifiers that switch to a lower gain where a pixel gets much light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def stage_of(counts: torch.Tensor, settings: Any) -> torch.Tensor | None:
    """The stage of each pixel by its charge in counts: int64, 0 for the highest gain; None where there are none."""
    import torch

    if not settings.gain_stages:
        return None
    limits = torch.tensor(settings.gain_switches, dtype=torch.float64, device=counts.device) * settings.gain
    return torch.bucketize(counts, limits, right=True)


def read_out_noise(settings: Any, stage: torch.Tensor | None) -> torch.Tensor | float:
    """Rms noise of the read-out in counts: a number, or one for each pixel."""
    import torch

    if stage is not None and settings.stage_electrons:
        electrons = torch.tensor(settings.stage_electrons, dtype=torch.float64, device=stage.device)
        each: torch.Tensor = (electrons / settings.electrons_per_count)[stage]
        return each
    noise: float = settings.readout_noise + settings.readout_electrons / settings.electrons_per_count
    return noise


def digitised(counts: torch.Tensor, settings: Any, stage: torch.Tensor | None) -> torch.Tensor:
    """Counts as far as the converter tells them apart in each stage; the steps are coarse where the gain is low."""
    import torch

    if stage is None:
        return counts
    gains = torch.tensor(settings.gain_stages, dtype=torch.float64, device=counts.device)
    step: torch.Tensor = (settings.gain / gains)[stage]
    return (counts / step).round() * step
