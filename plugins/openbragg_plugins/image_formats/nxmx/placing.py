"""Where an NXmx file says that its images were recorded: chains of translations and rotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from openbragg import Geometry, InputError, PanelGeometry, shown
from openbragg_plugins.image_formats.camera import Camera, positive, upright_geometry
from openbragg_plugins.image_formats.nxmx.description import SURFACE
from openbragg_plugins.image_formats.nxmx.links import Linked
from openbragg_plugins.image_formats.nxmx.spectrum import recorded_spectrum

DETECTOR = "entry/instrument/detector"
_WAVELENGTHS = (
    "entry/instrument/beam/incident_wavelength",
    "entry/instrument/monochromator/wavelength",
    "entry/sample/beam/incident_wavelength",
)
#: McStas's z runs along the beam.
_BEAM = (0.0, 0.0, 1.0)
_DEGREES = np.pi / 180.0
#: Units by their names, in metres; the micro sign and the Greek letter look alike.
_LENGTHS = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 1e-2),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1e-3),
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "microns"), 1e-6),
    **dict.fromkeys(("micrometer", "micrometers", "micrometre", "micrometres"), 1e-6),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-9),
    **dict.fromkeys(("a", "\u00e5", "ang", "angstrom", "angstroms"), 1e-10),
    **dict.fromkeys(("pm", "picometer", "picometers", "picometre", "picometres"), 1e-12),
}
#: In radians.
_ANGLES = {
    **dict.fromkeys(("deg", "degree", "degrees", "\u00b0"), _DEGREES),
    **dict.fromkeys(("rad", "radian", "radians"), 1.0),
}
#: In seconds.
_TIMES = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "microsecond", "microseconds"), 1e-6),
}
_PIXELS = dict.fromkeys(("px", "pixel", "pixels"), 1.0)
#: A longer chain goes round in a circle.
_LONGEST_CHAIN = 32
#: Sides of a pixel that differ by less than this part are equal.
_SQUARE = 1e-6
#: A data set of this many values may be read whole, and one of a value for each image.
_FEW = 64
#: A spindle closer to the beam than this, as a sine, gives no direction across it.
_ALONG = 1e-6
#: Bytes of the longest text that is read.
_LONGEST_TEXT = 4096


@attrs.frozen(kw_only=True)
class Placed:
    """Which image is meant: the file, its number in it from 1, how many there are, and the pixels (slow, fast)."""

    path: Path
    number: int
    count: int
    shape: tuple[int, ...]


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def place_frame(file: Linked, frame: Placed, saturation: float | None) -> Geometry | None:
    """The geometry of an image of an open file; None where the file does not tell it in numbers of known units.

    Raises
    ------
    InputError
        When there are far more values than images where one is expected, or it leads where it may not.
    """
    wavelengths = (_wavelength(file, file.get(name), frame) for name in _WAVELENGTHS)
    wavelength, note = next((found for found in wavelengths if found[0] is not None), (None, ""))
    detector = file.get(DETECTOR)
    if wavelength is None or not wavelength > 0.0 or detector is None:
        return None
    spindle, start, width = _rotation(file, frame)
    if not np.isfinite((start, width)).all():
        return None
    exposure = positive(_value(file.get("count_time", detector), frame, 1.0, _TIMES))
    members = [file.get(name, detector) for name in detector.keys()]  # noqa: SIM118 - see `Linked`.
    modules = [member for member in members if member is not None and _kind(member) == "NXdetector_module"]
    if not modules:
        return _by_beam_centre(file, detector, frame, wavelength, start, width, exposure)
    panels = [_panel(file, module, frame) for module in modules]
    placed = tuple(panel for panel in panels if panel is not None)
    if len(placed) != len(modules) or not (np.isfinite(wavelength) and np.isfinite(spindle).all()):
        return None
    turn = _laboratory(spindle)
    thickness = positive(_value(file.get("sensor_thickness", detector), frame, 1.0, _LENGTHS))
    if thickness is not None and thickness <= SURFACE:
        thickness = None
    material = file.get("sensor_material", detector) if thickness is not None else None
    return Geometry(
        source=f"{frame.path}",
        panels=tuple(
            attrs.evolve(
                panel,
                origin=_three(turn @ panel.origin),
                fast=_three(turn @ panel.fast),
                slow=_three(turn @ panel.slow),
            )
            for panel in placed
        ),
        image=(frame.shape[0], frame.shape[1]),
        beam=_three(turn @ _BEAM),
        wavelength=wavelength,
        wavelength_note=note,
        spindle=_three(turn @ spindle),
        start=start,
        oscillation=width,
        exposure=exposure,
        sensor_thickness=thickness,
        sensor_material="" if material is None else _text(_values(material, frame)[0]),
        saturation=positive(saturation),
    )


def _wavelength(file: Linked, data: Any, frame: Placed) -> tuple[float | None, str]:
    """The wavelength in metres, of a spectrum the mean by its weights, and what is to be said of that."""
    if data is not None and data.size is not None and data.size > 1:
        spectrum = recorded_spectrum(file, data, frame.number)
        if spectrum is not None:
            lengths, weights = spectrum
            mean = float(lengths @ weights / weights.sum()) * length_factor(data, 1e-10)
            if np.isfinite(mean) and mean > 0.0:
                return mean, f"of a spectrum of {lengths.size} wavelengths the mean is taken, {mean * 1e10:g} A"
    return _value(data, frame, 1e-10, _LENGTHS), ""


def length_factor(data: Any, otherwise: float) -> float:
    """What the numbers of a data set of lengths are multiplied by for metres; NaN where their unit is unknown."""
    return _factor(data, otherwise, _LENGTHS)


def _laboratory(spindle: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the file's frame to that of `openbragg.ReadImage`: beam along x, spindle along z where it is across it."""
    beam = np.array(_BEAM)
    across = spindle - (spindle @ beam) * beam
    if np.linalg.norm(across) < _ALONG:
        # Any direction will do.
        across = np.array((-1.0, 0.0, 0.0))
    z = across / np.linalg.norm(across)
    return np.array((beam, np.cross(z, beam), z))


