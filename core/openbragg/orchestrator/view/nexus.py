"""Where an NXmx file says that its images were recorded: chains of translations and rotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from openbragg.model.vectors import rotation_about, scalar, unit, vector
from openbragg.orchestrator.view.camera import Camera, upright_geometry
from openbragg.orchestrator.view.geometry import Geometry, PlacedPanel

_DETECTOR = "entry/instrument/detector"
_WAVELENGTHS = (
    "entry/instrument/beam/incident_wavelength",
    "entry/instrument/monochromator/wavelength",
    "entry/sample/beam/incident_wavelength",
)
#: McStas's z runs along the beam.
_BEAM = np.array((0.0, 0.0, 1.0))
#: In metres, or radians.
_UNITS = {
    **{"m": 1.0, "meter": 1.0, "metre": 1.0, "mm": 1e-3, "um": 1e-6, "angstrom": 1e-10, "a": 1e-10, "nm": 1e-9},
    **{"deg": np.pi / 180.0, "degree": np.pi / 180.0, "degrees": np.pi / 180.0, "rad": 1.0},
}
#: A longer chain goes round in a circle.
_LONGEST_CHAIN = 32
#: Sides of a pixel that differ by less than this part are equal.
_SQUARE = 1e-6


@attrs.frozen(kw_only=True)
class Placed:
    """Which image is meant: the file, its number in it from 1, how many there are, and the pixels (slow, fast)."""

    path: Path
    number: int
    count: int
    shape: tuple[int, ...]


def place_frame(file: Any, frame: Placed) -> Geometry | None:
    """The geometry of an image of an open file; None where the file does not tell it."""
    wavelength = next((value for name in _WAVELENGTHS if (value := _value(file, name, frame, 1e-10)) is not None), None)
    if wavelength is None or not wavelength > 0.0 or _DETECTOR not in file:
        return None
    detector = file[_DETECTOR]
    spindle, start, width = _rotation(file, frame)
    modules = [detector[name] for name in detector if _kind(detector[name]) == "NXdetector_module"]
    if not modules:
        return _by_beam_centre(detector, frame, wavelength, start, width)
    panels = [_panel(file, module, frame) for module in modules]
    placed = tuple(panel for panel in panels if panel is not None)
    if len(placed) != len(modules):
        return None
    return Geometry(
        wavelength=wavelength,
        beam=_BEAM,
        spindle=spindle,
        panels=placed,
        start=start,
        range=width,
        source="the image's file",
    )


def _panel(file: Any, module: Any, frame: Placed) -> PlacedPanel | None:
    steps = [module.get(f"{name}_pixel_direction") for name in ("fast", "slow")]
    if any(step is None for step in steps):
        return None
    sizes = [float(np.asarray(step[()]).flat[0]) * _factor(step, 1.0) for step in steps]
    if not (sizes[0] > 0.0 and abs(sizes[1] / sizes[0] - 1.0) < _SQUARE):
        return None
    below = _text(steps[0].attrs.get("depends_on", "."))
    turn, origin = _chain(file, module, below, frame)
    fast, slow = (turn @ _unit(step.attrs["vector"]) for step in steps)
    offsets = [np.asarray(step.attrs.get("offset", np.zeros(3)), dtype=float) for step in steps]
    size = np.asarray(module["data_size"][()]).ravel()[-2:] if "data_size" in module else frame.shape
    first = np.asarray(module["data_origin"][()]).ravel()[-2:] if "data_origin" in module else (0, 0)
    return PlacedPanel(
        origin=origin + turn @ offsets[0],
        fast=fast,
        slow=slow,
        pixel_size=sizes[0],
        pixels=(int(size[0]), int(size[1])),
        first=(int(first[0]), int(first[1])),
    )


def _chain(file: Any, beside: Any, name: str, frame: Placed) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rotation, and where the origin goes, of an axis and all that it depends on."""
    turn, origin = np.eye(3), np.zeros(3)
    for _ in range(_LONGEST_CHAIN):
        if name in (".", ""):
            break
        step = file[name] if name.startswith("/") else beside[name]
        value, axis = _of_frame(step, frame), _unit(step.attrs["vector"])
        offset = np.asarray(step.attrs.get("offset", np.zeros(3)), dtype=float)
        offset = offset * _UNITS.get(_text(step.attrs.get("offset_units", "m")).lower(), 1.0)
        if _text(step.attrs.get("transformation_type", "translation")) == "rotation":
            angle = scalar(value * _factor(step, np.pi / 180.0))
            rotation = np.array(rotation_about(vector(axis.tolist()), angle).tolist())
            turn, origin = rotation @ turn, rotation @ origin + offset
        else:
            origin = origin + value * _factor(step, 1.0) * axis + offset
        beside, name = step.parent, _text(step.attrs.get("depends_on", "."))
    return turn, origin


def _rotation(file: Any, frame: Placed) -> tuple[NDArray[np.float64], float, float]:
    """The axis about which the crystal turns, where it stands at the start of the image, and how far it turns."""
    nothing = np.array((-1.0, 0.0, 0.0)), 0.0, 0.0
    name = _text(file["entry/sample/depends_on"][()]) if "entry/sample/depends_on" in file else "."
    axis = None if name in (".", "") else file.get(name if name.startswith("/") else f"entry/sample/{name}")
    if axis is None or _text(axis.attrs.get("transformation_type", "")) != "rotation":
        return nothing
    unit_ = _factor(axis, np.pi / 180.0)
    start, width = _of_frame(axis, frame) * unit_, 0.0
    plain = axis.name.rsplit("/", 1)[-1]
    if f"{plain}_increment_set" in axis.parent:
        width = _of_frame(axis.parent[f"{plain}_increment_set"], frame) * unit_
    elif f"{plain}_end" in axis.parent:
        width = _of_frame(axis.parent[f"{plain}_end"], frame) * unit_ - start
    return _unit(axis.attrs["vector"]), start, max(0.0, width)


def _by_beam_centre(detector: Any, frame: Placed, wavelength: float, start: float, width: float) -> Geometry | None:
    """An upright detector, of a file without modules."""
    names = (("x_pixel_size",), ("distance", "detector_distance"), ("beam_center_x",), ("beam_center_y",))
    found = [
        next((value for name in group if (value := _value(detector, name, frame, 1.0)) is not None), None)
        for group in names
    ]
    pixel, distance, fast, slow = found
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
    )
    return upright_geometry(frame.path, camera, (frame.shape[0], frame.shape[1]))


def _value(place: Any, name: str, frame: Placed, otherwise: float) -> float | None:
    if name not in place:
        return None
    value = _of_frame(place[name], frame) * _factor(place[name], otherwise)
    return value if np.isfinite(value) else None


def _of_frame(data: Any, frame: Placed) -> float:
    """The value of one image where there is one for each, else the first."""
    values = np.asarray(data[()], dtype=float).ravel()
    return float(values[frame.number - 1] if values.size == frame.count else values[0])


def _factor(data: Any, otherwise: float) -> float:
    return _UNITS.get(_text(data.attrs.get("units", "")).lower(), otherwise)


def _unit(values: Any) -> NDArray[np.float64]:
    return np.array(unit(torch.as_tensor(np.asarray(values, dtype=float).reshape(3))).tolist())


def _kind(group: Any) -> str:
    return _text(group.attrs.get("NX_class", ""))


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.flat[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
