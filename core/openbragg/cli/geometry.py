"""``-geometry FILE``, ``-img FILE`` and ``-detector NAME``: what they describe, and what flags beside them may say."""

from __future__ import annotations

from typing import Any

import click

from openbragg.cli.compose import Flag, FlagOption, SwitchOption, assignments_of, construct
from openbragg.cli.selection import Selected
from openbragg.cli.settings import CameraFile, ConventionChoice, DetectorChoice, GeometryFile
from openbragg.errors import InputError, UsageError
from openbragg.model import Beam, Detector
from openbragg.model.absorption import attenuation_length
from openbragg.model.described import Geometry
from openbragg.model.scalars import plain
from openbragg.orchestrator.finding.detectors import NamedDetector, named_detectors
from openbragg.orchestrator.reading.described import (
    CONVENTION,
    described_notices,
    described_settings,
    placement,
    reversed_axis,
    turns_backwards,
)
from openbragg.orchestrator.reading.geometry_files import reader_of
from openbragg.orchestrator.reading.images import read_image
from openbragg.roles import Found, Registry

_READERS = "geometry_readers"
_CONVENTIONS = "geometry_conventions"
#: The convention whose flags give vectors one by one.
_CUSTOM = "custom"
#: Vectors among them that may stand in for those of a file.
_VECTORS = ("beam", "polarization", "spindle")
#: Fields of a detector that decide how many pixels a panel has, and how large they are.
_PIXELS = ("pixels", "size", "pixel_size")

Given = list[tuple[click.Option, list[str]]]
Assignments = list[tuple[Flag, list[str]]]
Settings = dict[type, dict[str, Any]]


def read_described(registry: Registry, given: Given) -> Geometry | None:
    """What the file of -geometry says, or the image of -img; None where there is none.

    A header of keys and values, as SMV images have it, speaks of conventions and is read as such elsewhere.

    Raises
    ------
    OpenBraggError
        When it cannot be read, or a flag is about another kind of file.
    """
    assignments = assignments_of(given)
    chosen: GeometryFile = construct(GeometryFile, assignments)
    found: Found | None = None
    if chosen.file is not None:
        found = reader_of(registry, chosen.file, chosen.reader)
    elif chosen.reader is not None:
        raise UsageError("-geometry_reader: expected with -geometry")
    for plugin in registry.of_role(_READERS):
        for option, words in given:
            if plugin is not found and _belongs(option, plugin):
                if isinstance(option, FlagOption):
                    # What is wrong with the value comes first.
                    option.flag.value(words)
                where = f"{chosen.file} is read as {found.name}" if found is not None else "expected with -geometry"
                raise UsageError(f"{option.opts[0]} belongs to the geometry reader {plugin.name}: {where}")
    if found is None:
        return _image_geometry(assignments)
    geometry: Geometry = construct(found.cls, assignments).read(chosen.file)
    return geometry


def read_named(registry: Registry, given: Given) -> NamedDetector | None:
    """The detector of -detector; None where there is none.

    Raises
    ------
    OpenBraggError
        When no plugin offers it, or two do.
    """
    chosen: DetectorChoice = construct(DetectorChoice, assignments_of(given))
    return named_detectors(registry).get(chosen.name) if chosen.name is not None else None


def _image_geometry(assignments: Assignments) -> Geometry | None:
    """What the image of -img says; None where there is none, or it has a header of keys and values."""
    camera: CameraFile = construct(CameraFile, assignments)
    if camera.image is None:
        return None
    image = read_image(camera.image)
    if not image.text and image.geometry is None:
        raise InputError(f"{camera.image}: the image does not say where it was recorded")
    return None if image.text else image.geometry


def _describing(assignments: Assignments) -> str:
    """The flag that names the file of a geometry."""
    chosen: GeometryFile = construct(GeometryFile, assignments)
    return "-img" if chosen.file is None else "-geometry"


