"""Detectors by name: what is sold, with its pixels, gaps and sensor."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

import attrs

from openbragg.errors import UsageError, shown
from openbragg.model.absorption import attenuation_length
from openbragg.model.described import Rectangle
from openbragg.model.detector import Detector
from openbragg.model.panel import Panel

_UM = 1e-6


@attrs.frozen(kw_only=True)
class Preset:
    """A detector of equal modules in rows and columns.

    Attributes
    ----------
    name
        Lower case.
    title
        What its maker calls it.
    module
        Pixels (slow, fast) of a module.
    modules
        Modules along (slow, fast).
    gap
        Pixels' worth of nothing between two modules, along (slow, fast).
    pixel_size
        Side of a pixel in metres.
    material, thickness
        Of the sensor, in metres; empty and 0 for screens and image plates, whose every photon counts here.
    seam
        First and last column of a module without pixels in its middle; None for none.
    saturation
        The largest count that a pixel holds; None where that depends on how the detector is run.
    stacked
        Whether its images keep module below module, each a panel, without the gaps.
    """

    name: str
    title: str
    module: tuple[int, int]
    modules: tuple[int, int] = (1, 1)
    gap: tuple[int, int] = (0, 0)
    pixel_size: float
    material: str = ""
    thickness: float = 0.0
    seam: tuple[int, int] | None = None
    saturation: int | None = None
    stacked: bool = False

    def extent(self) -> tuple[int, int]:
        """Pixels (slow, fast) of the whole, gaps included."""
        slow, fast = (
            count * size + (count - 1) * gap
            for count, size, gap in zip(self.modules, self.module, self.gap, strict=True)
        )
        return slow, fast

    def corners(self) -> Iterator[tuple[int, int]]:
        """First pixels (slow, fast) of the modules, row by row."""
        for row in range(self.modules[0]):
            for column in range(self.modules[1]):
                yield row * (self.module[0] + self.gap[0]), column * (self.module[1] + self.gap[1])

    def gaps(self) -> tuple[Rectangle, ...]:
        """Rectangles without pixels of a detector whose images have its gaps in them."""
        if self.stacked:
            return ()
        slow, fast = self.extent()
        found: list[Rectangle] = []
        for row in range(1, self.modules[0]):
            end = row * (self.module[0] + self.gap[0])
            found.append((0, fast - 1, end - self.gap[0], end - 1))
        for column in range(1, self.modules[1]):
            end = column * (self.module[1] + self.gap[1])
            found.append((end - self.gap[1], end - 1, 0, slow - 1))
        if self.seam is not None:
            for column in range(self.modules[1]):
                first = column * (self.module[1] + self.gap[1])
                found.append((first + self.seam[0], first + self.seam[1], 0, slow - 1))
        return tuple(found)

    def settings(self, wavelength: float | None = None) -> dict[str, object]:
        """Fields of a `Detector`; of a sensor only where the wavelength is known and tabulated for its material."""
        made: dict[str, object] = {"pixels": self.extent(), "pixel_size": self.pixel_size}
        if self.gaps():
            made["gaps"] = self.gaps()
        if self.stacked:
            made["layout"] = tuple(
                Panel(
                    pixels=self.module,
                    pixel_size=self.pixel_size,
                    offset=(fast * self.pixel_size, slow * self.pixel_size, 0.0),
                    slab=(number * self.module[0], 0),
                    name=f"m{number}",
                )
                for number, (slow, fast) in enumerate(self.corners())
            )
        length = attenuation_length(self.material, wavelength) if wavelength is not None else None
        if length is not None:
            made |= {"sensor_thickness": self.thickness, "attenuation_length": length}
        return made


def _pilatus(name: str, title: str, slow: int, fast: int, *, cdte: bool = False) -> Preset:
    return Preset(
        name=name,
        title=title,
        module=(195, 487),
        modules=(slow, fast),
        gap=(17, 7),
        pixel_size=172.0 * _UM,
        material="CdTe" if cdte else "Si",
        thickness=(1000.0 if cdte else 320.0) * _UM,
        seam=(242, 244) if cdte else None,
        # Twenty bits.
        saturation=(1 << 20) - 1,
    )


def _eiger(name: str, title: str, slow: int, fast: int) -> Preset:
    return Preset(
        name=name,
        title=title,
        module=(514, 1030),
        modules=(slow, fast),
        gap=(37, 10),
        pixel_size=75.0 * _UM,
        material="Si",
        thickness=450.0 * _UM,
    )


def _eiger2(name: str, title: str, slow: int, fast: int, *, cdte: bool = False) -> Preset:
    return Preset(
        name=name,
        title=title,
        module=(512, 1028),
        modules=(slow, fast),
        gap=(38, 12),
        pixel_size=75.0 * _UM,
        material="CdTe" if cdte else "Si",
        thickness=(750.0 if cdte else 450.0) * _UM,
        seam=(513, 514) if cdte else None,
    )


def _jungfrau(name: str, title: str, slow: int, fast: int, *, stacked: bool = False) -> Preset:
    return Preset(
        name=name,
        title=title,
        module=(514, 1030),
        modules=(slow, fast),
        gap=(36, 8),
        pixel_size=75.0 * _UM,
        material="Si",
        thickness=320.0 * _UM,
        stacked=stacked,
    )


def _screen(name: str, title: str, pixels: int, pixel: float, saturation: int | None = (1 << 16) - 1) -> Preset:
    return Preset(name=name, title=title, module=(pixels, pixels), pixel_size=pixel * _UM, saturation=saturation)


PRESETS: tuple[Preset, ...] = (
    _pilatus("pilatus-100k", "PILATUS 100K", 1, 1),
    _pilatus("pilatus-200k", "PILATUS 200K", 2, 1),
    _pilatus("pilatus-300k", "PILATUS 300K", 3, 1),
    _pilatus("pilatus-300k-w", "PILATUS 300K-W", 1, 3),
    _pilatus("pilatus-1m", "PILATUS 1M", 5, 2),
    _pilatus("pilatus-2m", "PILATUS 2M", 8, 3),
    _pilatus("pilatus-6m", "PILATUS 6M", 12, 5),
    _pilatus("pilatus3-300k-cdte", "PILATUS3 CdTe 300K", 3, 1, cdte=True),
    _pilatus("pilatus3-1m-cdte", "PILATUS3 CdTe 1M", 5, 2, cdte=True),
    _pilatus("pilatus3-2m-cdte", "PILATUS3 CdTe 2M", 8, 3, cdte=True),
    _eiger("eiger-500k", "EIGER 500K", 1, 1),
    _eiger("eiger-1m", "EIGER 1M", 2, 1),
    _eiger("eiger-4m", "EIGER 4M", 4, 2),
    _eiger("eiger-9m", "EIGER 9M", 6, 3),
    _eiger("eiger-16m", "EIGER 16M", 8, 4),
    _eiger2("eiger2-500k", "EIGER2 500K", 1, 1),
    _eiger2("eiger2-1m", "EIGER2 1M", 2, 1),
    _eiger2("eiger2-4m", "EIGER2 4M", 4, 2),
    _eiger2("eiger2-9m", "EIGER2 9M", 6, 3),
    _eiger2("eiger2-16m", "EIGER2 16M", 8, 4),
    _eiger2("eiger2-1m-cdte", "EIGER2 CdTe 1M", 2, 1, cdte=True),
    _eiger2("eiger2-4m-cdte", "EIGER2 CdTe 4M", 4, 2, cdte=True),
    _eiger2("eiger2-9m-cdte", "EIGER2 CdTe 9M", 6, 3, cdte=True),
    _eiger2("eiger2-16m-cdte", "EIGER2 CdTe 16M", 8, 4, cdte=True),
    _jungfrau("jungfrau-500k", "JUNGFRAU 0.5M", 1, 1),
    _jungfrau("jungfrau-1m", "JUNGFRAU 1M", 2, 1),
    _jungfrau("jungfrau-4m", "JUNGFRAU 4M", 4, 2),
    _jungfrau("jungfrau-4m-modules", "JUNGFRAU 4M, module below module", 4, 2, stacked=True),
    _screen("adsc-q210", "ADSC Quantum 210", 4096, 51.0),
    _screen("adsc-q210-2x2", "ADSC Quantum 210, 2 x 2 binned", 2048, 102.0),
    _screen("adsc-q315", "ADSC Quantum 315", 6144, 51.0),
    _screen("adsc-q315-2x2", "ADSC Quantum 315, 2 x 2 binned", 3072, 102.0),
    _screen("rayonix-sx165", "Rayonix SX165 (MarCCD 165), 2 x 2 binned", 2048, 79.0),
    _screen("rayonix-mx225", "Rayonix MX225 (MarMosaic 225), 2 x 2 binned", 3072, 73.242),
    _screen("rayonix-mx225-hs", "Rayonix MX225-HS, 2 x 2 binned", 2880, 78.125),
    _screen("rayonix-mx300", "Rayonix MX300 (MarMosaic 300), 2 x 2 binned", 4096, 73.242),
    _screen("rayonix-mx300-hs", "Rayonix MX300-HS, 2 x 2 binned", 3840, 78.125),
    _screen("rayonix-mx325", "Rayonix MX325, 2 x 2 binned", 4096, 79.346),
    _screen("rayonix-mx340-hs", "Rayonix MX340-HS, 2 x 2 binned", 3840, 88.5416),
    _screen("mar345", "mar345 image plate, pixels of 100 um", 3450, 100.0, None),
    _screen("mar345-150", "mar345 image plate, pixels of 150 um", 2300, 150.0, None),
)


def preset(name: str) -> Preset:
    """A detector by its name, in letters of any case; blanks and underscores may stand for the dashes.

    Raises
    ------
    UsageError
        When there is none; the message has names like it.
    """
    wanted = name.lower().replace(" ", "-").replace("_", "-")
    found = next((one for one in PRESETS if one.name == wanted), None)
    if found is None:
        close = get_close_matches(wanted[:40], [one.name for one in PRESETS], n=3, cutoff=0.5)
        guess = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(f"no detector {shown(name)!r}{guess} (openbragg detectors lists them)")
    return found


def detector_preset(name: str, wavelength: float | None = None, **settings: object) -> Detector:
    """A detector by name, for example ``detector_preset("pilatus-6m", 1e-10, distance=0.2)``.

    Parameters
    ----------
    name
        One of those that ``openbragg detectors`` lists.
    wavelength
        In metres; with it the sensor absorbs as its material does.
    settings
        Further fields of the `Detector`, in SI units and radians; they win.

    Raises
    ------
    OpenBraggError
        When there is no such detector, or a value breaks its rule.
    """
    return Detector(**{**preset(name).settings(wavelength), **settings})  # type: ignore[arg-type]
