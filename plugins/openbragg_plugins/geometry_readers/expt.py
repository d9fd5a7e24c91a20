"""DIALS' experiment lists: ``.expt`` files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import COUNT_OR_NONE, Geometry, InputError, hookimpl, option, parse_json, read_content, unit, unit_vector
from openbragg_plugins.geometry_readers.dxtbx_detector import panels_of
from openbragg_plugins.geometry_readers.values import Node
from openbragg_plugins.geometry_readers.vectors import (
    IDENTITY,
    Matrix,
    Vector,
    combined,
    product,
    reciprocal,
    rotation,
    turned,
)

if TYPE_CHECKING:
    from openbragg import GeometryReader

#: Scan-varying models and profiles make such files long, but not that long.
_LARGEST_FILE = 1 << 28
_WHAT = "a DIALS experiment list"
_MARK = "ExperimentList"
_ANGSTROM, _DEGREE = unit("A").to_si, unit("deg").to_si
#: Elements of a rotation are off by less, however they were written.
_ROUNDED = 1e-4


@attrs.frozen
class Expt:
    """One experiment of a DIALS experiment list: panels in their hierarchy, beam, goniometer, scan and crystal.

    The crystal is the static one, also where the file has one for every image.
    """

    name: ClassVar[str] = "expt"
    summary: ClassVar[str] = "DIALS experiment list (.expt): panels, beam, goniometer, scan and crystal"
    flags: ClassVar[tuple[str, ...]] = ()

    experiment: int = option(
        "-expt_number",
        type=int,
        default=0,
        rule=COUNT_OR_NONE,
        metavar="N",
        help="Which experiment of the list, counted from 0 as DIALS counts them.",
    )

    @classmethod
    def recognises(cls, beginning: bytes, name: str) -> bool:
        """See `openbragg.GeometryReader.recognises`."""
        return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and f'"{_MARK}"'.encode() in beginning

    def read(self, path: Path) -> Geometry:
        """See `openbragg.GeometryReader.read`."""
        file, count = _list(path)
        if self.experiment >= count:
            raise InputError(f"{path}: there is no experiment {self.experiment}: the list has {count}, from 0 on")
        found = _experiment(file, self.experiment)
        if count > 1:
            line = f"{path} has {count} experiments; number {self.experiment} is taken"
            found = attrs.evolve(found, notices=(line, *found.notices))
        return found

    def read_all(self, path: Path) -> list[Geometry]:
        """See `openbragg.GeometryReader`: every experiment of the list."""
        file, count = _list(path)
        return [_experiment(file, number) for number in range(count)]


def _list(path: Path) -> tuple[Node, int]:
    """The file's content, and how many experiments it has."""
    content = read_content(path, _LARGEST_FILE, _WHAT)
    file = Node(path, _MARK, parse_json(content, path, _WHAT))
    if file.word("__id__") != _MARK:
        raise InputError(f"{path}: not {_WHAT}")
    return file, len(file.elements("experiment"))


def _experiment(file: Node, number: int) -> Geometry:
    """What the list says of an experiment."""
    experiment = file.node("experiment", number)
    if not experiment.has("detector") or not experiment.has("beam"):
        raise InputError(f"{file.path}: experiment {number} has no detector or no beam")
    said: dict[str, Any] = {}
    detector = _model(file, experiment, "detector")
    setting, fixed = IDENTITY, IDENTITY
    if experiment.has("goniometer"):
        said["spindle"], setting, fixed = _goniometer(_model(file, experiment, "goniometer"))
    if experiment.has("scan"):
        said |= _scan(_model(file, experiment, "scan"))
    if experiment.has("crystal"):
        said |= _crystal(_model(file, experiment, "crystal"), product(setting, fixed))
    if experiment.has("imageset"):
        said |= _still(
            _model(file, experiment, "imageset"), _model(file, experiment, "scan") if "images" in said else None
        )
    return Geometry(
        source=str(file.path),
        **said,
        **panels_of(detector),
        **_beam(_model(file, experiment, "beam")),
    )


