"""From flags to an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from openbragg.cli.compose import Flag, FlagOption, assignments_of, construct
from openbragg.cli.geometry import with_described, with_sensor
from openbragg.cli.settings import CameraFile
from openbragg.errors import UsageError
from openbragg.model import Beam, Crystal, Detector, Experiment, Sampling, Scan
from openbragg.model.described import Geometry
from openbragg.options import ANGLE_OF_CELL, COUNT, POSITIVE
from openbragg.orchestrator.finding.detectors import NamedDetector
from openbragg.orchestrator.reading.described import wavelength_notice
from openbragg.orchestrator.reading.headers import Settings, camera_settings
from openbragg.orchestrator.reading.images import read_image
from openbragg.orchestrator.reading.matrix import read_mosflm_matrix
from openbragg.orchestrator.reading.sources import read_sources
from openbragg.orchestrator.reading.textfile import has_comments
from openbragg.orchestrator.resolving.quirks import COMMENTS, notice
from openbragg.roles import CountingLatticeShape, GeometryConvention, KnownCrystal, LatticeShape
from openbragg.units import unit

#: What the last of these fields to be set implies about the pivot of the custom convention, as in the reference.
_PIVOT_IMPLIED = {
    "distance": "beam",
    "beam_centre": "beam",
    "close_distance": "sample",
    "near_point": "sample",
    "near_pixel": "sample",
    "twotheta": "sample",
}
#: Any of these fields says how far a detector is.
_PLACING = ("distance", "close_distance", "layout")
#: Of -polar and -nopolar the last counts.
_POLARIZATION = ("polarization", "no_polarization_factor")
#: What the flag of a named convention does to it; later flags may still make the convention custom.
_PIVOT_OF_CONVENTION = {"-mosflm": "beam", "-adxv": "beam", "-denzo": "beam", "-dials": "beam", "-xds": "sample"}
_RIGHT_ANGLE = unit("deg").to_si(90.0)

Given = list[tuple[click.Option, list[str]]]
Assignments = list[tuple[Flag, list[str]]]


def make_experiment(
    given: Given,
    quirks: frozenset[str] = frozenset(),
    notices: list[str] | None = None,
    crystal: Crystal | None = None,
    known: KnownCrystal | None = None,
    geometry: Geometry | None = None,
    detector: NamedDetector | None = None,
    convention: GeometryConvention | None = None,
    made: dict[str, str] | None = None,
) -> Experiment:
    """The experiment that flags describe, in their order, its files read; its crystal may be given instead.

    What the source of structure factors says of the crystal comes first (`known`), then a file of geometry or the
    headers of images given with -img and -mask, then a `detector` that is known by name, then every flag. `notices`
    gets a line for each quirk of the reference among those concerned with flags and files that is not in `quirks` and
    would have changed the experiment; `made` the wavelength and the distance where neither flag nor file has them. In
    the sense of a `convention` the beam centre of a header is taken.

    Raises
    ------
    OpenBraggError
        When a value or a file cannot be used, or there is no crystal.
    """
    notices = notices if notices is not None else []
    assignments = assignments_of(given)
    camera = _camera(assignments, quirks, notices, convention)
    if geometry is not None:
        camera = with_described(camera, geometry, assignments)
    if COMMENTS not in quirks:
        notices.extend(_commented(assignments))
    beam = _make_beam(assignments, {**_known_beam(known), **camera.get(Beam, {})}, quirks, notices)
    if geometry is not None and not _has_wavelength(assignments, beam, known):
        notices.extend(filter(None, [wavelength_notice(geometry)]))
    camera[Detector] = with_sensor(camera.get(Detector, {}), geometry, detector, assignments, beam)
    others = [(flag, words) for flag, words in assignments if flag.field != "mask"]
    if made is not None:
        made.update(_unsaid(assignments, {Beam: _known_beam(known), Detector: camera[Detector]}, camera.get(Beam, {})))
    return Experiment(
        beam=beam,
        detector=construct(Detector, others, implied_pivot=_implied_pivot(given), **camera.get(Detector, {})),
        crystal=_make_crystal(assignments, beam, known, camera.get(Crystal, {}), COMMENTS not in quirks)
        if crystal is None
        else crystal,
        scan=construct(Scan, assignments, **camera.get(Scan, {})),
        sampling=construct(Sampling, assignments),
    )


def _camera(
    assignments: Assignments, quirks: frozenset[str], notices: list[str], convention: GeometryConvention | None
) -> Settings:
    """What the headers of -mask and -img say, the latter above the former, and the mask itself."""
    settings: Settings = {}
    flagged = {flag.field for flag, _ in assignments if flag.owner is Detector}
    for owner, field in ((Detector, "mask"), (CameraFile, "image")):
        files = [words[0] for flag, words in assignments if flag.owner is owner and flag.field == field]
        if not files:
            continue
        path, is_mask = Path(files[-1]), field == "mask"
        image = read_image(path)
        if image.text:
            found = camera_settings(path, image, is_mask=is_mask, quirks=quirks, notices=notices, convention=convention)
        else:
            # What -img says of the camera is a geometry, as that of -geometry is.
            found = {Detector: {"pixels": image.pixels.shape}} if is_mask else {}
        if "beam_centre" in flagged and not any(key.endswith(("ORGX", "ORGY")) for key in image.header):
            # It was worked out of the beam centre that the flag replaces.
            found.get(Detector, {}).pop("near_pixel", None)
        for cls, values in found.items():
            settings.setdefault(cls, {}).update(values)
        if is_mask:
            seen = image.pixels != 0
            settings[Detector]["mask"] = seen if image.masked is None else seen & ~image.masked
    detector = settings.get(Detector, {})
    if "close_distance" in detector and "distance" in flagged and "header-distance" not in quirks:
        del detector["close_distance"]
        if "close_distance" not in flagged:
            notices.append(notice("header-distance"))
    return settings


def _unsaid(assignments: Assignments, settings: Settings, beam: dict[str, Any]) -> dict[str, str]:
    """The wavelength and the distance where they are nobody's but the program's."""
    said = {(flag.owner, flag.field) for flag, _ in assignments}
    said |= {(cls, field) for cls, values in (*settings.items(), (Beam, beam)) for field in values}
    made = {}
    if (Beam, "wavelength") not in said:
        made["wavelength"] = f"{unit('A').from_si(Beam().wavelength):g} A, as none was given"
    if not said & {(Detector, field) for field in _PLACING}:
        made["distance"] = f"{unit('mm').from_si(Detector().distance):g} mm, as none was given"
    return made


def _known_beam(known: KnownCrystal | None) -> dict[str, Any]:
    return {"wavelength": known.wavelength} if known is not None and known.wavelength is not None else {}


def _has_wavelength(assignments: Assignments, beam: Beam, known: KnownCrystal | None) -> bool:
    """Whether a wavelength is given beside a geometry file's: by a flag, for every source, or with the reflections."""
    flagged = any(flag.owner is Beam and flag.field == "wavelength" for flag, _ in assignments)
    listed = beam.sources is not None and all(row[-1] is not None for row in beam.sources)
    return flagged or listed or bool(_known_beam(known))


