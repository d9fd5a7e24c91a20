"""Backgrounds: expected photons that are added to those of the crystal, panel by panel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add

import torch

from openbragg.engine.panel_rays import rays_of
from openbragg.engine.pixels import choose_pixels
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.model import Experiment
from openbragg.model.vectors import scalar
from openbragg.orchestrator.finding.answers import check_background
from openbragg.orchestrator.resolving.frame import Shown, shown_parts
from openbragg.roles import Background

#: Rays that are followed together: as many as stay in a core's own memory from step to step, or make a device busy.
_TOGETHER, _ON_DEVICE = 1 << 16, 1 << 20


class Backgrounds:
    """The backgrounds of a run: what they need is prepared at once, their photons when they are first wanted.

    They do not turn with the crystal, so that a series shares them.

    Parameters
    ----------
    plugins
        The backgrounds.
    experiment, plan
        Resolved, and laid out.
    """

    def __init__(self, plugins: Iterable[Background], experiment: Experiment, plan: Plan) -> None:
        self.plugins = tuple(plugins)
        self._experiment, self._plan = experiment, plan
        self._tables = [plugin.prepare(experiment, plan.device) for plugin in self.plugins]
        self._photons: list[torch.Tensor] | None = None

    def added_to(self, images: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Images of the panels, (slow, fast), with the photons of all backgrounds where pixels are rendered."""
        if not self.plugins:
            return images
        if self._photons is None:
            self._photons = self._of_parts(shown_parts(self._experiment))
        return _added(images, self._photons)

    def added_to_parts(self, images: tuple[torch.Tensor, ...], parts: Sequence[Shown]) -> tuple[torch.Tensor, ...]:
        """The same for images of which only parts are rendered, a part of each panel."""
        return _added(images, self._of_parts(parts)) if self.plugins else images

    def _of_parts(self, parts: Sequence[Shown]) -> list[torch.Tensor]:
        return [self._of_panel(panel, part) for panel, part in zip(self._plan.panels, parts, strict=True)]

    def _of_panel(self, panel: PanelPlan, shown: Shown) -> torch.Tensor:
        """Photons of a panel, float64, (slow, fast); 0 in pixels that are not rendered."""
        plan = self._plan
        if shown.region is None:
            return torch.zeros(panel.pixels, dtype=torch.float64, device=plan.device)
        pixels = choose_pixels(panel.pixels, shown.region, shown.mask, plan.device)
        area = scalar(self._experiment.beam.size).to(plan.device) ** 2
        together = _TOGETHER if plan.device.type == "cpu" else _ON_DEVICE
        step = max(1, together // (panel.layer_depths.numel() * plan.wavelengths.numel()))
        parts = []
        for start in range(0, pixels.count, step):
            slow, fast = pixels.coordinates(start, min(start + step, pixels.count))
            rays = rays_of(plan, panel, slow, fast, area)
            each = []
            for plugin, tables in zip(self.plugins, self._tables, strict=True):
                each.append(plugin.photons(rays, tables))
                check_background(plugin, each[-1], len(slow))
            parts.append(reduce(add, each))
        return pixels.image(torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64, device=plan.device))


def _added(images: tuple[torch.Tensor, ...], photons: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    return tuple((image + more).to(image.dtype) for image, more in zip(images, photons, strict=True))
