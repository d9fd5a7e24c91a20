"""The same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, UsageError, hookimpl, option

if TYPE_CHECKING:
    import torch

    from openbragg import Background, Experiment, PanelRays


@attrs.frozen
class Uniform:
    """As many photons in every pixel, or on every square millimetre; neither beam nor geometry changes them."""

    name: ClassVar[str] = "uniform"
    summary: ClassVar[str] = "the same number of photons everywhere"
    flags: ClassVar[tuple[str, ...]] = ()

    per_pixel: float | None = option(
        "-uniform_photons", unit="photons/pixel", rule=NOT_NEGATIVE, help="Photons to expect in every pixel."
    )
    per_area: float | None = option(
        "-uniform_density", unit="photons/mm^2", rule=NOT_NEGATIVE, help="The same by area, instead."
    )

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        """See `openbragg.Background.prepare`."""
        if (self.per_pixel is None) == (self.per_area is None):
            raise UsageError("the background uniform: expected one of -uniform_photons and -uniform_density")
        return ()

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """See `openbragg.Background.photons`."""
        import torch

        share: float | torch.Tensor = 0.0
        if self.per_pixel is not None:
            share = self.per_pixel
        if self.per_area is not None:
            share = self.per_area * rays.pixel_area
        return torch.ones_like(rays.slow) * share


@hookimpl
def backgrounds() -> list[type[Background]]:
    """Offer an even background."""
    return [Uniform]