def _panel(file: Linked, module: Any, frame: Placed) -> PanelGeometry | None:
    steps = [file.get(f"{name}_pixel_direction", module) for name in ("fast", "slow")]
    if any(step is None for step in steps):
        return None
    sizes = [float(_values(step, frame)[0]) * _factor(step, 1.0, _LENGTHS) for step in steps]
    if not (sizes[0] > 0.0 and sizes[1] > 0.0):
        return None
    below = _text(steps[0].attrs.get("depends_on", "."))
    turn, origin = _chain(file, module, below, frame)
    fast, slow = (turn @ _unit(step.attrs["vector"]) for step in steps)
    if abs(sizes[1] / sizes[0] - 1.0) >= _SQUARE:
        slow = slow * (sizes[1] / sizes[0])
    sizing, placing = (file.get(f"data_{name}", module) for name in ("size", "origin"))
    size = frame.shape if sizing is None else _values(sizing, frame)[-2:]
    first = (0, 0) if placing is None else _values(placing, frame)[-2:]
    corner = origin + turn @ _offset(steps[0])
    if not np.isfinite((corner, fast, slow)).all():
        return None
    return PanelGeometry(
        name=module.name.rsplit("/", 1)[-1],
        pixels=(int(size[0]), int(size[1])),
        pixel_size=sizes[0],
        origin=_three(corner),
        fast=_three(fast),
        slow=_three(slow),
        slab=(int(first[0]), int(first[1])),
    )


def _chain(file: Linked, beside: Any, name: str, frame: Placed) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rotation, and where the origin goes, of an axis and all that it depends on."""
    turn, origin = np.eye(3), np.zeros(3)
    for _ in range(_LONGEST_CHAIN):
        if name in (".", ""):
            break
        step = file.get(name, beside)
        if step is None:
            raise InputError(f"{frame.path}: there is no {shown(name)}, on which an axis depends")
        value, axis = _of_frame(step, frame), _unit(step.attrs["vector"])
        offset = _offset(step)
        if _text(step.attrs.get("transformation_type", "translation")) == "rotation":
            rotation = _turned_about(axis, value * _factor(step, _DEGREES, _ANGLES))
            turn, origin = rotation @ turn, rotation @ origin + offset
        else:
            origin = origin + value * _factor(step, 1.0, _LENGTHS) * axis + offset
        beside, name = step.parent, _text(step.attrs.get("depends_on", "."))
    return turn, origin


def _turned_about(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """The matrix of a right-handed rotation about a unit vector. Source: Rodrigues's formula."""
    across = np.cross(np.eye(3), -axis)
    turned: NDArray[np.float64] = np.eye(3) + np.sin(angle) * across + (1.0 - np.cos(angle)) * across @ across
    return turned