def place_as_described(registry: Registry, given: Given, geometry: Geometry | None, selected: Selected) -> None:
    """Make the convention of `selected` the one that places the detector as a file says, where there is one.

    Flags for the beam, its polarization and the spindle stand in for the file's vectors.

    Raises
    ------
    UsageError
        When another convention is asked for, or vectors of the detector are given.
    """
    if geometry is not None and not geometry.panels:
        selected.notices.extend(described_notices(geometry))
    if geometry is None or not geometry.panels:
        if getattr(selected.roles.get(_CONVENTIONS), "name", "") == CONVENTION:
            raise UsageError(f"the convention {CONVENTION} places the detector as a file says: name it with -geometry")
        return
    assignments = assignments_of(given)
    by = _describing(assignments)
    vectors: dict[str, Any] = {}
    for plugin in registry.of_role(_CONVENTIONS):
        for option, words in given:
            if plugin.name == CONVENTION or not _belongs(option, plugin):
                continue
            field = option.flag.field if isinstance(option, FlagOption) else ""
            if plugin.name != _CUSTOM or field not in _VECTORS:
                raise UsageError(f"{option.opts[0]} and {by}: the file places the detector; leave one out")
            assert isinstance(option, FlagOption)
            vectors[field] = option.flag.value(words)
    if "spindle" in vectors and turns_backwards(geometry):
        # It stands in for the file's axis, which is reversed with the angles.
        vectors["spindle"] = reversed_axis(vectors["spindle"])
    asked: ConventionChoice = construct(ConventionChoice, assignments)
    if asked.name not in (None, CONVENTION):
        raise UsageError(f"-convention {asked.name} and {by}: the file places the detector; leave one out")
    convention = registry.get(_CONVENTIONS, CONVENTION)
    selected.roles[_CONVENTIONS] = convention.cls(**{**placement(geometry), **vectors})
    # What was said of conventions that overrule each other is void.
    selected.notices[:] = [line for line in selected.notices if not line.endswith(tuple(_overruled(registry)))]
    selected.notices.extend(described_notices(geometry))


def with_described(camera: Settings, geometry: Geometry, assignments: Assignments) -> Settings:
    """What a file says, as fields of the experiment's classes; of the camera of -mask only the mask is kept.

    Raises
    ------
    UsageError
        When a flag beside it cannot be combined with its panels.
    """
    said = described_settings(geometry)
    if not geometry.panels:
        return {**camera, **{cls: {**camera.get(cls, {}), **values} for cls, values in said.items()}}
    by = _describing(assignments)
    for flag, _ in assignments:
        if flag.owner is DetectorChoice or (flag.owner is CameraFile and by != flag.spellings[0]):
            raise UsageError(f"{flag.spellings[0]} and {by}: both describe the detector; leave one out")
        several = len(geometry.panels) > 1
        if several or geometry.gaps or "layout" in said[Detector]:
            oblique = "the oblique pixels" if geometry.panels[0].is_oblique() else "the segments"
            what = f"the {len(geometry.panels)} panels" if several else "the gaps" if geometry.gaps else oblique
            _refuse_pixels(flag, f"{by}: {what} of {geometry.source}")
    mask = camera.get(Detector, {}).get("mask")
    if mask is not None:
        said[Detector]["mask"] = mask
    return said


def with_sensor(
    camera: dict[str, Any],
    geometry: Geometry | None,
    named: NamedDetector | None,
    assignments: Assignments,
    beam: Beam,
) -> dict[str, Any]:
    """Fields of the detector, with those of one that is known by name, and a sensor that absorbs as its material does.

    Raises
    ------
    UsageError
        When a flag beside a detector that is known by name cannot be combined with its pixels.
    """
    wavelength = plain(beam.wavelength)
    # Layers that are asked for are the reference's.
    layered = {"sensor_thickness", "sensor_layers"} & {flag.field for flag, _ in assignments if flag.owner is Detector}
    if layered:
        camera = {**camera, "counts_at_mean_depth": False}
    if named is not None:
        if named.description.has_own_pixels():
            for flag, _ in assignments:
                _refuse_pixels(flag, f"-detector: the modules of {named.name}")
        placed = {"counts_at_mean_depth": False} if layered else {}
        return {**camera, **named.description.settings(wavelength), **placed}
    if geometry is not None and geometry.sensor_thickness and not geometry.attenuation_length:
        length = attenuation_length(geometry.sensor_material, wavelength)
        if length is not None:
            sensor = {"sensor_material": geometry.sensor_material, "counts_at_mean_depth": not layered}
            return {**camera, **sensor, "sensor_thickness": geometry.sensor_thickness, "attenuation_length": length}
    return camera


def _refuse_pixels(flag: Flag, described_by: str) -> None:
    if flag.owner is Detector and flag.field in _PIXELS:
        raise UsageError(f"{flag.spellings[0]} and {described_by} have their own pixels")


def _belongs(option: click.Option, plugin: Found) -> bool:
    """Whether a flag is one of a plugin's."""
    if isinstance(option, SwitchOption):
        return option.opts[0] in plugin.cls.flags
    return isinstance(option, FlagOption) and option.flag.owner is plugin.cls


def _overruled(registry: Registry) -> list[str]:
    return [f"the convention is {plugin.name}" for plugin in registry.of_role(_CONVENTIONS)]
