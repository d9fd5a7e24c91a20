"""Geometries, and the texts in which DIALS, XDS and CrystFEL write them: other code than that which reads them."""

import json
import math
from typing import Any

import attrs
import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, np.dtype[np.float64]]
PIXEL = 0.1


@attrs.frozen(eq=False)
class Flat:
    """A panel: its place in the laboratory in mm, and in the image in pixels (fast, slow)."""

    origin: Array
    fast: Array
    slow: Array
    pixels: tuple[int, int]
    first: tuple[int, int]

    def at(self, fast: float, slow: float) -> Array:
        """A point so many pixels from the first corner, in mm."""
        return self.origin + PIXEL * (fast * self.fast + slow * self.slow)


@attrs.frozen(eq=False)
class Described:
    """What is written down: panels in mm, cell axes in angstroms, angles in degrees."""

    panels: list[Flat]
    beam: Array
    spindle: Array
    axes: Array
    wavelength: float
    start: float
    width: float


def turn(axis: Any, degrees: float) -> Array:
    """A right-handed rotation."""
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = math.radians(degrees)
    made: Array = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return made


def _close(vector: Array, degrees: float, axis: Any) -> Array:
    made: Array = turn(axis, degrees) @ vector
    return made


@st.composite
def described(draw: st.DrawFn, most_panels: int = 3, beam: Any = None) -> Described:
    """Geometries of one to a few panels, each turned its own way, one below the other in the image."""
    angles = st.floats(-20.0, 20.0)
    panels = []
    below = 0
    for _ in range(draw(st.integers(1, most_panels))):
        turned = turn([1, 0, 0], draw(angles)) @ turn([0, 1, 0], draw(angles)) @ turn([0, 0, 1], 9 * draw(angles))
        pixels = draw(st.integers(1, 50)), draw(st.integers(1, 50))
        origin = np.array([draw(st.floats(-100, 100)), draw(st.floats(-100, 100)), draw(st.floats(80, 300))])
        panels.append(Flat(origin, turned @ [1, 0, 0], turned @ [0, 1, 0], pixels, (0, below)))
        below += pixels[1]
    cell = np.array(
        [[draw(st.floats(20, 90)), 1, 2], [-3, draw(st.floats(20, 90)), 4], [2, -1, draw(st.floats(20, 90))]]
    )
    return Described(
        panels,
        _close(np.array([0.0, 0, 1]), draw(angles) / 10, [1, 1, 0]) if beam is None else np.asarray(beam, dtype=float),
        _close(np.array([1.0, 0, 0]), draw(angles), [0, 1, 1]),
        turn([1, 2, 3], draw(st.floats(-180, 180))) @ cell,
        draw(st.floats(0.5, 3.0)),
        draw(st.floats(-180, 180)),
        draw(st.floats(0.01, 2.0)),
    )


def vector(values: Any) -> str:
    """Three numbers, to the last digit."""
    return " ".join(repr(float(value)) for value in values)