def _rotation(file: Linked, frame: Placed) -> tuple[NDArray[np.float64], float, float]:
    """The axis about which the crystal turns, where it stands at the start of the image, and how far it turns."""
    nothing = np.array((-1.0, 0.0, 0.0)), 0.0, 0.0
    sample, depends = file.get("entry/sample"), file.get("entry/sample/depends_on")
    name = "." if depends is None else _text(_values(depends, frame)[0])
    if name in (".", ""):
        # A still of ours does not stand on its axis, but has it.
        axis = None if sample is None else file.get("transformations/omega", sample)
    else:
        axis = file.get(name, sample)
    if axis is None or _text(axis.attrs.get("transformation_type", "")) != "rotation":
        return nothing
    unit_ = _factor(axis, _DEGREES, _ANGLES)
    start, width = _of_frame(axis, frame) * unit_, 0.0
    plain = axis.name.rsplit("/", 1)[-1]
    increment, end = (file.get(f"{plain}_{which}", axis.parent) for which in ("increment_set", "end"))
    if increment is not None:
        width = _of_frame(increment, frame) * unit_
    elif end is not None:
        width = _of_frame(end, frame) * unit_ - start
    return _unit(axis.attrs["vector"]), start, 0.0 if -np.inf < width < 0.0 else width


def _by_beam_centre(
    file: Linked, detector: Any, frame: Placed, wavelength: float, start: float, width: float, exposure: float | None
) -> Geometry | None:
    """An upright detector, of a file without modules."""
    pixel = _value(file.get("x_pixel_size", detector), frame, 1.0, _LENGTHS)
    distances = (_value(file.get(name, detector), frame, 1.0, _LENGTHS) for name in ("distance", "detector_distance"))
    distance = next((value for value in distances if value is not None), None)
    centres = (file.get(f"beam_center_{axis}", detector) for axis in "xy")
    fast, slow = (_value(centre, frame, 1.0, _PIXELS) for centre in centres)
    if pixel is None or distance is None or fast is None or slow is None:
        return None
    camera = Camera(
        pixel_size=pixel,
        distance=distance,
        wavelength=wavelength,
        beam_fast=fast * pixel,
        beam_slow=slow * pixel,
        start=start,
        range=width,
        exposure=exposure,
    )
    return upright_geometry(frame.path, camera, frame.shape)


def few(data: Any, images: int) -> bool:
    """Whether a data set is so small that it can be read whole: of a value, a vector or a text, or a value an image."""
    return bool(data.size is not None and data.size <= max(images, _FEW) and data.dtype.itemsize <= _LONGEST_TEXT)


def _value(data: Any, frame: Placed, otherwise: float, units: dict[str, float]) -> float | None:
    if data is None:
        return None
    value = _of_frame(data, frame) * _factor(data, otherwise, units)
    return value if np.isfinite(value) else None


def _values(data: Any, frame: Placed) -> np.ndarray[Any, Any]:
    """All values of a small data set, in one row."""
    if not few(data, frame.count):
        raise InputError(
            f"{frame.path}: expected up to {max(frame.count, _FEW)} values in {shown(data.name)}, "
            f"got {str(data.shape)[:60]}"
        )
    return np.asarray(data[()]).ravel()


def _of_frame(data: Any, frame: Placed) -> float:
    """The value of one image where there is one for each, else the first."""
    values = _values(data, frame).astype(float)
    return float(values[frame.number - 1] if values.size == frame.count else values[0])


def _offset(step: Any) -> NDArray[np.float64]:
    """The offset of an axis in metres, (3,); it is in metres where no unit is given, and NaN in one that is unknown."""
    offset = np.asarray(step.attrs.get("offset", np.zeros(3)), dtype=float)
    return offset * _unit_of(step.attrs.get("offset_units", ""), 1.0, _LENGTHS)


def _factor(data: Any, otherwise: float, units: dict[str, float]) -> float:
    """What a data set's numbers are multiplied by; NaN where their unit is unknown."""
    return _unit_of(data.attrs.get("units", ""), otherwise, units)


def _unit_of(value: Any, otherwise: float, units: dict[str, float]) -> float:
    name = _text(value).strip().lower()
    return units.get(name, np.nan) if name else otherwise


def _unit(values: Any) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=float).reshape(3)
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


def _three(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z


def _kind(group: Any) -> str:
    return _text(group.attrs.get("NX_class", ""))


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.flat[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
