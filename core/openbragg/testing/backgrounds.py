"""Properties of backgrounds."""

from __future__ import annotations

from math import pi
from typing import Any

import torch

from openbragg.engine.panel_rays import rays_of
from openbragg.model import Beam, Crystal, Detector, Experiment, Panel
from openbragg.model.vectors import scalar
from openbragg.orchestrator.composition import plugin
from openbragg.orchestrator.simulation import Simulation
from openbragg.roles import Background, PanelRays
from openbragg.testing.assertions import require, require_close
from openbragg.testing.declaration import check_declaration
from openbragg.units import ANGSTROM

#: Pixels of the detector of the examples, (slow, fast).
_PIXELS = (9, 12)


def check_background(background: Any, *, device: torch.device | str = "cpu") -> None:
    """Run every check of this role on a background that has all the options that it needs.

    Raises
    ------
    AssertionError
        When one of them fails; the message says what it found.
    """
    check_declaration(background, Background)
    check_background_photons(background, device)
    check_each_pixel_for_itself(background, device)
    check_panel_place(background)


def make_rays(
    detector: Detector | None = None,
    *,
    slow: torch.Tensor | None = None,
    fast: torch.Tensor | None = None,
    device: torch.device | str = "cpu",
    **beam: Any,
) -> PanelRays:
    """Rays to pixels of a detector, by default to all of a small one in the beam; `beam` are options of the beam."""
    detector = detector or Detector(pixels=_PIXELS, pixel_size=8e-3, distance=0.06)
    experiment = Experiment(
        crystal=Crystal(cell=(*(50.0 * ANGSTROM,) * 3, *(pi / 2,) * 3)), beam=Beam(**beam), detector=detector
    )
    factors = plugin("structure_factors", "hkl", default_F=1.0)
    layout = Simulation(experiment, structure_factors=factors, device=device).layout()
    panel = layout.plan.panels[0]
    if slow is None or fast is None:
        rows, columns = (torch.arange(count, dtype=torch.float64, device=device) for count in panel.pixels)
        slow, fast = (places.reshape(-1) for places in torch.meshgrid(rows, columns, indexing="ij"))
    area = scalar(experiment.beam.size).to(device) ** 2
    return rays_of(layout.plan, panel, slow, fast, area)


def background_photons(background: Background, rays: PanelRays) -> torch.Tensor:
    """What a background adds along rays, (pixel,)."""
    experiment = Experiment(crystal=Crystal(cell=(*(50.0 * ANGSTROM,) * 3, *(pi / 2,) * 3)))
    return background.photons(rays, background.prepare(experiment, rays.slow.device))


def check_background_photons(background: Background, device: torch.device | str = "cpu") -> None:
    """One finite number of 0 or more for each pixel, in float64, on the device of the rays, the same again."""
    for wavelength, polarization in ((0.7, 0.0), (1.5, 0.9)):
        rays = make_rays(wavelength=wavelength * ANGSTROM, polarization=polarization, device=device)
        found = background_photons(background, rays)
        require(found.shape == rays.slow.shape, f"{rays.slow.numel()} pixels have photons {tuple(found.shape)}")
        require(found.dtype == torch.float64, f"photons are {found.dtype}, expected float64")
        require(found.device == rays.slow.device, f"pixels on {rays.slow.device} have photons on {found.device}")
        require(bool(found.isfinite().all()), "photons are not finite")
        require(float(found.min()) >= 0.0, f"a pixel has {float(found.min())} photons")
        require(bool((background_photons(background, rays) == found).all()), "two calls gave different photons")


def check_each_pixel_for_itself(background: Background, device: torch.device | str = "cpu") -> None:
    """A pixel has the same photons among all pixels and among a few: images are made in blocks."""
    rays = make_rays(device=device)
    whole = background_photons(background, rays)
    few = make_rays(slow=rays.slow[7:20], fast=rays.fast[7:20], device=device)
    part = background_photons(background, few)
    # Longer arrays are added up in another order.
    require_close(part, whole[7:20], "photons of a few pixels", relative=1e-12, absolute=1e-300)


def check_panel_place(background: Background) -> None:
    """A panel sees what a large detector sees in the pixels where it stands, be it the first or any other."""
    side, down, across = 8e-3, 3, 5
    settings: dict[str, Any] = {"pixel_size": side, "distance": 0.06, "beam_centre": (31e-3, 43e-3)}
    whole = background_photons(background, make_rays(Detector(pixels=_PIXELS, **settings))).reshape(_PIXELS)
    slow, fast = _PIXELS[0] - down, _PIXELS[1] - across
    panel = Panel(pixels=(slow, fast), pixel_size=side, offset=(across * side, down * side, 0.0))
    alone = make_rays(Detector(pixels=_PIXELS, layout=(panel,), **settings))
    found = background_photons(background, alone).reshape(slow, fast)
    # Places are added up in another order.
    require_close(found, whole[down:, across:], "photons of a panel", relative=1e-9)