def _model(file: Node, experiment: Node, kind: str) -> Node:
    """The model that an experiment refers to by its number."""
    number = experiment.number(kind)
    assert number is not None
    if not number.is_integer() or number < 0:
        raise experiment.wrong("a whole number of 0 or more", number, kind)
    return file.node(kind, int(number))


def _still(images: Node, scan: Node | None) -> dict[str, Any]:
    """The image of an experiment that has one: its file, and which one of it.

    A list of files has a still's alone. A template, whose marks # stand for the image's number, may have those of
    others too; then the scan of the experiment says which is its own.
    """
    places = images.elements("single_file_indices")
    if images.has("template"):
        if scan is None:
            return {}
        first, last = scan.whole("image_range", 2)
        if first != last:
            return {}
        template = images.word("template")
        digits = template.count("#")
        if digits:
            return {"still": template.replace("#" * digits, f"{first:0{digits}d}")}
        return {"still": template, "still_place": _place(images) if len(places) == 1 else max(0, first - 1)}
    names = images.elements("images")
    if len(names) != 1:
        return {}
    if not isinstance(names[0], str):
        raise images.wrong("names of files", names, "images")
    return {"still": names[0], "still_place": _place(images) if len(places) == 1 else None}


def _place(images: Node) -> int:
    (place,) = images.whole("single_file_indices", 1)
    if place < 0:
        raise images.wrong("a number of 0 or more", place, "single_file_indices")
    return place


def _beam(beam: Node) -> dict[str, Any]:
    """The beam; DIALS' direction points from the sample to the source."""
    where = f"{beam.path}: {beam.where}"
    wavelength, note = _wavelength(beam)
    normal = beam.numbers("polarization_normal", 3) if beam.has("polarization_normal") else None
    return {
        "beam": combined((-1.0, unit_vector(where, beam.numbers("direction", 3), "direction"))),
        "wavelength": wavelength,
        "wavelength_note": note,
        "polarization_normal": None if normal is None else unit_vector(where, normal, "polarization_normal"),
        "polarization_fraction": beam.number("polarization_fraction"),
    }


def _wavelength(beam: Node) -> tuple[float | None, str]:
    """The wavelength in metres, and what is to be said of it; of a polychromatic beam the middle of its range."""
    found = beam.number("wavelength")
    if found:
        return _ANGSTROM(found), ""
    if beam.has("wavelength_range"):
        low, high = beam.numbers("wavelength_range", 2)
        if 0.0 < low <= high:
            mean = (low + high) / 2.0
            return _ANGSTROM(mean), f"of wavelengths from {low:g} to {high:g} A the mean is taken, {mean:g} A"
    return None, "its beam is polychromatic" if beam.word("__id__") == "polychromatic" else ""


def _goniometer(goniometer: Node) -> tuple[Vector, Matrix, Matrix]:
    """The spindle in the laboratory, and the setting and the fixed rotation.

    DIALS turns a crystal by the fixed rotation, then about the rotation axis, then by the setting rotation. Of several
    axes, listed from the crystal outwards, those inside the scanned one make the fixed rotation and those outside the
    setting rotation.
    """
    where = f"{goniometer.path}: {goniometer.where}"
    setting = fixed = IDENTITY
    if goniometer.has("axes"):
        axes = goniometer.elements("axes")
        units = [unit_vector(where, _three(goniometer, axis), "its axes") for axis in axes]
        angles = goniometer.numbers("angles", len(axes))
        scanned = goniometer.number("scan_axis")
        if scanned is None or not scanned.is_integer() or not 0 <= scanned < len(axes):
            raise goniometer.wrong("the number of an axis", scanned, "scan_axis")
        for number, (axis, angle) in enumerate(zip(units, angles, strict=True)):
            if number < scanned:
                fixed = product(rotation(axis, _DEGREE(angle)), fixed)
            elif number > scanned:
                setting = product(rotation(axis, _DEGREE(angle)), setting)
        datum = units[int(scanned)]
    else:
        datum = unit_vector(where, goniometer.numbers("rotation_axis", 3), "its rotation axis")
        setting, fixed = (_matrix(goniometer, key) for key in ("setting_rotation", "fixed_rotation"))
    return unit_vector(where, turned(setting, datum), "its rotation axis"), setting, fixed


