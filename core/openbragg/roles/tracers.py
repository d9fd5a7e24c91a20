"""The contract of tracers, and the trace that they are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from openbragg.roles.miller import Miller
from openbragg.roles.plugin import Plugin

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    #: x, y and z.
    Components: TypeAlias = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class TracedSum(Protocol):
    """What a trace tells of the sum that its pixel is one of; tensors are float64."""

    @property
    def angles(self) -> torch.Tensor:
        """Spindle angle of each step, radians, (phi,)."""

    @property
    def incident(self) -> torch.Tensor:
        """Unit vectors along the beams of the sources, (sources, 3)."""

    @property
    def wavelengths(self) -> torch.Tensor:
        """Of the sources, metres, (sources,)."""

    @property
    def source_weights(self) -> torch.Tensor:
        """Of mean 1, (sources,)."""

    @property
    def cell_vectors(self) -> torch.Tensor:
        """Rows a, b, c in metres of every step and mosaic domain, (phi, mosaic, 3, 3)."""

    @property
    def closed_mosaic(self) -> bool:
        """Whether the one mosaic domain stands for all orientations of the crystal's blocks, in closed form."""

    @property
    def reciprocal_vectors(self) -> torch.Tensor:
        """Rows a*, b*, c* in 1/metres of the crystal as it is mounted, (3, 3)."""

    @property
    def fluence(self) -> torch.Tensor:
        """Photons per square metre, ()."""

    @property
    def electron_radius_squared(self) -> float:
        """r_e^2, in square metres."""

    @property
    def oversample_capture(self) -> bool:
        """Whether each term has its own capture; else it is a factor of the pixel. So are the next two."""

    @property
    def oversample_polarization(self) -> bool:
        """Whether each term has its own polarization."""

    @property
    def oversample_solid_angle(self) -> bool:
        """Whether each term has its own solid angle."""

    @property
    def water(self) -> object | None:
        """None where no water is in the beam."""

    @property
    def device(self) -> torch.device:
        """Where all tensors of the trace are."""

    def steps(self) -> int:
        """Number of terms that the reference program divides by: sources x mosaic domains x phi steps x subpixels."""


class TracedPanel(Protocol):
    """The panel on which a traced pixel lies: float64, metres or unit vectors (3,)."""

    @property
    def pixel_size(self) -> torch.Tensor:
        """Side of a pixel, ()."""

    @property
    def origin(self) -> torch.Tensor:
        """From the crystal to the outer corner of the first pixel."""

    @property
    def fast(self) -> torch.Tensor:
        """Direction of growing fast index: a side of a pixel over its size."""

    @property
    def slow(self) -> torch.Tensor:
        """Direction of growing slow index: a side of a pixel over its size."""

    @property
    def normal(self) -> torch.Tensor:
        """Direction of growing distance."""

    @property
    def close_distance(self) -> torch.Tensor:
        """Distance from the crystal to the panel's plane, ()."""


class TracedTerms(Protocol):
    """The terms of a traced pixel: tensors of seven axes, see `PixelTrace.axes`, of which the pixel's has length 1.

    F_latt, F_cell, h k l and the intensity have all axes in full; positions and q have length 1 on those on which they
    do not depend.
    """

    @property
    def position(self) -> Components:
        """x, y, z of the subpixel in metres."""

    @property
    def direction(self) -> Components:
        """Its unit vector."""

    @property
    def scattering(self) -> Components:
        """x, y, z of q in 1/metres."""

    @property
    def index(self) -> Miller:
        """Fractional h, k, l."""

    @property
    def nearest(self) -> Miller:
        """The nearest whole ones."""

    @property
    def lattice_factors(self) -> tuple[torch.Tensor, ...]:
        """Factors of F_latt as the shape gives them: one, or three along a, b and c."""

    @property
    def lattice_amplitude(self) -> torch.Tensor:
        """F_latt."""

    @property
    def cell_amplitude(self) -> torch.Tensor:
        """F_cell, in electrons."""

    @property
    def diffuse(self) -> torch.Tensor | None:
        """What diffuse scattering adds to F_cell^2 F_latt^2; None where there is none."""

    @property
    def intensity(self) -> torch.Tensor:
        """F_cell^2 F_latt^2, and the diffuse, with the factors that belong to single terms; what the image is summed
        from."""


class TracedFactors(Protocol):
    """Factors of a whole pixel, float64, (1,): 1 where the factor already stands in the terms."""

    @property
    def polarization(self) -> torch.Tensor:
        """The polarization factor."""

    @property
    def solid_angle(self) -> torch.Tensor:
        """In steradian."""

    @property
    def capture(self) -> torch.Tensor:
        """The part of the photons that the sensor absorbs."""


class PixelTrace(Protocol):
    """One pixel's calculation, on one device, gradients included: the terms that its image was summed from."""

    @property
    def plan(self) -> TracedSum:
        """The sum: angles, incident, wavelengths, cell_vectors, reciprocal_vectors, fluence and so on."""

    @property
    def panel(self) -> TracedPanel:
        """The panel: origin, fast, slow, normal, pixel_size, close_distance."""

    @property
    def slow(self) -> int:
        """Slow index of the pixel on its panel."""

    @property
    def fast(self) -> int:
        """Fast index of the pixel on its panel."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the terms' axes: layer, slow_subpixel, fast_subpixel, source, phi, mosaic, pixel."""

    @property
    def terms(self) -> TracedTerms:
        """Its terms: position, direction, scattering (q), index, nearest, lattice_factors, lattice_amplitude (F_latt),
        cell_amplitude (F_cell), intensity. Tensors of the seven axes."""

    @property
    def cell_vectors(self) -> torch.Tensor:
        """Rows a, b, c in metres of every step and mosaic domain, as the pixel's first evaluation has them, float64,
        (phi, mosaic, 3, 3)."""

    @property
    def solid_angle(self) -> torch.Tensor:
        """Solid angle of the first subpixel, whether or not it is a factor of the whole pixel, steradian, ()."""

    @property
    def intensity(self) -> torch.Tensor:
        """The sum of the terms, squared electrons, float64, ()."""

    @property
    def factors(self) -> TracedFactors:
        """Factors of the whole pixel: polarization, solid_angle, capture; (1,) each."""

    @property
    def background(self) -> torch.Tensor:
        """Photons per steradian of the background, with the factors that belong to single terms, float64, ()."""

    @property
    def photons(self) -> torch.Tensor:
        """Expected photons, float64, ()."""

    @property
    def value(self) -> torch.Tensor:
        """The same in the image's dtype: what stands in the image of the eager engine, to the last bit; compiled code
        may round otherwise."""

    @property
    def summed(self) -> torch.Tensor | None:
        """Which of the terms the image is summed from where what hardly counts is left out (``--cull``), booleans of
        their shape; None where it is all of them. The sums of the trace are those of all terms."""


@runtime_checkable
class Tracer(Plugin, Protocol):
    """A record of one pixel's calculation: names for numbers that the trace holds.

    A tracer picks, names and combines what is in the trace; it computes no physics of its own. It returns tensors, with
    their gradients; they become Python numbers only where they are written down.
    """

    def values(self, trace: PixelTrace) -> Mapping[str, torch.Tensor]:
        """Numbers () and vectors (n,) of the whole pixel, in the order in which they are to be written."""

    def steps(self, trace: PixelTrace) -> Mapping[str, torch.Tensor | None]:
        """Numbers of each term: tensors that broadcast over the trace's seven axes; None for what there is not.

        Names that several tracers give are written once.
        """