def expt(known: Described, *, root: Array | None = None, shift: Any = (0, 0, 0)) -> bytes:
    """A DIALS experiment list; with a `root`, a rotation, its panels are in a group that is turned and shifted."""
    frame = np.eye(3) if root is None else root
    panels = [
        {
            "name": f"p{number}",
            "fast_axis": list(frame.T @ panel.fast),
            "slow_axis": list(frame.T @ panel.slow),
            "origin": list(frame.T @ (panel.origin - shift)),
            "raw_image_offset": list(panel.first),
            "image_size": list(panel.pixels),
            "pixel_size": [PIXEL, PIXEL],
            "trusted_range": [0.0, 65535.0],
            "thickness": 0.32,
            "material": "Si",
            "mu": 3.5,
            "mask": [],
        }
        for number, panel in enumerate(known.panels)
    ]
    detector: dict[str, Any] = {"panels": panels}
    if root is not None:
        axes = {"fast_axis": list(frame[:, 0]), "slow_axis": list(frame[:, 1]), "origin": list(map(float, shift))}
        children = [{"panel": number} for number in range(len(panels))]
        detector["hierarchy"] = {"name": "root", **axes, "children": children}
    value = {
        "__id__": "ExperimentList",
        "experiment": [{"beam": 0, "detector": 0, "goniometer": 0, "scan": 0, "crystal": 0}],
        "beam": [
            {
                "direction": list(-known.beam),
                "wavelength": known.wavelength,
                "polarization_normal": [0.0, 1.0, 0.0],
                "polarization_fraction": 0.75,
            }
        ],
        "detector": [detector],
        "goniometer": [
            {
                "rotation_axis": list(known.spindle),
                "fixed_rotation": np.eye(3).ravel().tolist(),
                "setting_rotation": np.eye(3).ravel().tolist(),
            }
        ],
        "scan": [{"image_range": [3, 12], "oscillation": [known.start, known.width], "exposure_time": [0.2] * 10}],
        "crystal": [
            {
                "__id__": "crystal",
                "real_space_a": list(known.axes[0]),
                "real_space_b": list(known.axes[1]),
                "real_space_c": list(known.axes[2]),
                "space_group_hall_symbol": " P 2yb",
            }
        ],
    }
    return json.dumps(value, indent=1).encode()


def _xds_segments(known: Described) -> list[tuple[tuple[int, ...], float, float, float, Array, Array]]:
    """Limits from 1, origin in pixels of the image, distance along the normal, and axes of every panel."""
    made = []
    for panel in known.panels:
        normal = np.cross(panel.fast, panel.slow)
        x, y = panel.first
        # The middle of pixel n is at n, so that the first corner of the first pixel is at 0.5.
        org = [
            float(first + 0.5 - panel.origin @ axis / PIXEL)
            for first, axis in zip((x, y), (panel.fast, panel.slow), strict=True)
        ]
        limits = (x + 1, x + panel.pixels[0], y + 1, y + panel.pixels[1])
        made.append((limits, org[0], org[1], float(panel.origin @ normal), panel.fast, panel.slow))
    return made


def _counts(known: Described) -> tuple[int, int]:
    return (
        max(panel.first[0] + panel.pixels[0] for panel in known.panels),
        max(panel.first[1] + panel.pixels[1] for panel in known.panels),
    )


def xds_inp(known: Described) -> bytes:
    """XDS.INP: a panel alone is the detector, several are its segments, the detector's own frame the laboratory."""
    nx, ny = _counts(known)
    segments = _xds_segments(known)
    lines = [
        "JOB= XYCORR INIT ! and so on: NX= 9999",
        f"NX= {nx} NY= {ny}  QX= {PIXEL}  QY= {PIXEL}",
        f"X-RAY_WAVELENGTH= {known.wavelength!r} ! ORGX= 3",
        f"OSCILLATION_RANGE= {known.width!r} STARTING_ANGLE= {known.start!r} STARTING_FRAME= 1",
        "DATA_RANGE= 1 10",
        f"ROTATION_AXIS= {vector(known.spindle)}",
        f"INCIDENT_BEAM_DIRECTION= {vector(known.beam / known.wavelength)}",
        "FRACTION_OF_POLARIZATION= 0.75 POLARIZATION_PLANE_NORMAL= 0 1 0",
        "SPACE_GROUP_NUMBER= 4 OVERLOAD= 65535",
        *(f"UNIT_CELL_{name}-AXIS= {vector(axis)}" for name, axis in zip("ABC", known.axes, strict=True)),
    ]
    if len(segments) == 1:
        _, x, y, distance, fast, slow = segments[0]
        lines += [f"ORGX= {x!r} ORGY={y!r}", f"DETECTOR_DISTANCE= {distance!r}"]
        lines += [f"DIRECTION_OF_DETECTOR_X-AXIS= {vector(fast)}", f"DIRECTION_OF_DETECTOR_Y-AXIS= {vector(slow)}"]
    else:
        lines += ["ORGX= 0 ORGY= 0 DETECTOR_DISTANCE= 0"]
        for limits, x, y, distance, fast, slow in segments:
            lines += ["SEGMENT= " + " ".join(map(str, limits)), f"SEGMENT_ORGX= {x!r} SEGMENT_ORGY= {y!r}"]
            lines += [f"SEGMENT_DISTANCE= {distance!r}", f"DIRECTION_OF_SEGMENT_X-AXIS= {vector(fast)}"]
            lines += [f"DIRECTION_OF_SEGMENT_Y-AXIS= {vector(slow)}"]
    return ("\n".join(lines) + "\n").encode()


