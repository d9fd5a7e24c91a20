"""Photons of some pixels alone."""

from __future__ import annotations

from typing import Any

import attrs
import torch

from openbragg.engine.compiled.engine import Engine
from openbragg.engine.rays import Part, positions, unit_components
from openbragg.engine.sources import mean_wavelength
from openbragg.errors import UsageError
from openbragg.orchestrator.layout import Layout
from openbragg.orchestrator.rendering import render_lattices
from openbragg.orchestrator.resolving.frame import Shown, assembled


def photons_of_pixels(layout: Layout, engine: Engine, slow: Any, fast: Any, cull: float | None = None) -> torch.Tensor:
    """Expected photons of places in the stored frame; see `Simulation.pixels`.

    Raises
    ------
    UsageError
        When the places are no whole numbers of one shape, or one lies outside the frame.
    """
    rows, columns = _places(layout, slow, fast)
    parts = layout.shown if depends_on_others(layout) else wanted_parts(layout, rows, columns)
    panels = render_lattices(layout, parts, engine, None, cull)
    images = layout.backgrounds.added_to_parts(tuple(panel.image for panel in panels), parts)
    frame = assembled(images, layout.panels)
    return frame[rows.to(frame.device), columns.to(frame.device)].reshape(torch.as_tensor(slow).shape)


def wanted_parts(layout: Layout, slow: Any, fast: Any) -> tuple[Shown, ...]:
    """What is to be rendered of each panel for places in the stored frame.

    Raises
    ------
    UsageError
        When the places are no whole numbers of one shape, or one lies outside the frame.
    """
    rows, columns = _places(layout, slow, fast)
    wanted = torch.zeros(layout.experiment.detector.frame_shape(), dtype=torch.bool)
    wanted[rows, columns] = True
    return tuple(
        _wanted_part(part, wanted[panel.rows(), panel.columns()])
        for part, panel in zip(layout.shown, layout.panels, strict=True)
    )


def _places(layout: Layout, slow: Any, fast: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Places in the stored frame as whole numbers, (place,) each."""
    rows, columns = (torch.as_tensor(places) for places in (slow, fast))
    if rows.shape != columns.shape or rows.is_floating_point() or columns.is_floating_point():
        raise UsageError("pixels: expected whole numbers slow and fast, as many of each")
    rows, columns = rows.to(torch.int64).reshape(-1), columns.to(torch.int64).reshape(-1)
    height, width = layout.experiment.detector.frame_shape()
    outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
    if bool(outside.any()):
        place = int(outside.nonzero()[0, 0])
        raise UsageError(
            f"pixel {int(rows[place])} {int(columns[place])} (slow, fast) lies outside the image of {height} x {width}"
        )
    return rows, columns


def spacings(layout: Layout) -> torch.Tensor:
    """The d spacing of each pixel's middle; see `Simulation.spacing`."""
    plan = layout.plan
    middle = attrs.evolve(plan, subpixels=torch.full_like(plan.subpixels[:1], 0.5))
    beam = layout.laboratory.beam.to(plan.device)
    own = mean_wavelength(layout.experiment.beam, layout.parts.spectrum, layout.experiment.scan.image)
    wavelength = own.to(plan.device)
    images = []
    for panel in middle.panels:
        rows, columns = (torch.arange(count, dtype=torch.float64, device=plan.device) for count in panel.pixels)
        slow, fast = (places.reshape(-1) for places in torch.meshgrid(rows, columns, indexing="ij"))
        direction, _ = unit_components(positions(middle, panel, slow, fast, Part()))
        # The front of the sensor is the first of its layers.
        vector = torch.stack([component[0].reshape(-1) for component in direction], dim=-1)
        images.append((wavelength / (vector - beam).norm(dim=-1)).reshape(panel.pixels))
    frame = assembled(images, layout.panels)
    absent = layout.experiment.detector.absent()
    if absent is not None:
        frame = torch.where(torch.as_tensor(absent, device=frame.device), torch.nan, frame)
    return frame


def depends_on_others(layout: Layout) -> bool:
    """Whether a pixel depends on those rendered before it, as some quirks of the reference have it."""
    plans = (each.plan for each in layout.lattices())
    return any(
        (plan.interpolation_latch and plan.interpolates) or plan.first_cell_vectors is not None for plan in plans
    )


def _wanted_part(part: Shown, wanted: torch.Tensor) -> Shown:
    """Of what is rendered of a panel the part that is wanted: the smallest region with it, and a mask."""
    if part.region is None:
        return part
    left, right, top, bottom = part.region
    inside = torch.zeros_like(wanted)
    inside[top : bottom + 1, left : right + 1] = wanted[top : bottom + 1, left : right + 1]
    if part.mask is not None:
        inside &= part.mask
    places = inside.nonzero()
    if places.numel() == 0:
        return Shown(region=None, mask=None)
    (top, left), (bottom, right) = places.amin(dim=0).tolist(), places.amax(dim=0).tolist()
    return Shown(region=(left, right, top, bottom), mask=inside)