def _commented(assignments: Assignments) -> list[str]:
    """A notice for each file of sources, and each matrix, that the reference would read otherwise for its comments."""
    fields = {(Beam, "sources"), (Crystal, "reciprocal_vectors")}
    files = [Path(words[0]) for flag, words in assignments if (flag.owner, flag.field) in fields]
    return [notice(COMMENTS, str(path)) for path in files if has_comments(path)]


def _make_beam(assignments: Assignments, camera: dict[str, Any], quirks: frozenset[str], notices: list[str]) -> Beam:
    """The beam, its file of sources read; the mean wavelength of a spectrum is the beam's where nothing else says."""
    files = [words[0] for flag, words in assignments if flag.owner is Beam and flag.field == "sources"]
    polarizing = [flag.field for flag, _ in assignments if flag.owner is Beam and flag.field in _POLARIZATION]
    others = [(flag, words) for flag, words in assignments if flag.field != "sources"]
    if polarizing[-1:] == ["polarization"]:
        others = [(flag, words) for flag, words in others if flag.field != "no_polarization_factor"]
    sources, mean = read_sources(Path(files[-1]), quirks, notices) if files else (None, None)
    said = {"wavelength": mean, **camera} if mean is not None else camera
    beam: Beam = construct(Beam, others, sources=sources, **said)
    return beam


