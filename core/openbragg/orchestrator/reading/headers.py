"""Camera settings from the header of an image whose keys are those of SMV: what -img and -mask take from it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError
from openbragg.model import Beam, Detector, Scan
from openbragg.model.scalars import plain
from openbragg.options import Rule, option_spec
from openbragg.orchestrator.resolving.quirks import notice
from openbragg.roles import GeometryConvention, ReadImage
from openbragg.units import unit

#: Keys of a header and what they set: a class, its field, which element of it, and the header's unit.
_KEYS: dict[str, tuple[type, str, int | None, str]] = {
    "PIXEL_SIZE": (Detector, "pixel_size", None, "mm"),
    "DISTANCE": (Detector, "distance", None, "mm"),
    "CLOSE_DISTANCE": (Detector, "close_distance", None, "mm"),
    "WAVELENGTH": (Beam, "wavelength", None, "A"),
    "ORGX": (Detector, "near_pixel", 0, ""),
    "ORGY": (Detector, "near_pixel", 1, ""),
    "PHI": (Scan, "start", None, "deg"),
    "OSC_RANGE": (Scan, "range", None, "deg"),
    "TWOTHETA": (Detector, "twotheta", None, "deg"),
}
#: What the reference program writes in its own headers for two of them.
_ALSO = {"ORGX": "XDS_ORGX", "ORGY": "XDS_ORGY"}
_NEAR = (*_ALSO, *_ALSO.values())
#: The reference reads those of the beam centre as -Xbeam and -Ybeam, and OpenBragg writes the latter besides.
_OURS = {"BEAM_CENTER_X": "XBEAM", "BEAM_CENTER_Y": "YBEAM"}
_CENTRE = "header-beam-centre"
_MM = unit("mm").to_si
#: What images of the reference program call their beamline; their beam centre is in the convention's own sense.
_REFERENCE = "fake"
#: Beam centres that differ by less, in pixels, are one.
_SAME_CENTRE = 0.01
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

Settings = dict[type, dict[str, object]]
Centre = tuple[float | None, float | None]


def camera_settings(
    path: Path,
    image: ReadImage,
    *,
    is_mask: bool,
    quirks: frozenset[str],
    notices: list[str],
    convention: GeometryConvention | None = None,
) -> Settings:
    """What the header of an image says about detector, beam and scan.

    Parameters
    ----------
    path, image
        The image, which has a header of keys and values.
    is_mask
        Whether it is a mask, whose BEAM_CENTER_Y the reference program measures from the other edge.
    quirks
        Quirks of the reference to reproduce; those that concern headers are ``header-keys``, ``header-twotheta`` and
        ``header-beam-centre``.
    notices
        Gets a line for each of them that is not reproduced and would have changed a setting, and for a beam centre
        that is not where the header's writer means it.
    convention
        In whose sense the beam centre is wanted; without one it is taken as it stands in the header.

    Returns
    -------
    For each of the classes `Detector`, `Beam` and `Scan` the fields that the header sets, in SI.

    Raises
    ------
    InputError
        When a key has a value that it cannot have; the message names the file and the key.
    """
    keys = (*_KEYS, *_OURS)
    exact = _effective({key: value for key in keys if (value := _exact(path, image, key)) is not None})
    found = _effective({key: value for key in keys if (value := _last_appearance(image, key)) is not None})
    if "header-keys" in quirks:
        exact = found
    elif changed := [key for key in keys if exact.get(key) != found.get(key) and key != "TWOTHETA"]:
        notices.append(notice("header-keys", f"{', '.join(changed)} of {path}"))
    if exact.get("TWOTHETA"):
        if "header-twotheta" in quirks:
            del exact["TWOTHETA"]
        else:
            notices.append(notice("header-twotheta", f"{exact['TWOTHETA']:g} degrees in {path}"))

    slow, fast = image.pixels.shape
    settings: Settings = {Detector: {"pixels": (slow, fast)}, Beam: {}, Scan: {}}
    for key in exact.keys() & _KEYS.keys():
        value = exact[key]
        owner, field, component, unit_name = _KEYS[key]
        converted = unit(unit_name).to_si(value) if unit_name else value
        _check(path, key, owner, field, converted, value)
        if component is None:
            settings[owner][field] = converted
        else:
            pair = settings[owner].get(field, (None, None))
            assert isinstance(pair, tuple)
            settings[owner][field] = (converted, pair[1]) if component == 0 else (pair[0], converted)
    reference = _reference_centre(exact, settings[Detector], slow if is_mask else None)
    meant = _centre_meant(path, image, settings[Detector], convention)
    if _apart(meant, reference, settings[Detector]):
        if _CENTRE in quirks:
            notices.append(
                f"{_CENTRE}: the beam centre of {path} is taken as {_shown(reference)} mm, as the reference takes it; "
                f"its writer means {_shown(meant)} mm"
            )
        else:
            notices.append(notice(_CENTRE, f"{_shown(reference)} for {_shown(meant)} mm of {path}"))
    centre = reference if _CENTRE in quirks else meant
    if _CENTRE not in quirks and convention is not None and not any(key in image.header for key in _NEAR):
        # Across the beam it is the nearest point too, by which some conventions place a detector.
        spot = [_in_mm(path, image, key) for key in ("BEAM_CENTER_Y", "BEAM_CENTER_X")]
        if None not in spot and not exact.get("TWOTHETA") and image.header.get("BEAMLINE") != _REFERENCE:
            pixel = _pixel_size(settings[Detector])
            settings[Detector]["near_pixel"] = tuple(place / pixel + 0.5 for place in spot if place is not None)
    if any(value is not None for value in centre):
        settings[Detector]["beam_centre"] = centre
    return settings


def _reference_centre(values: dict[str, float], detector: dict[str, object], slow: int | None) -> Centre:
    """The beam centre as the reference takes it, of a mask so many pixels high from the other edge; metres."""
    x, y = (_MM(values[key]) if key in values else None for key in ("BEAM_CENTER_X", "BEAM_CENTER_Y"))
    if y is not None and slow is not None:
        y = slow * _pixel_size(detector) - y
    return x, y


def _centre_meant(
    path: Path, image: ReadImage, detector: dict[str, object], convention: GeometryConvention | None
) -> Centre:
    """The beam centre that the header's writer means, in the sense of a convention; metres.

    ADSC's own headers, and OpenBragg's, have there the place along slow, then along fast, from the first corner, as
    DIALS reads them. The reference writes what it was given, in the sense of a convention that nothing tells; so does
    OpenBragg beside.
    """
    spot = [_in_mm(path, image, key) for key in ("BEAM_CENTER_Y", "BEAM_CENTER_X")]
    given = [_in_mm(path, image, key) for key in _OURS.values()]
    if convention is None or image.header.get("BEAMLINE") == _REFERENCE:
        given = [one if one is not None else other for one, other in zip(given, reversed(spot), strict=True)]
        return given[0], given[1]
    if spot[0] is None or spot[1] is None:
        return None, None
    settings = Detector(pixels=image.pixels.shape, pixel_size=_pixel_size(detector))
    place: Any = spot
    here: Centre = convention.beam_centre(settings, *place)
    if None in given or not _of_another_convention((given[0], given[1]), here, settings, spot[0], spot[1]):
        return here if None in given else (given[0], given[1])
    return here


def _of_another_convention(given: Centre, here: Centre, settings: Detector, fast: float, slow: float) -> bool:
    """Whether -Xbeam and -Ybeam of OpenBragg's header are its spot in another convention's sense than this one's."""
    pixel, width = plain(settings.pixel_size), plain(settings.widths()[0])
    senses = ((slow - pixel / 2, fast - pixel / 2), (slow, fast), (fast, slow), (fast, width - slow))
    detector = {"pixel_size": pixel}
    return _apart(given, here, detector) and any(not _apart(given, sense, detector) for sense in senses)