def xparm(known: Described) -> bytes:
    """XPARM.XDS as XDS has written it since 2010."""
    nx, ny = _counts(known)
    segments = _xds_segments(known)
    _, x, y, distance, fast, slow = segments[0]
    if len(segments) > 1:
        x = y = distance = 0.0
        fast, slow = np.eye(3)[:2]
    lines = [
        " XPARM.XDS    VERSION March 30, 2013",
        f"1 {known.start!r} {known.width!r} {vector(known.spindle)}",
        f"{known.wavelength!r} {vector(known.beam / known.wavelength)}",
        "4 30 40 50 90 90 90",
        *map(vector, known.axes),
        f"{len(segments)} {nx} {ny} {PIXEL} {PIXEL}",
        f"{x!r} {y!r} {distance!r}",
        *map(vector, (fast, slow, np.cross(fast, slow))),
    ]
    for number, (limits, org_x, org_y, away, along, down) in enumerate(segments, start=1):
        place = (org_x, org_y, away, *along, *down) if len(segments) > 1 else (0, 0, 0, 1, 0, 0, 0, 1, 0)
        lines += [" ".join(map(str, (number, *limits))), " ".join(repr(float(value)) for value in place)]
    return ("\n".join(lines) + "\n").encode()


def old_xparm(known: Described) -> bytes:
    """XPARM.XDS as XDS wrote it before 2010, of one panel."""
    ((_, x, y, distance, fast, slow),) = _xds_segments(known)
    nx, ny = _counts(known)
    lines = [
        f"1 {known.start!r} {known.width!r} {vector(known.spindle)}",
        f"{known.wavelength!r} {vector(known.beam / known.wavelength)}",
        f"{nx} {ny} {PIXEL} {PIXEL}",
        f"{distance!r} {x!r} {y!r}",
        *map(vector, (fast, slow, np.cross(fast, slow))),
        "4 30 40 50 90 90 90",
        *map(vector, known.axes),
    ]
    return ("\n".join(lines) + "\n").encode()


def _terms(axis: Array) -> str:
    return " ".join(f"{value:+.17g}{name}" for value, name in zip(axis, "xyz", strict=True))


def geom(known: Described) -> bytes:
    """A CrystFEL geometry file; the beam is along z in all of them."""
    lines = [
        "; of a test",
        f"wavelength = {known.wavelength!r} A",
        f"res = {1000 / PIXEL!r} ; pixels per metre",
        "clen = 70 mm",
        "max_adu = 65535",
        "data = /entry/data",
        "group_all = p0",
    ]
    for number, panel in enumerate(known.panels):
        name = f"p{number}"
        lines += [
            f"{name}/min_fs = {panel.first[0]}",
            f"{name}/max_fs = {panel.first[0] + panel.pixels[0] - 1}",
            f"{name}/min_ss = {panel.first[1]}",
            f"{name}/max_ss = {panel.first[1] + panel.pixels[1] - 1}",
            f"{name}/corner_x = {float(panel.origin[0] / PIXEL)!r}",
            f"{name}/corner_y = {float(panel.origin[1] / PIXEL)!r}",
            f"{name}/coffset = {float(panel.origin[2] - 70.0) / 1000!r}",
            f"{name}/fs = {_terms(panel.fast)}",
            f"{name}/ss = {_terms(panel.slow)}",
        ]
    return ("\n".join(lines) + "\n").encode()