def _implied_pivot(given: Given) -> str | None:
    implied = None
    for option, words in given:
        if not isinstance(option, FlagOption):
            implied = _PIVOT_OF_CONVENTION.get(option.opts[0], implied)
        elif option.flag.owner is Detector and option.flag.field == "pivot":
            implied = words[0]
        elif option.flag.owner is Detector:
            implied = _PIVOT_IMPLIED.get(option.flag.field, implied)
    return implied


def _make_crystal(
    assignments: Assignments, beam: Beam, known: KnownCrystal | None, oriented: dict[str, Any], comments: bool
) -> Crystal:
    """The crystal: what its flags cannot say one by one is worked out here.

    Of a file of geometry (`oriented`) a matrix replaces the axes or the cell, and a cell the cell.
    """
    fixed: dict[str, Any] = dict(oriented)
    if any(flag.owner is Crystal and flag.field == "reciprocal_vectors" for flag, _ in assignments):
        fixed = {}
    others: Assignments = []
    for flag, words in assignments:
        if flag.owner is not Crystal:
            continue
        if flag.field == "cell":
            fixed["cell"] = _cell(flag, words)
        elif flag.field == "reciprocal_vectors":
            fixed["reciprocal_vectors"] = read_mosflm_matrix(Path(words[0]), beam.wavelength, comments=comments)
        elif flag.field == "misset":
            fixed["misset"] = _misset(flag, words)
        else:
            others.append((flag, words))
    if not fixed.keys() & {"cell", "reciprocal_vectors"} and known is not None and known.cell is not None:
        fixed["cell"] = known.cell
    if not fixed.keys() & {"cell", "reciprocal_vectors"}:
        raise UsageError("no crystal: give an orientation matrix with -mat, or a unit cell with -cell")
    crystal: Crystal = construct(Crystal, others, **fixed)
    return crystal


def refuse_partial_cells(given: Given, shape: LatticeShape | None) -> None:
    """Refuse numbers of cells that are not whole, of a shape that counts them.

    Raises
    ------
    UsageError
        With the flag and the number.
    """
    if not isinstance(shape, CountingLatticeShape):
        return
    for flag, words in assignments_of(given):
        if flag.owner is Crystal and flag.field == "cells":
            _check(flag, words[0], COUNT.holds, f"{COUNT.text} for the lattice shape {shape.name}")


def _cell(flag: Flag, words: list[str]) -> tuple[float, ...]:
    """a, b, c in metres and the angles in radians: lengths default to a, angles to 90 degrees."""
    angstrom, degree = unit("A").to_si, unit("deg").to_si
    lengths = [angstrom(_check(flag, word, POSITIVE.holds, f"{POSITIVE.text} (A)")) for word in words[:3]]
    angles = [
        degree(_check(flag, word, lambda value: ANGLE_OF_CELL.holds(degree(value)), ANGLE_OF_CELL.text))
        for word in words[3:]
    ]
    return (
        *lengths,
        *(lengths[0] for _ in range(3 - len(lengths))),
        *angles,
        *(_RIGHT_ANGLE for _ in range(3 - len(angles))),
    )


def _misset(flag: Flag, words: list[str]) -> Any:
    angles = flag.value(words)
    if not isinstance(angles, str) and len(angles) != 3:
        raise UsageError(f"{flag.spellings[0]}: expected three angles or 'random', got {' '.join(words)!r}")
    return angles


def _check(flag: Flag, word: str, holds: Any, expected: str) -> float:
    """The number in a word that obeys a rule."""
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not holds(value):
        raise UsageError(f"{flag.spellings[0]}: expected {expected}, got {word!r}")
    return value