def _apart(one: Centre, other: Centre, detector: Mapping[str, object]) -> bool:
    """Whether two beam centres are not the same pixel's."""
    pixel = _pixel_size(detector)

    def differ(a: float | None, b: float | None) -> bool:
        return (a is not b) if a is None or b is None else abs(a - b) > _SAME_CENTRE * pixel

    return any(differ(a, b) for a, b in zip(one, other, strict=True))


def _pixel_size(detector: Mapping[str, object]) -> Any:
    return detector.get("pixel_size", attrs.fields(Detector).pixel_size.default)


def _in_mm(path: Path, image: ReadImage, key: str) -> float | None:
    """A length of the header, in metres."""
    value = _value(path, image, key)
    return None if value is None else _MM(value)


def _shown(centre: Centre) -> str:
    return " ".join("-" if value is None else f"{unit('mm').from_si(value):.6g}" for value in centre)


def _exact(path: Path, image: ReadImage, key: str) -> float | None:
    """The number of a key of this name."""
    names = (key, _ALSO.get(key, key))
    return next((_value(path, image, name) for name in names if name in image.header), None)


def _value(path: Path, image: ReadImage, key: str) -> float | None:
    """The number of a key of exactly this name, in the header's unit."""
    text = image.header.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: expected a number for {key} in the header, got {text[:40]!r}")
    return value


def _last_appearance(image: ReadImage, key: str) -> float | None:
    """The number after the last place in the header where a key's name stands, alone or in a longer one."""
    place = image.text.rfind(key)
    if place < 0:
        return None
    found = _NUMBER.match(image.text[place + len(key) :].partition("=")[2])
    value = float(found.group()) if found else 0.0
    return value if math.isfinite(value) else 0.0


def _effective(values: dict[str, float]) -> dict[str, float]:
    """Without the distance along the beam where a close distance overrules it."""
    return {key: value for key, value in values.items() if key != "DISTANCE" or "CLOSE_DISTANCE" not in values}


def _check(path: Path, key: str, owner: type, field: str, converted: float, value: float) -> None:
    spec = option_spec(getattr(attrs.fields(owner), field))
    rule: Rule | None = spec.rule if spec is not None else None
    if rule is not None and not rule.accepts(converted):
        raise InputError(f"{path}: expected {rule.text} for {key} in the header, got {value:g}")
