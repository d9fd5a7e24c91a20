"""Camera settings from the header of an image whose keys are those of SMV: what -img and -mask take from it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import attrs

from openbragg.errors import InputError
from openbragg.model import Beam, Detector, Scan
from openbragg.options import Rule, option_spec
from openbragg.orchestrator.quirks import notice
from openbragg.roles import ReadImage
from openbragg.units import unit

#: Keys of a header and what they set: a class, its field, which element of it, and the header's unit.
_KEYS: dict[str, tuple[type, str, int | None, str]] = {
    "PIXEL_SIZE": (Detector, "pixel_size", None, "mm"),
    "DISTANCE": (Detector, "distance", None, "mm"),
    "CLOSE_DISTANCE": (Detector, "close_distance", None, "mm"),
    "WAVELENGTH": (Beam, "wavelength", None, "A"),
    "BEAM_CENTER_X": (Detector, "beam_centre", 0, "mm"),
    "BEAM_CENTER_Y": (Detector, "beam_centre", 1, "mm"),
    "ORGX": (Detector, "near_pixel", 0, ""),
    "ORGY": (Detector, "near_pixel", 1, ""),
    "PHI": (Scan, "start", None, "deg"),
    "OSC_RANGE": (Scan, "range", None, "deg"),
    "TWOTHETA": (Detector, "twotheta", None, "deg"),
}
#: What the reference program writes in its own headers for two of them.
_ALSO = {"ORGX": "XDS_ORGX", "ORGY": "XDS_ORGY"}
#: What OpenBragg writes besides, where the same keys stand for what other programs mean by them.
_OURS = {"BEAM_CENTER_X": "XBEAM", "BEAM_CENTER_Y": "YBEAM"}
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

Settings = dict[type, dict[str, object]]


def camera_settings(
    path: Path, image: ReadImage, *, is_mask: bool, quirks: frozenset[str], notices: list[str]
) -> Settings:
    """What the header of an image says about detector, beam and scan.

    Parameters
    ----------
    path, image
        The image, which has a header of keys and values.
    is_mask
        A mask's BEAM_CENTER_Y is measured from the other edge, as in the reference program.
    quirks
        Quirks of the reference to reproduce; those that concern headers are ``header-keys`` and ``header-twotheta``.
    notices
        Gets a line for each of them that is not reproduced and would have changed a setting.

    Returns
    -------
    For each of the classes `Detector`, `Beam` and `Scan` the fields that the header sets, in SI.

    Raises
    ------
    InputError
        When a key has a value that it cannot have; the message names the file and the key.
    """
    exact = _effective({key: value for key in _KEYS if (value := _exact(path, image, key)) is not None})
    found = _effective({key: value for key in _KEYS if (value := _last_appearance(image, key)) is not None})
    if "header-keys" in quirks:
        exact = found
    # OpenBragg's own headers are meant for other readers than the reference, and each would be noticed.
    elif changed := [key for key in _KEYS if exact.get(key) != found.get(key) and key not in _unnoticed(image)]:
        notices.append(notice("header-keys", f"{', '.join(changed)} of {path}"))
    if exact.get("TWOTHETA"):
        if "header-twotheta" in quirks:
            del exact["TWOTHETA"]
        else:
            notices.append(notice("header-twotheta", f"{exact['TWOTHETA']:g} degrees in {path}"))

    slow, fast = image.pixels.shape
    settings: Settings = {Detector: {"pixels": (slow, fast)}, Beam: {}, Scan: {}}
    for key, value in exact.items():
        owner, field, component, unit_name = _KEYS[key]
        converted = unit(unit_name).to_si(value) if unit_name else value
        _check(path, key, owner, field, converted, value)
        if component is None:
            settings[owner][field] = converted
        else:
            pair = settings[owner].get(field, (None, None))
            assert isinstance(pair, tuple)
            settings[owner][field] = (converted, pair[1]) if component == 0 else (pair[0], converted)
    if is_mask:
        _measure_from_other_edge(settings[Detector], slow)
    return settings


def _exact(path: Path, image: ReadImage, key: str) -> float | None:
    """The number of a key of this name."""
    names = (_OURS.get(key, key), key, _ALSO.get(key, key))
    text = next((image.header[name] for name in names if name in image.header), None)
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


def _unnoticed(image: ReadImage) -> set[str]:
    return {"TWOTHETA", *(key for key, ours in _OURS.items() if ours in image.header)}


def _effective(values: dict[str, float]) -> dict[str, float]:
    """Without the distance along the beam where a close distance overrules it."""
    return {key: value for key, value in values.items() if key != "DISTANCE" or "CLOSE_DISTANCE" not in values}


def _check(path: Path, key: str, owner: type, field: str, converted: float, value: float) -> None:
    spec = option_spec(getattr(attrs.fields(owner), field))
    rule: Rule | None = spec.rule if spec is not None else None
    if rule is not None and not rule.accepts(converted):
        raise InputError(f"{path}: expected {rule.text} for {key} in the header, got {value:g}")


def _measure_from_other_edge(detector: dict[str, object], slow: int) -> None:
    pair = detector.get("beam_centre")
    if isinstance(pair, tuple) and pair[1] is not None:
        pixel_size = detector.get("pixel_size", attrs.fields(Detector).pixel_size.default)
        assert isinstance(pixel_size, float)
        detector["beam_centre"] = (pair[0], slow * pixel_size - pair[1])
