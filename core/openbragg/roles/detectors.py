"""The contract of detectors that are known by name, and the small classes that describe one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self, runtime_checkable

import attrs

from openbragg.model.absorption import attenuation_length
from openbragg.model.described import Rectangle
from openbragg.model.panel import Panel
from openbragg.roles.plugin import Plugin


@attrs.frozen(kw_only=True)
class Modules:
    """Equal modules in rows and columns, with the same gap between any two.

    Attributes
    ----------
    pixels
        Of one module, (slow, fast).
    count
        Modules along (slow, fast).
    gap
        Pixels' worth of nothing between two modules, along (slow, fast).
    seam
        First and last column of a module without pixels in its middle; None for none.
    """

    pixels: tuple[int, int]
    count: tuple[int, int] = (1, 1)
    gap: tuple[int, int] = (0, 0)
    seam: tuple[int, int] | None = None

    def extent(self) -> tuple[int, int]:
        """Pixels (slow, fast) of the whole, gaps included."""
        slow, fast = (
            count * size + (count - 1) * gap for count, size, gap in zip(self.count, self.pixels, self.gap, strict=True)
        )
        return slow, fast

    def corners(self) -> Iterator[tuple[int, int]]:
        """First pixels (slow, fast) of the modules, row by row."""
        for row in range(self.count[0]):
            for column in range(self.count[1]):
                yield row * (self.pixels[0] + self.gap[0]), column * (self.pixels[1] + self.gap[1])

    def gaps(self) -> tuple[Rectangle, ...]:
        """Rectangles without pixels of an image that has the gaps in it."""
        slow, fast = self.extent()
        found: list[Rectangle] = []
        for row in range(1, self.count[0]):
            end = row * (self.pixels[0] + self.gap[0])
            found.append((0, fast - 1, end - self.gap[0], end - 1))
        for column in range(1, self.count[1]):
            end = column * (self.pixels[1] + self.gap[1])
            found.append((end - self.gap[1], end - 1, 0, slow - 1))
        if self.seam is not None:
            for column in range(self.count[1]):
                first = column * (self.pixels[1] + self.gap[1])
                found.append((first + self.seam[0], first + self.seam[1], 0, slow - 1))
        return tuple(found)

    def stacked(self, pixel_size: float) -> tuple[Panel, ...]:
        """Each module as a panel of an image that keeps module below module, without the gaps.

        `pixel_size` is the side of a pixel in metres.
        """
        return tuple(
            Panel(
                pixels=self.pixels,
                pixel_size=pixel_size,
                offset=(fast * pixel_size, slow * pixel_size, 0.0),
                slab=(number * self.pixels[0], 0),
                name=f"m{number}",
            )
            for number, (slow, fast) in enumerate(self.corners())
        )


@attrs.frozen(kw_only=True)
class DetectorDescription:
    """A detector that is known by name: its pixels, where it has none, its sensor, and what its noise is like.

    Attributes
    ----------
    title
        What its maker calls it.
    pixels
        Pixels (slow, fast) of the whole, gaps included.
    pixel_size
        Side of a pixel, in metres.
    gaps
        Rectangles without pixels of its images: first and last pixel along fast, then along slow, both included.
    panels
        Its panels, where its images keep them elsewhere than they lie, or they do not lie in one plane; else none.
    modules
        What it is made of, for people; None where that is no grid of equal modules.
    material, thickness
        Of the sensor, in metres; empty and 0 for screens and image plates, whose every photon counts here.
    saturation
        The largest count that a pixel holds; None where that depends on how the detector is run.
    noise
        For noise models that suit it, by name, their options that belong to it: field names and values in SI units.
        They are taken where such a model is chosen beside the detector, and give way to what the user says of them.
    """

    title: str
    pixels: tuple[int, int]
    pixel_size: float
    gaps: tuple[Rectangle, ...] = ()
    panels: tuple[Panel, ...] = ()
    modules: Modules | None = None
    material: str = ""
    thickness: float = 0.0
    saturation: int | None = None
    noise: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, hash=False)

    @classmethod
    def of_modules(cls, title: str, modules: Modules, *, pixel_size: float, stacked: bool = False, **rest: Any) -> Self:
        """A detector of equal modules, whose images have the gaps in them, or are `stacked`: module below module.

        `rest` are further fields.
        """
        return cls(
            title=title,
            pixels=modules.extent(),
            pixel_size=pixel_size,
            gaps=() if stacked else modules.gaps(),
            panels=modules.stacked(pixel_size) if stacked else (),
            modules=modules,
            **rest,
        )

    def has_own_pixels(self) -> bool:
        """Whether its pixels are bound to its gaps or panels, so that others cannot be asked for."""
        return bool(self.gaps or self.panels)

    def settings(self, wavelength: float | None = None) -> dict[str, object]:
        """Fields of a `Detector`; of a sensor only where the wavelength is known and tabulated for its material."""
        made: dict[str, object] = {"pixels": self.pixels, "pixel_size": self.pixel_size}
        if self.gaps:
            made["gaps"] = self.gaps
        if self.panels:
            made["layout"] = self.panels
        length = attenuation_length(self.material, wavelength) if wavelength is not None else None
        if length is not None:
            made |= {
                "sensor_thickness": self.thickness,
                "attenuation_length": length,
                "sensor_material": self.material,
                "counts_at_mean_depth": True,
            }
        return made


@runtime_checkable
class DetectorFamily(Plugin, Protocol):
    """Detectors by name: those of a maker or a beamline. ``-detector`` takes the name of each."""

    @classmethod
    def detectors(cls) -> Mapping[str, DetectorDescription]:
        """The detectors by their names, in lower case with dashes between words.

        Asked when a detector is looked for, in commands that are to be quick: it needs no torch.
        """
