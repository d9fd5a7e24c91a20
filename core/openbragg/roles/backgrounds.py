"""The contract of backgrounds, and the rays that they are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from openbragg.model import Experiment


class PanelRays(Protocol):
    """Some pixels of a panel, seen from the sample.

    Backgrounds are smooth: each pixel is taken at its middle, whatever the crystal's oversampling is. The factors along
    a ray are those of the image: the polarization and the solid angle of the pixel, what the sensor's layers capture,
    and the mean over the beam's sources and their weights.
    """

    @property
    def slow(self) -> torch.Tensor:
        """Slow index of each pixel, float64, (pixel,)."""

    @property
    def fast(self) -> torch.Tensor:
        """Fast index of each pixel, float64, (pixel,)."""

    @property
    def beam_area(self) -> torch.Tensor:
        """Cross section of the square beam, in square metres, ()."""

    @property
    def fluence(self) -> torch.Tensor:
        """Photons per square metre of the beam, ()."""

    @property
    def pixel_area(self) -> torch.Tensor:
        """Area of a pixel, in square metres, ()."""

    def molecules(self, thickness: float, density: float, molar_mass: float) -> torch.Tensor:
        """How many molecules stand in the beam, ().

        Parameters
        ----------
        thickness
            Of the matter along the beam, in metres.
        density
            In kilograms per cubic metre.
        molar_mass
            In kilograms per mole.
        """

    def scattered(self, intensity: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Photons that one scatterer in the beam sends into each pixel, float64, (pixel,).

        Parameters
        ----------
        intensity
            From sin(theta)/lambda in 1/metres, of any shape, the square of the scatterer's amplitude in electrons.

        Returns
        -------
        r_e^2 x fluence x intensity x polarization x solid angle x capture, the mean over the sources.
        """


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
