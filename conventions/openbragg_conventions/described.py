"""The convention of geometry files: the detector stands where a file says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import Rule, hookimpl, option

if TYPE_CHECKING:
    import torch

    from openbragg import Detector, GeometryConvention, Laboratory

#: The beam has to meet a plane at no flatter angle (sine) than this for a distance along it to mean anything.
_FLATTEST = 0.1
_DIRECTION = Rule("a vector that is not 0", any)


def _vector(default: Any, help: str, unit: str = "") -> Any:  # noqa: A002
    return option(length=3, default=default, whole=None if unit else _DIRECTION, unit=unit, help=help)


@attrs.frozen
class Described:
    """Beam, polarization, spindle and panels in the frame of a file, which ``-geometry`` reads.

    Settings of the detector move it from there: a distance along the beam, a beam centre or a near point, (fast, slow)
    from the first corner, within its plane. Distance and beam centre are those of the panel that the vectors here
    place, of several the one nearest to the beam. Rotations swing the detector about the crystal unless the pivot is
    given; two-theta swings about the spindle.

    Without an origin the detector's own settings place it, at right angles to the beam with the beam in the middle.
    """

    name: ClassVar[str] = "file"
    summary: ClassVar[str] = "as a geometry file says, in its own frame; beam centre (fast, slow)"
    flags: ClassVar[tuple[str, ...]] = ()

    origin: Any = _vector(None, "From the crystal to the outer corner of the panel's first pixel.", "m")
    fast: Any = _vector((1.0, 0.0, 0.0), "Direction of growing fast pixel index.")
    slow: Any = _vector((0.0, 1.0, 0.0), "Direction of growing slow pixel index.")
    beam: Any = _vector((0.0, 0.0, 1.0), "Direction of the beam.")
    polarization: Any = _vector((1.0, 0.0, 0.0), "Direction of the beam's electric vector.")
    spindle: Any = _vector((1.0, 0.0, 0.0), "Axis of the right-handed phi rotation.")

    def place(self, detector: Detector) -> Laboratory:
        """See `openbragg.GeometryConvention.place`."""
        import torch

        from openbragg import Axes, place

        fast, slow, beam = (_unit(vector) for vector in (self.fast, self.slow, self.beam))
        normal = torch.linalg.cross(fast, slow)
        axes = Axes(
            beam=self.beam,
            fast=self.fast,
            slow=self.slow,
            normal=normal,
            twotheta=self.spindle,
            polarization=self.polarization,
            spindle=self.spindle,
        )
        if self.origin is None:
            near = detector.near_point_default()
            spot = [
                given if given is not None else default
                for given, default in zip(detector.beam_centre, near, strict=True)
            ]
            laboratory = place(
                detector,
                axes,
                pivot=detector.pivot or "beam",
                beam_centre=(spot[0], spot[1]),
                beam_point=(spot[0], spot[1]),
                near_point=(spot[0], spot[1]),
            )
        else:
            corner = self._corner(detector, fast, slow, normal, beam)
            laboratory = place(
                detector,
                axes,
                pivot=detector.pivot or "sample",
                beam_centre=(0.0, 0.0),
                beam_point=(0.0, 0.0),
                first_corner=corner,
            )
        # A panel looks at the crystal, whichever way its rows and columns run.
        panels = tuple(
            attrs.evolve(frame, normal=-frame.normal) if bool(frame.close_distance() < 0.0) else frame
            for frame in laboratory.panels
        )
        laboratory = attrs.evolve(laboratory, panels=panels)
        if self.origin is None:
            return laboratory
        return attrs.evolve(laboratory, beam_centre=panels[0].beam_point(laboratory.beam))

    def beam_centre(self, detector: Detector, fast: Any, slow: Any) -> tuple[Any, Any]:
        """See `openbragg.GeometryConvention.beam_centre`."""
        return fast, slow

    def _corner(
        self, detector: Detector, fast: torch.Tensor, slow: torch.Tensor, normal: torch.Tensor, beam: torch.Tensor
    ) -> torch.Tensor:
        """From the crystal to the first corner, moved as the detector's settings say; (3,) in metres."""
        corner = _float64(self.origin)
        slope = beam @ normal
        height = corner @ normal
        spot = -corner
        if bool(slope.abs() > _FLATTEST) and bool(height / slope > 0.0):
            close = detector.close_distance
            wanted = _float64(detector.distance) if close is None else _float64(close) / slope.abs()
            corner = corner + (wanted - height / slope) * beam
            spot = beam * wanted - corner
        axes, duals = _pixel_axes(detector, fast, slow, normal)
        for axis, dual, given, near, pixel in zip(
            axes, duals, detector.beam_centre, detector.near_point, detector.near_pixel, strict=True
        ):
            if given is not None:
                corner = corner + (spot @ dual - _float64(given)) * axis
            elif near is not None:
                corner = corner + (-(corner @ dual) - _float64(near)) * axis
            elif pixel is not None:
                corner = corner + (-(corner @ dual) - (_float64(pixel) - 0.5) * detector.pixel_size) * axis
        return corner


def _pixel_axes(
    detector: Detector, fast: torch.Tensor, slow: torch.Tensor, normal: torch.Tensor
) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Vectors (3,) along rows and columns of the panel at the origin, and those whose products are parts along them.

    They are the detector's own axes, unless that panel's are oblique or of another length.
    """
    import torch

    here = next((panel for panel in detector.layout if not _float64(panel.offset).detach().any()), None)
    if here is None or not here.is_oblique():
        return (fast, slow), (fast, slow)
    along, down = (_float64(axis) @ torch.stack((fast, slow, normal)) for axis in here.axes[:2])
    volume = torch.linalg.cross(along, down) @ normal
    duals = torch.linalg.cross(down, normal) / volume, torch.linalg.cross(normal, along) / volume
    return (along, down), duals


def _float64(value: Any) -> torch.Tensor:
    import torch

    if isinstance(value, tuple | list):
        return torch.stack([_float64(one) for one in value])
    return torch.as_tensor(value, dtype=torch.float64, device="cpu")


def _unit(values: Any) -> torch.Tensor:
    vector = _float64(values)
    made: torch.Tensor = vector / vector.norm()
    return made


@hookimpl
def geometry_conventions() -> list[type[GeometryConvention]]:
    """Offer the convention of geometry files."""
    return [Described]
