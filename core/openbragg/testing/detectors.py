"""Properties of detectors that are known by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from openbragg.errors import OpenBraggError
from openbragg.model import Detector
from openbragg.model.absorption import attenuates, attenuation_length
from openbragg.options import options_of
from openbragg.orchestrator.finding.detectors import named_detectors
from openbragg.orchestrator.finding.registry import default_registry
from openbragg.roles import DetectorDescription, DetectorFamily
from openbragg.testing.assertions import require
from openbragg.testing.declaration import check_declaration
from openbragg.units import unit

#: Photon energies, in electronvolts, at which a sensor that is named must absorb.
_ENERGIES = (6000.0, 9000.0, 12398.42, 18000.0, 25000.0)
#: Neither a pixel nor a sensor is so large, in metres: what is was meant in other units.
_LARGEST_PIXEL, _THICKEST = 0.05, 0.05
#: Of a pixel: two panels that touch overlap by the rounding of their places.
_TOUCHING = 1e-6


def check_detector(family: type[DetectorFamily]) -> None:
    """The family declares itself, is the same each time, and every detector of it can be rendered on.

    Parameters
    ----------
    family
        The class.

    Raises
    ------
    AssertionError
        With the name of the detector and what it does not keep.
    """
    check_declaration(family(), DetectorFamily)
    title = family.__name__
    described = family.detectors()
    require(isinstance(described, Mapping) and len(described) > 0, f"{title}.detectors() is not a mapping of detectors")
    require(described == family.detectors(), f"{title}.detectors() is not the same each time")
    taken = {name: one.family.cls for name, one in named_detectors().found.items()}
    for name, description in described.items():
        good = isinstance(name, str) and name == name.lower() and name != "" and not set(name) & set(" _")
        require(good, f"{title}: {name!r} is not a name in lower case with dashes between words")
        require(isinstance(description, DetectorDescription), f"{title}: {name} is not a DetectorDescription")
        other = taken.get(name)
        require(other in (None, family), f"{name} is the name of a detector that is installed already")
        check_detector_frame(name, description)
        check_detector_panels(name, description)
        check_detector_sensor(name, description)
        check_detector_noise(name, description)


def check_detector_frame(name: str, description: DetectorDescription) -> None:
    """The detector has a title, pixels of a size, and gaps within its stored frame that leave some of them."""
    require(isinstance(description.title, str) and description.title != "", f"{name} has no title")
    counts = description.pixels
    require(
        len(counts) == 2 and all(isinstance(count, int) and count > 0 for count in counts),
        f"{name}: its pixels are not two whole numbers above 0: {counts!r}",
    )
    size = description.pixel_size
    require(math.isfinite(size) and size > 0.0, f"{name}: its pixel_size is not a number above 0: {size!r}")
    require(size < _LARGEST_PIXEL, f"{name}: a pixel of {size:g} m; sizes are in metres, such as 75e-6")
    saturation = description.saturation
    require(
        saturation is None or (isinstance(saturation, int) and saturation > 0),
        f"{name}: its saturation is not a whole number above 0: {saturation!r}",
    )
    slow, fast = _made(name, description).frame_shape()
    for gap in description.gaps:
        left, right, top, bottom = gap
        require(
            0 <= left <= right < fast and 0 <= top <= bottom < slow,
            f"{name}: the gap {gap} is not within its frame of {fast} x {slow} pixels (fast x slow)",
        )
    absent = _made(name, description).absent()
    require(absent is None or not bool(absent.all()), f"{name}: its gaps leave no pixel")


def check_detector_panels(name: str, description: DetectorDescription) -> None:
    """No two panels lie on each other, neither in the stored frame nor, where they are in one plane, in space."""
    panels = _made(name, description).panels()
    for number, one in enumerate(panels):
        for other in panels[:number]:
            apart = not (_meet(one.rows(), other.rows()) and _meet(one.columns(), other.columns()))
            require(apart, f"{name}: two panels overlap in the stored frame: {one.name!r} and {other.name!r}")
            if one.axes != other.axes or one.offset[2] != other.offset[2] or not _is_square(one.axes):
                continue
            margin = _TOUCHING * float(min(one.pixel_size, other.pixel_size))
            along = [
                min(float(a + n * one.pixel_size), float(b + m * other.pixel_size)) - max(float(a), float(b)) > margin
                for a, b, n, m in zip(
                    one.offset[:2], other.offset[:2], one.pixels[::-1], other.pixels[::-1], strict=True
                )
            ]
            require(not all(along), f"{name}: two panels overlap in space: {one.name!r} and {other.name!r}")


def check_detector_sensor(name: str, description: DetectorDescription) -> None:
    """A sensor has a material that is tabulated, a thickness, and a finite attenuation length at usual energies."""
    material, thickness = description.material, description.thickness
    require(math.isfinite(thickness) and thickness >= 0.0, f"{name}: its thickness is not 0 or more: {thickness!r}")
    require(thickness < _THICKEST, f"{name}: a sensor of {thickness:g} m; its thickness is in metres, such as 450e-6")
    if not material:
        require(thickness == 0.0, f"{name} has a thickness and no material")
        return
    require(attenuates(material), f"{name}: its material is not tabulated: {material!r}")
    require(thickness > 0.0, f"{name} has a material and no thickness")
    for energy in _ENERGIES:
        wavelength = unit("eV").to_si(energy)
        length = attenuation_length(material, wavelength)
        good = length is not None and math.isfinite(length) and length > 0.0
        require(good, f"{name}: {material} has no attenuation length at {energy:g} eV")
        sensor = _made(name, description, wavelength)
        require(bool(sensor.sensor_thickness == thickness), f"{name}: its sensor is not as thick at {energy:g} eV")


def check_detector_noise(name: str, description: DetectorDescription) -> None:
    """What belongs to it of a noise model are options of that model, and values that it takes.

    Of a model that is not installed nothing can be said.
    """
    for model, options in description.noise.items():
        require(isinstance(options, Mapping), f"{name}: its noise for {model} is not a mapping of options")
        found = default_registry().of_name("noise_models", model)
        if found is None:
            continue
        unknown = sorted(set(options) - {field for field, _ in options_of(found.cls)})
        require(unknown == [], f"{name}: the noise model {model} has no option {', '.join(map(repr, unknown))}")
        try:
            found.cls(**options)
        except OpenBraggError as error:
            raise AssertionError(f"{name}: the noise model {model} refuses its options: {error}") from None


def _made(name: str, description: DetectorDescription, wavelength: float | None = None) -> Detector:
    """The detector, as a run would make it."""
    settings: dict[str, Any] = description.settings(wavelength)
    try:
        detector = Detector(**settings)
        detector.frame_shape()
    except OpenBraggError as error:
        raise AssertionError(f"{name} cannot be made: {error}") from None
    return detector


def _meet(one: slice, other: slice) -> bool:
    return bool(one.start < other.stop and other.start < one.stop)


def _is_square(axes: Any) -> bool:
    """Whether a panel's axes are the detector's own."""
    return [list(row) for row in axes] == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
