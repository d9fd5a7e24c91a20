"""Files of geometry, good and bad ones, for `corpora`."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import geometry_texts as texts
from openbragg_plugins.geometry_readers.crystfel import CrystFel
from openbragg_plugins.geometry_readers.crystfel_cell import CrystFelCell
from openbragg_plugins.geometry_readers.expt import Expt
from openbragg_plugins.geometry_readers.xds_inp import XdsInp
from openbragg_plugins.geometry_readers.xparm import Xparm

KNOWN = texts.Described(
    [
        texts.Flat(np.array([-5.0, -4, 100]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), (40, 30), (0, 0)),
        texts.Flat(np.array([-5.0, -1, 101]), np.array([0.0, 1, 0]), np.array([-1.0, 0, 0]), (20, 10), (0, 30)),
    ],
    np.array([0.0, 0, 1]),
    np.array([1.0, 0, 0]),
    np.diag([30.0, 40, 50]),
    1.1,
    5.0,
    0.1,
)
ALONE = texts.Described(KNOWN.panels[:1], KNOWN.beam, KNOWN.spindle, KNOWN.axes, 1.1, 5.0, 0.1)
READ: dict[str, Callable[[Any], Any]] = {
    "expt": Expt().read,
    "xds-inp": XdsInp().read,
    "xparm": Xparm().read,
    "crystfel": CrystFel().read,
    "crystfel-cell": CrystFelCell().read,
}
CELL = b"""CrystFEL unit cell file version 1.0
lattice_type = monoclinic
unique_axis = b
a = 30 A
b = 4.0 nm
c = 50 A ; as found
al = 90 deg
be = 97.5 deg
ga = 90 deg
"""
ZEROS = b"\0" * 100


@cache
def good() -> dict[str, dict[str, bytes]]:
    """Good files by reader."""
    return {
        "expt": {
            "plain": texts.expt(KNOWN),
            "in groups": texts.expt(KNOWN, root=texts.turn([1, 2, 3], 50)),
            "one line": json.dumps(json.loads(texts.expt(ALONE))).encode(),
        },
        "xds-inp": {"plain": texts.xds_inp(ALONE), "segments": texts.xds_inp(KNOWN)},
        "xparm": {"plain": texts.xparm(ALONE), "segments": texts.xparm(KNOWN), "old": texts.old_xparm(ALONE)},
        "crystfel": {"plain": texts.geom(KNOWN), "one panel": texts.geom(ALONE)},
        "crystfel-cell": {"plain": CELL},
    }


def words() -> dict[str, tuple[bytes, ...]]:
    """What may stand in such files."""
    return {
        "expt": tuple(b'"panels" "hierarchy" "children" [{"panel": 0}] null true [] {} [1,2,3] "mask"'.split(b" ")),
        "xds-inp": (
            b"SEGMENT= 1 2 3 4\n",
            b"NX=",
            b"ORGX= ",
            b"!",
            b"UNTRUSTED_RECTANGLE= 0 1 2 3 ",
            b"UNTRUSTED_ELLIPSE= 1 9 2 8 ",
            b"UNTRUSTED_QUADRILATERAL= 1 1 9 1 9 9 1 9 ",
            b"SEGMENT_",
        ),
        "xparm": (b" XPARM.XDS", b"\n", b" 1 2 3 "),
        "crystfel-cell": (b"a = ", b" nm", b" rad", b"\nga = 1 deg\n", b";"),
        "crystfel": (
            b"p0/fs = ",
            b"bad/min_x = -9\nbad/max_x = 9\nbad/min_y = -9\nbad/max_y = 9\n",
            b"bad/min_fs = 3\n",
            b"clen = /a/b\n",
            b";",
            b"z",
            b" -",
            b"photon_energy = 9 keV\n",
        ),
    }


def bad() -> dict[str, dict[str, bytes]]:
    """Files that readers refuse, twenty or more of each kind."""
    return {
        "expt": _bad_expt(),
        "xds-inp": _bad_xds_inp(),
        "xparm": _bad_xparm(),
        "crystfel": _bad_geom(),
        "crystfel-cell": _bad_cell(),
    }


def _bad_expt() -> dict[str, bytes]:
    text = texts.expt(KNOWN)

    def spoilt(path: str, value: Any) -> bytes:
        whole = json.loads(text)
        place = whole
        *parents, last = (int(word) if word.isdigit() else word for word in path.split("."))
        for word in parents:
            place = place[word]
        if value is ...:
            del place[last]
        else:
            place[last] = value
        return json.dumps(whole).encode()

    deep: Any = {"panel": 0}
    for _ in range(60):
        deep = {"children": [deep]}
    panel = "detector.0.panels.0."
    changes: dict[str, tuple[str, Any]] = {
        "another list": ("__id__", "ReflectionList"),
        "no experiment": ("experiment", []),
        "experiments of words": ("experiment", ["one"]),
        "no detector": ("experiment.0.detector", None),
        "a detector that is not there": ("experiment.0.detector", 7),
        "a half detector": ("experiment.0.detector", 0.5),
        "no beam": ("beam", []),
        "no panels": ("detector.0.panels", []),
        "a panel of words": ("detector.0.panels", ["one"]),
        "an origin of two": (panel + "origin", [1, 2]),
        "an origin of words": (panel + "origin", ["a", "b", "c"]),
        "an origin too far away": (panel + "origin", [1e300, 0, 0]),
        "no fast axis": (panel + "fast_axis", ...),
        "a fast axis of nothing": (panel + "fast_axis", [0, 0, 0]),
        "parallel axes": (panel + "slow_axis", [1, 0, 0]),
        "endless pixels": (panel + "pixel_size", [0.1, 2e3]),
        "pixels of nothing": (panel + "pixel_size", [0, 0]),
        "no pixels": (panel + "image_size", [0, 10]),
        "too many pixels": (panel + "image_size", [1 << 20, 1 << 20]),
        "half pixels": (panel + "image_size", [10.5, 10]),
        "a place before the image": (panel + "raw_image_offset", [-1, 0]),
        "a mask of words": (panel + "mask", [["a"]]),
        "groups in groups": ("detector.0.hierarchy", deep),
        "a group of another panel": ("detector.0.hierarchy", {"children": [{"panel": 5}]}),
        "a beam that stands still": ("beam.0.direction", [0, 0, 0]),
        "a wavelength of a word": ("beam.0.wavelength", "1.0"),
        "a negative wavelength": ("beam.0.wavelength", -1.0),
        "polarized beyond all": ("beam.0.polarization_fraction", 1.5),
        "polarized along the beam": ("beam.0.polarization_normal", [0, 0, 1]),
        "no rotation": ("goniometer.0.setting_rotation", [0] * 9),
        "half a rotation": ("goniometer.0.fixed_rotation", [1, 0, 0, 0, 1, 0]),
        "an axis of nothing": ("goniometer.0.rotation_axis", [0, 0, 0]),
        "axes without angles": ("goniometer.0.axes", [[1, 0, 0]]),
        "images backwards": ("scan.0.image_range", [5, 1]),
        "a flat crystal": ("crystal.0.real_space_c", [30, 40, 0]),
        "a crystal of words": ("crystal.0.real_space_a", "abc"),
    }
    return {
        "empty": b"",
        "cut": text[:400],
        "zeros": ZEROS,
        "not a list": b'["ExperimentList"]',
        "no number": text.replace(b"1.1", b"NaN"),
        "infinite": text.replace(b"1.1", b"1e999"),
        "wide letters": text.decode().encode("utf-16"),
        **{case: spoilt(path, value) for case, (path, value) in changes.items()},
    }


def _bad_xds_inp() -> dict[str, bytes]:
    text, several = texts.xds_inp(ALONE), texts.xds_inp(KNOWN)
    changes = {
        "no NX": (b"NX= 40", b""),
        "no ORGX": (b"\nORGX=", b"\nORG="),
        "no distance": (b"DETECTOR_DISTANCE=", b"DISTANCE="),
        "a wavelength of a word": (b"X-RAY_WAVELENGTH= 1.1", b"X-RAY_WAVELENGTH= Cu"),
        "a negative wavelength": (b"X-RAY_WAVELENGTH= 1.1", b"X-RAY_WAVELENGTH= -1"),
        "endless pixels": (b"QY= 0.1", b"QY= 2e3"),
        "pixels of nothing": (b"QX= 0.1  QY= 0.1", b"QX= 0 QY= 0"),
        "half a pixel": (b"NX= 40", b"NX= 40.5"),
        "no pixels": (b"NX= 40", b"NX= 0"),
        "too many pixels": (b"NX= 40 NY= 30", b"NX= 99999999 NY= 99999999"),
        "many digits": (b"NX= 40", b"NX= " + b"9" * 5000),
        "not a number": (b"\nORGX= ", b"\nORGX= nan "),
        "infinite": (b"\nORGX= ", b"\nORGX= 1e999 "),
        "underscores": (b"NX= 40", b"NX= 4_0"),
        "too few numbers": (b"ROTATION_AXIS= 1.0", b"ROTATION_AXIS= "),
        "an axis of nothing": (b"ROTATION_AXIS= 1.0", b"ROTATION_AXIS= 0"),
        "a beam that stands still": (b"INCIDENT_BEAM_DIRECTION= ", b"INCIDENT_BEAM_DIRECTION= 0 0 0 "),
        "polarized beyond all": (b"POLARIZATION= 0.75", b"POLARIZATION= 7.5"),
        "polarized along the beam": (b"NORMAL= 0 1 0", b"NORMAL= 0 0 1"),
        "parallel axes": (b"Y-AXIS= 0.0 1.0 0.0", b"Y-AXIS= 1 0 0"),
        "a cell of two axes": (b"UNIT_CELL_B-AXIS", b"UNIT_CELL"),
        "a flat cell": (b"UNIT_CELL_B-AXIS= ", b"UNIT_CELL_B-AXIS= 1 0 0 "),
    }
    return {
        "empty": b"",
        "cut": text[:120],
        "zeros": ZEROS,
        "one line": b"NX= " * 40000,
        "wide letters": text.decode().encode("utf-16"),
        "a segment before it begins": b"SEGMENT_ORGX= 1\n" + several,
        "a segment beyond the detector": several.replace(b"SEGMENT= 1 40 1 30", b"SEGMENT= 1 41 1 30"),
        "a segment backwards": several.replace(b"SEGMENT= 1 40 1 30", b"SEGMENT= 40 1 1 30"),
        "a segment of nothing": several.replace(b"SEGMENT_X-AXIS= 1.0", b"SEGMENT_X-AXIS= 0.0"),
        "half a rectangle": text + b"UNTRUSTED_RECTANGLE= 1 2 3\n",
        "half an ellipse": text + b"UNTRUSTED_ELLIPSE= 1 2\n",
        "half a quadrilateral": text + b"UNTRUSTED_QUADRILATERAL= 1 2 3 4\n",
        **{case: _replaced(text, old, new) for case, (old, new) in changes.items()},
    }


def _bad_xparm() -> dict[str, bytes]:
    text, several, old = texts.xparm(ALONE), texts.xparm(KNOWN), texts.old_xparm(ALONE)
    lines = text.splitlines()
    changes = {
        "a number less": (lines[1], lines[1].rpartition(b" ")[0]),
        "a number more": (lines[2], lines[2] + b" 1"),
        "not a number": (lines[2], b"nan 0 0 1"),
        "infinite": (lines[2], b"1e999 0 0 1"),
        "a negative wavelength": (lines[2], b"-1 0 0 1"),
        "a beam that stands still": (lines[2], b"1.1 0 0 0"),
        "an axis of nothing": (lines[1], b"1 0 0.1 0 0 0"),
        "half a space group": (lines[3], b"4.5 30 40 50 90 90 90"),
        "a flat cell": (lines[5], lines[4]),
        "half a pixel": (lines[7], b"1 40.5 30 0.1 0.1"),
        "no pixels": (lines[7], b"1 0 30 0.1 0.1"),
        "too many pixels": (lines[7], b"1 99999999 99999999 0.1 0.1"),
        "endless pixels": (lines[7], b"1 40 30 0.1 2e3"),
        "segments that are not there": (lines[7], b"5 40 30 0.1 0.1"),
        "segments without number": (lines[7], b"-1 40 30 0.1 0.1"),
        "far away": (lines[8], b"1 1 1e300"),
        "parallel axes": (lines[10], lines[9]),
    }
    return {
        "empty": b"",
        "title": lines[0] + b"\n",
        "cut": text[: len(text) // 2],
        "old and cut": old[: len(old) // 2],
        "zeros": ZEROS,
        "one line": b"12 " * 40000,
        "many lines": b"12\n" * 40000,
        "wide letters": text.decode().encode("utf-16"),
        "a segment beyond the detector": several.replace(b"\n1 1 40 1 30", b"\n1 1 41 1 30"),
        "half a segment": several.replace(b"\n1 1 40 1 30", b"\n1 1 40"),
        **{case: _replaced(text, one, other) for case, (one, other) in changes.items()},
    }


def _bad_geom() -> dict[str, bytes]:
    text = texts.geom(KNOWN)
    changes = {
        "no corner": (b"p0/corner_x", b"p0/corner_z"),
        "no first pixel": (b"p0/min_fs", b"p0/least_fs"),
        "no resolution": (b"res =", b"resolution ="),
        "a resolution of 0": (b"res = 10000.0", b"res = 0"),
        "a resolution backwards": (b"res = 10000.0", b"res = -1"),
        "no camera length": (b"clen = 70 mm", b""),
        "a camera length elsewhere": (b"clen = 70 mm", b"clen = /entry/distance"),
        "a camera length in miles": (b"clen = 70 mm", b"clen = 70 miles"),
        "not a number": (b"p0/corner_x = -50.0", b"p0/corner_x = nan"),
        "infinite": (b"p0/corner_x = -50.0", b"p0/corner_x = 1e999"),
        "a word": (b"p0/corner_x = -50.0", b"p0/corner_x = left"),
        "far away": (b"p0/corner_x = -50.0", b"p0/corner_x = 1e300"),
        "half a pixel": (b"p0/max_fs = 39", b"p0/max_fs = 39.5"),
        "pixels backwards": (b"p0/max_fs = 39", b"p0/max_fs = -3"),
        "too many pixels": (b"p0/max_fs = 39", b"p0/max_fs = 99999999999"),
        "pixels before the image": (b"p0/min_fs = 0", b"p0/min_fs = -5"),
        "an axis of words": (b"p0/fs = +1x", b"p0/fs = along"),
        "an axis twice": (b"p0/fs = +1x", b"p0/fs = +1x +1x"),
        "an axis of nothing": (b"p0/fs = +1x", b"p0/fs = +0x"),
        "a long axis": (b"p0/fs = +1x", b"p0/fs = +300x"),
        "parallel axes": (b"p0/ss = +0x +1y", b"p0/ss = +1x +0y"),
        "a negative wavelength": (b"wavelength = 1.1 A", b"wavelength = -1 A"),
        "a wavelength of a metre": (b"wavelength = 1.1 A", b"wavelength = 1.1"),
        "an energy in joules": (b"wavelength = 1.1 A", b"photon_energy = 9 J"),
        "an offset elsewhere": (b"p0/coffset = ", b"p0/coffset = /entry/offset ;"),
        "no key": (b"max_adu = 65535", b" = 3"),
        "no value": (b"max_adu = 65535", b"max_adu"),
    }
    return {
        "empty": b"",
        "remarks": b"; nothing\n" * 10,
        "cut": text[: len(text) // 2],
        "zeros": ZEROS,
        "one line": b"12 " * 40000,
        "wide letters": text.decode().encode("utf-16"),
        "a bad region of another panel": text
        + b"bad/min_fs = 1\nbad/max_fs = 2\nbad/min_ss = 1\nbad/max_ss = 2\nbad/panel = q9\n",
        **{case: _replaced(text, old, new) for case, (old, new) in changes.items()},
    }


def _replaced(text: bytes, old: bytes, new: bytes) -> bytes:
    assert old in text, old
    return text.replace(old, new, 1)


def _bad_cell() -> dict[str, bytes]:
    changes = {
        **{f"no {line.split()[0].decode()}": (line, b"") for line in CELL.splitlines()[3:]},
        "no unit": (b"a = 30 A", b"a = 30"),
        "a length in degrees": (b"a = 30 A", b"a = 30 deg"),
        "an angle in angstroms": (b"al = 90 deg", b"al = 90 A"),
        "a word": (b"a = 30 A", b"a = long A"),
        "not a number": (b"a = 30 A", b"a = nan A"),
        "infinite": (b"a = 30 A", b"a = 1e999 A"),
        "a negative length": (b"a = 30 A", b"a = -30 A"),
        "a length of 0": (b"a = 30 A", b"a = 0 A"),
        "a length of a mile": (b"b = 4.0 nm", b"b = 1609 m"),
        "half a turn": (b"be = 97.5 deg", b"be = 180 deg"),
        "an angle of 0": (b"be = 97.5 deg", b"be = 0 deg"),
        "two lengths": (b"a = 30 A", b"a = 30 40 A"),
        "many digits": (b"a = 30 A", b"a = " + b"9" * 5000 + b" A"),
    }
    return {
        "empty": b"",
        "zeros": ZEROS,
        "cut": CELL[:70],
        "wide letters": CELL.decode().encode("utf-16"),
        **{case: _replaced(CELL, old, new) for case, (old, new) in changes.items()},
    }
