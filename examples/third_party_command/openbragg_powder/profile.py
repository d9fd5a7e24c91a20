"""The azimuthal mean of an image: pixels sorted into rings about the beam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from openbragg import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openbragg import Laboratory, PanelFrame

#: Of the width of all rings, by which the last one reaches beyond the outermost pixel, which is to be in it.
_BEYOND = 1e-9


@attrs.frozen(eq=False)
class Profile:
    """Rings about the beam, from the innermost on; those without a pixel are left out.

    Attributes
    ----------
    two_theta
        Middle of each ring, an angle from the beam in radians, (rings,).
    spacing
        The d spacing there, lambda / (2 sin theta), in metres, (rings,).
    photons
        Mean over the ring's pixels, in photons per pixel, (rings,).
    pixels
        How many there are, (rings,).
    """

    two_theta: NDArray[np.float64]
    spacing: NDArray[np.float64]
    photons: NDArray[np.float64]
    pixels: NDArray[np.int64]


def profile_of(photons: NDArray[Any], layout: Any, bins: int, against: str) -> Profile:
    """The profile of an image.

    Parameters
    ----------
    photons
        Of the stored frame, (slow, fast).
    layout
        Of its simulation: where the pixels are, and which of them are rendered.
    bins
        Number of rings between the innermost and the outermost pixel.
    against
        ``2theta`` for rings of equal width in 2 theta, ``d`` for equal width in 1/d.

    Raises
    ------
    UsageError
        When no pixel is rendered.
    """
    seen = rendered(layout, photons.shape)
    if not seen.any():
        raise UsageError("no pixel is rendered, so that there is no profile")
    wavelength = float(layout.experiment.beam.wavelength)
    angles = frame_angles(layout.laboratory, photons.shape)[seen]
    if against == "d":
        return radial_profile(2.0 * np.sin(angles / 2.0) / wavelength, photons[seen], bins, wavelength, by_spacing=True)
    return radial_profile(angles, photons[seen], bins, wavelength, by_spacing=False)


def radial_profile(
    places: NDArray[np.float64], photons: NDArray[Any], bins: int, wavelength: float, *, by_spacing: bool
) -> Profile:
    """Rings of equal width from the place of each pixel, its 2 theta or (`by_spacing`) its 1/d.

    Parameters
    ----------
    places
        In radians, or per metre, (pixels,).
    photons
        Of each pixel, (pixels,).
    bins
        Number of rings.
    wavelength
        In metres.
    """
    low, high = float(places.min()), float(places.max())
    width = (high - low) * (1.0 + _BEYOND) / bins or 1.0
    rings = ((places - low) / width).astype(np.int64)
    counts = np.bincount(rings, minlength=bins)
    totals = np.bincount(rings, photons.astype(np.float64), minlength=bins)
    filled = counts > 0
    # Of pixels that all are at one place, the ring is there.
    middles = low + (np.flatnonzero(filled) + 0.5) * width if high > low else np.array([low])
    sines = 0.5 * wavelength * middles if by_spacing else np.sin(middles / 2.0)
    with np.errstate(divide="ignore"):
        spacing = np.where(sines > 0.0, wavelength / (2.0 * sines), np.inf)
    return Profile(
        two_theta=2.0 * np.arcsin(np.minimum(sines, 1.0)),
        spacing=spacing,
        photons=totals[filled] / counts[filled],
        pixels=counts[filled],
    )


def frame_angles(laboratory: Laboratory, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """2 theta of the centre of each pixel of the stored frame (slow, fast), in radians; 0 between panels."""
    angles = np.zeros(shape)
    for frame in laboratory.panels:
        angles[frame.panel.rows(), frame.panel.columns()] = panel_angles(frame, laboratory)
    return angles


def panel_angles(frame: PanelFrame, laboratory: Laboratory) -> NDArray[np.float64]:
    """2 theta of the centre of each pixel of a panel (slow, fast), in radians."""
    beam, polarization = _vector(laboratory.beam), _vector(laboratory.polarization)
    across = np.cross(beam, polarization)
    across /= np.linalg.norm(across)
    along, one, other = (_components(frame, axis) for axis in (beam, across, np.cross(across, beam)))
    # Right also at small angles, of which the cosine says little.
    return np.arctan2(np.hypot(one, other), along)


def rendered(layout: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels of the stored frame are rendered, (slow, fast): those in the region that nothing hides."""
    left, right, top, bottom = layout.experiment.sampling.region
    seen = np.zeros(shape, dtype=bool)
    for frame in layout.laboratory.panels:
        seen[frame.panel.rows(), frame.panel.columns()] = True
    inside = np.zeros(shape, dtype=bool)
    inside[top : bottom + 1, left : right + 1] = True
    hidden = layout.experiment.detector.hidden()
    return seen & inside if hidden is None else seen & inside & ~np.asarray(hidden)


def _components(frame: PanelFrame, axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Along a unit vector, from the crystal to the pixels' centres, (slow, fast), in metres."""
    slow, fast = frame.panel.pixels
    size = float(frame.panel.pixel_size)
    down = (np.arange(slow) + 0.5) * size * (_vector(frame.slow) @ axis)
    right = (np.arange(fast) + 0.5) * size * (_vector(frame.fast) @ axis)
    return _vector(frame.origin) @ axis + down[:, np.newaxis] + right


def _vector(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu(), dtype=np.float64)
