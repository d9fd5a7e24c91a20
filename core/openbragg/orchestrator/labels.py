"""Labels of the pixels of an image: of all crystals of its scene together."""

from __future__ import annotations

import math

import attrs
import torch

from openbragg.engine.compiled.engine import Engine
from openbragg.engine.labels import LabelSums, label_sums
from openbragg.engine.pixels import Pixels, choose_pixels
from openbragg.errors import InputError, UsageError
from openbragg.model.panel import extent
from openbragg.orchestrator.layout import Layout
from openbragg.roles import PixelLabels


def label_pixels(layout: Layout, engine: Engine, peak: float) -> PixelLabels:
    """What `openbragg.Simulation.labels` returns.

    Raises
    ------
    UsageError
        When `peak` is no part.
    InputError
        When the terms of a pixel do not add up to its photons.
    """
    if not 0.0 < peak <= 1.0:
        raise UsageError(f"peak: expected a number above 0 and up to 1, got {peak}")
    if layout.plan.running_product:
        raise InputError("pixels have no labels with the quirk running-product, whose terms are not added up")
    frame = _blank(extent(layout.panels), layout.plan.device)
    for number, (panel, part) in enumerate(zip(layout.panels, layout.shown, strict=True)):
        if part.region is None:
            continue
        pixels = choose_pixels(panel.pixels, part.region, part.mask, layout.plan.device)
        if pixels.count == 0:
            continue
        plans = [each.plan for each in layout.lattices()]
        sums = [label_sums(plan, plan.panels[number], pixels, peak, engine.team()) for plan in plans]
        _fill(frame, (panel.rows(), panel.columns()), pixels, _labels(sums))
    return frame


def _labels(sums: list[LabelSums]) -> PixelLabels:
    """The labels of pixels, (pixel,) and so on, from the sums of each crystal."""
    photons = torch.stack([each.photons for each in sums])
    most, lattice = photons.max(dim=0)
    place = torch.arange(len(lattice), device=lattice.device)
    index = torch.stack([each.index for each in sums])[lattice, place] / most.unsqueeze(1)
    wavelength = torch.stack([each.wavelength for each in sums]).sum(dim=0) / photons.sum(dim=0)
    dark = most <= 0.0
    return PixelLabels(
        wavelength=torch.where(dark, torch.nan, wavelength),
        index=torch.where(dark.unsqueeze(1), torch.nan, index),
        lattice=torch.where(dark, -1, lattice),
        bragg=torch.stack([each.bragg for each in sums]).any(dim=0),
    )


def _blank(shape: tuple[int, int], device: torch.device) -> PixelLabels:
    """Labels of pixels that have no photon."""
    return PixelLabels(
        wavelength=torch.full(shape, math.nan, dtype=torch.float64, device=device),
        index=torch.full((*shape, 3), math.nan, dtype=torch.float64, device=device),
        lattice=torch.full(shape, -1, dtype=torch.int64, device=device),
        bragg=torch.zeros(shape, dtype=torch.bool, device=device),
    )


def _fill(frame: PixelLabels, slab: tuple[slice, slice], pixels: Pixels, labels: PixelLabels) -> None:
    """Put the labels of a panel's pixels into its part of the frame."""
    slow, fast = (each.to(torch.int64) for each in pixels.coordinates(0, pixels.count))
    for field in attrs.fields(PixelLabels):
        getattr(frame, field.name)[slab][slow, fast] = getattr(labels, field.name)
