"""The contract of backgrounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    import torch

    from openbragg.engine.panel_rays import PanelRays
    from openbragg.model import Experiment


@runtime_checkable
class Background(Plugin, Protocol):
    """Photons that do not come from the crystal, added to those that do.

    Any number of them may take part in a run, each with the options that it has; they know nothing of each other.
    """

    def prepare(self, experiment: Experiment, device: torch.device) -> tuple[torch.Tensor, ...]:
        """The tensors that `photons` needs, on a device; called once a run with the resolved experiment.

        Raises
        ------
        InputError
            When a file cannot be used, with its name and line.
        """

    def photons(self, rays: PanelRays, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Expected photons of some pixels of a panel: float64, (pixel,), none negative.

        Parameters
        ----------
        rays
            The rays from the sample to the middles of the pixels; `PanelRays.scattered` does most of the work.
        tables
            What `prepare` returned.
        """