def _three(node: Node, values: Any) -> list[float]:
    return Node(node.path, node.where, {"axes": values}).numbers("axes", 3)


def _matrix(node: Node, key: str) -> Matrix:
    """Nine numbers by rows; no rotation where they are missing.

    Raises
    ------
    InputError
        When they are no rotation.
    """
    if not node.has(key):
        return IDENTITY
    values = node.numbers(key, 9)
    rows = [values[start : start + 3] for start in (0, 3, 6)]
    inverse = reciprocal(rows)
    # The inverse of a rotation is its transpose, so that its rows are its own reciprocal vectors.
    close = inverse is not None and all(
        abs(one - other) < _ROUNDED
        for here, there in zip(rows, inverse, strict=True)
        for one, other in zip(here, there, strict=True)
    )
    if not close:
        raise node.wrong("a rotation", values, key)
    (a, b, c), (d, e, f), (g, h, i) = rows
    return (a, b, c), (d, e, f), (g, h, i)


def _scan(scan: Node) -> dict[str, Any]:
    """Rotation and exposure of the first image, and the number of images; of DIALS before 3.15 and since."""
    said: dict[str, Any] = {}
    if scan.has("image_range"):
        first, last = scan.whole("image_range", 2)
        if last < first:
            raise scan.wrong("first and last image", [first, last], "image_range")
        said["images"] = last - first + 1
    if scan.has("properties"):
        properties = scan.node("properties")
        starts = properties.elements("oscillation")
        if starts:
            starts = properties.numbers("oscillation", len(starts))
            said["start"] = _DEGREE(starts[0])
            said["oscillation"] = _DEGREE(starts[1] - starts[0] if len(starts) > 1 else _width(properties))
        times = properties
    else:
        if scan.has("oscillation"):
            start, width = scan.numbers("oscillation", 2)
            said |= {"start": _DEGREE(start), "oscillation": _DEGREE(width)}
        times = scan
    exposures = times.elements("exposure_time")
    if exposures:
        exposure = times.numbers("exposure_time", len(exposures))[0]
        said["exposure"] = exposure if exposure > 0.0 else None
    return said


def _width(properties: Node) -> float:
    found = properties.value.get("oscillation_width")
    if isinstance(found, list):
        return properties.numbers("oscillation_width", max(1, len(found)))[0]
    return properties.number("oscillation_width") or 0.0


def _crystal(crystal: Node, turn: Matrix) -> dict[str, Any]:
    """Reciprocal vectors with the spindle at 0, turned as the goniometer holds the crystal, and the space group."""
    axes = [
        [_ANGSTROM(value) for value in crystal.numbers(key, 3)]
        for key in ("real_space_a", "real_space_b", "real_space_c")
    ]
    found = reciprocal(axes)
    if found is None or not all(math.isfinite(value) for row in found for value in row):
        raise InputError(f"{crystal.path}: {crystal.where}: the axes of the unit cell lie in one plane")
    a, b, c = (turned(turn, row) for row in found)
    return {"reciprocal_vectors": (a, b, c), "space_group": _space_group(crystal.word("space_group_hall_symbol"))}


def _space_group(hall: str) -> str:
    """The name of a space group by its Hall symbol; the symbol itself where gemmi does not know it."""
    import gemmi

    try:
        found = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(hall.strip())) if hall.strip() else None
    except (RuntimeError, ValueError):
        return ""
    return found.xhm() if found is not None else hall.strip()[:40] if hall.isprintable() else ""


@hookimpl
def geometry_readers() -> list[type[GeometryReader]]:
    """Offer the reader of DIALS' experiment lists."""
    return [Expt]
