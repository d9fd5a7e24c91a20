"""Files for the parsers, good and bad ones, and what every parser owes to any file at all.

Whatever the bytes, a parser hands back finite numbers, or raises an `OpenBraggError` of one line that names the file.
It takes no more memory than ten times the file, or what the file truly holds packed, and `Parser.allowance`.
"""

import base64
import gc
import hashlib
import io
import json
import re
import struct
import tempfile
import tracemalloc
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import tifffile
import torch

import geometry_corpora
from command_line import SMALL, run
from openbragg import Readout
from openbragg.errors import InputError, OpenBraggError
from openbragg.model import Beam, Crystal
from openbragg.orchestrator.reading.amplitudes import read_amplitudes
from openbragg.orchestrator.reading.headers import camera_settings
from openbragg.orchestrator.reading.images import read_images
from openbragg.orchestrator.reading.matrix import read_mosflm_matrix
from openbragg.orchestrator.reading.pictures import read_picture
from openbragg.orchestrator.reading.sources import read_sources, read_spectrum
from openbragg.orchestrator.records.record import Record, read_record
from openbragg.orchestrator.records.run import load_run
from openbragg_noise.maps import _numbers, map_of
from openbragg_plugins.mosaic.listed import Listed
from openbragg_plugins.structure_factors.atoms import read_atoms
from openbragg_plugins.structure_factors.corrections import read_corrections
from openbragg_plugins.structure_factors.hkl import read_dump
from openbragg_plugins.structure_factors.hkl_text import read_hkl
from openbragg_plugins.structure_factors.kinds import CRYSTFEL, SCALEPACK, SHELX, XDS_ASCII, kind_of
from openbragg_plugins.structure_factors.reflections import ReflectionFile
from openbragg_tracers.traces.reading import read_traces

#: Files that a user of the reference program has, where there are some: more to spoil.
SHARED = Path(__file__).parents[2] / "shared" / "reference" / "inputs"
#: Larger ones of them would make every example slow.
_LARGEST_SHARED = 1 << 15

_MIB = 1 << 20
_TIMES = 10

#: What stands where a number should.
WORDS = (
    *(b"nan -NaN inf -Infinity 1e999 -1e999 1e308 -1e308 1e154 1e-320 1e-200 0 -0 -1 0.5 1e0".split()),
    *(b"0x10 0x1p9999 1_000 1,5 1.2.3 --5 +5 1e . %d 1e+99999999999999999999 1e-99999999999999999999".split()),
    *(b"65535 65536 2147483647 2147483648 4294967295 4294967296 18446744073709551616".split()),
    *(b"9" * digits for digits in (9, 20, 400, 5000)),
    b"1." + b"0" * 3000 + b"1",
    b"",
    "\N{ARABIC-INDIC DIGIT ONE}".encode(),
    b"\xb2",
    b"\x85",
    b"\x0b\x1c1",
)


@attrs.frozen
class Parser:
    """A parser and what it is tried with.

    Attributes
    ----------
    read
        Reads a file and hands back everything that comes out.
    good, bad
        Files that it must read, and files that it must refuse, each by a name.
    odd
        Files that were once too much for it, and may be read or refused.
    route
        Words of a command line that reads the file named FILE.
    change
        A change beyond that of single bytes, by which a spoilt file gets further.
    words
        What else may stand in such files, to be put anywhere.
    allowance
        Memory beside that of the file, in bytes: buffers, and Python's objects up to the parser's own limit.
    any_number
        Whether NaN and infinity may be in such files, which is for others to notice.
    """

    read: Callable[[Path], Any]
    good: Mapping[str, bytes]
    bad: Mapping[str, bytes]
    route: tuple[str, ...]
    odd: Mapping[str, bytes] = attrs.field(factory=dict)
    words: tuple[bytes, ...] = ()
    change: Callable[[bytes, Random], bytes] = lambda content, random: content
    allowance: int = _MIB
    any_number: bool = False


@attrs.frozen
class Verdict:
    """What a parser made of a file: a value, or a line."""

    value: Any = None
    line: str | None = None


def judge(parser: Parser, path: Path, content: bytes) -> Verdict:
    """Have a file of this content read, and check what every parser owes to any file.

    Raises
    ------
    AssertionError
        When a promise is broken. Whatever else the parser raises comes through, and is as bad.
    """
    path.write_bytes(content)
    gc.collect(0)
    with traced():
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        verdict = _verdict(parser, path)
        peak = tracemalloc.get_traced_memory()[1] - before
    held = len(content)
    if verdict.line is not None:
        assert str(path) in verdict.line, f"no file named: {verdict.line!r}"
        assert len(verdict.line.splitlines()) == 1, f"more than a line: {verdict.line!r}"
        assert verdict.line.isprintable(), f"not to be printed: {verdict.line!r}"
        assert len(verdict.line) < len(str(path)) + 400, f"a long line: {verdict.line!r}"
    else:
        found = [np.asarray(number) for number in numbers(verdict.value)]
        assert parser.any_number or all(np.isfinite(number).all() for number in found)
        held = max(held, *(number.nbytes for number in found), 0)
    assert peak <= _TIMES * held + parser.allowance, f"{peak} bytes of memory for a file of {len(content)}"
    return verdict


def _verdict(parser: Parser, path: Path) -> Verdict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return Verdict(value=parser.read(path))
    except OpenBraggError as error:
        return Verdict(line=str(error))


@contextmanager
def traced() -> Iterator[None]:
    """Memory is traced; where it was already, it stays so. Each beginning anew costs a kilobyte for good."""
    already = tracemalloc.is_tracing()
    if not already:
        tracemalloc.start()
    try:
        yield
    finally:
        if not already:
            tracemalloc.stop()


def numbers(value: Any) -> Iterator[Any]:
    """All numbers in a value: plain ones, arrays, tensors."""
    if isinstance(value, bool | str | bytes | Path | None):
        return
    if isinstance(value, int | float | np.ndarray | torch.Tensor):
        # Whole numbers of any size are finite, but numpy would make an object of a large one.
        yield 0 if isinstance(value, int) else value
    elif isinstance(value, Mapping):
        for element in value.values():
            yield from numbers(element)
    elif isinstance(value, list | tuple):
        for element in value:
            yield from numbers(element)
    elif attrs.has(type(value)):
        for attribute in attrs.fields(type(value)):
            yield from numbers(getattr(value, attribute.name))


@cache
def parsers() -> dict[str, Parser]:
    """Every parser by name."""
    made = _simulated()
    return {
        "matrix": Parser(
            read=partial(read_mosflm_matrix, wavelength=1e-10),
            good={"plain": MATRIX, "with more below": MATRIX + b"  0.0  1.5 -3\n" + MATRIX, **_shared("*.mat")},
            bad=_BAD_MATRICES,
            route=("simulate", *SMALL, "-mat", "FILE"),
        ),
        "hkl": Parser(
            read=read_hkl,
            good={"plain": TABLE, "of floats": b" 1.0 -2. 3e0 4.5\n", **_shared("*.hkl")},
            bad=_BAD_TABLES,
            route=("simulate", *SMALL, "-hkl", "FILE"),
        ),
        "reflections": Parser(
            read=_read_reflections,
            good=LISTS,
            bad=_BAD_LISTS,
            route=("simulate", *SMALL, "-hkl", "FILE"),
            words=(b"End of reflections\n", b"Symmetry: ", b"!END_OF_DATA\n", b"   0   0   0    0.00    0.00\n"),
            # Of small arrays, and of what gemmi keeps of a file of XDS.
            allowance=2 * _MIB,
        ),
        "dump": Parser(
            read=read_dump,
            good={"ours": made["table.dump"], "small": dump(b"0 0 0 0 0 0", 8)},
            bad=_BAD_DUMPS,
            route=("simulate", *SMALL, "-dump", "FILE"),
            words=(b"\n\x0c", struct.pack("<d", np.nan), struct.pack("<d", -np.inf)),
        ),
        "header": Parser(
            read=_read_header,
            good={
                "ours": made["image.img"],
                "small": smv(b"PIXEL_SIZE=0.1;\nXDS_ORGX=2;\nORGY=3;\n"),
                "large pixels first": smv(b"BYTE_ORDER=big_endian;\nTWOTHETA=5;\nMOSFLM_DISTANCE=7;\n"),
                **_shared("*.img"),
            },
            bad=_BAD_IMAGES,
            odd={"control": smv(b"PIXEL_SIZE=\x0b\x1c1;\n")},
            route=("simulate", *SMALL, "-img", "FILE"),
            words=(b"HEADER_BYTES=", b"SIZE1=", b"SIZE2=", b"TYPE=", b"BYTE_ORDER=", b"};{", b";\n", b"WAVELENGTH="),
        ),
        "sources": Parser(
            read=_read_sources,
            good={"plain": SOURCES, "separated": b"-10,0:0.1;2! 1e-10\n\n-10\n", **_shared("sources.txt")},
            bad=_BAD_SOURCES,
            route=("simulate", *SMALL, "-sourcefile", "FILE"),
            words=(b",", b";", b":", b"!"),
            allowance=17 * _MIB,
        ),
        "rotations": Parser(
            read=_read_rotations,
            good={
                "json": ROTATIONS,
                "weighted": b'{"rotations": ' + ROTATIONS + b', "weights": [1, 3]}',
                "numpy": npy(np.stack([np.eye(3), np.eye(3)])),
                "numpy with weights": npy(np.concatenate([np.eye(3).reshape(1, 9), [[2.0]]], axis=1)),
            },
            bad=_bad_rotations(),
            route=("simulate", *SMALL, "-mosaic_rotations", "FILE"),
            words=(b"[[[", b"]]]", b'"weights"', b"\x93NUMPY", b"'<f8'", b"(1, 3, 3)"),
        ),
        "spectrum": Parser(
            read=read_spectrum,
            good={"wavelengths": b"# wavelengths, weights\n1.0,2\n1.1,0\n", "energies": b"9500 1\n9600.5\t3e2\n"},
            bad={
                "empty": b"",
                "three columns": b"1.0 2.0 3.0\n",
                "mixed": b"1.0 2.0\n9500 1\n",
                "dark": b"1.0 0\n1.1 0\n",
                "negative": b"1.0 -2\n",
                "no numbers": b"nan 1\n",
                "many": b"1 1\n" * 66000,
            },
            route=("simulate", *SMALL, "-spectrum_file", "FILE"),
            words=(b",", b"#"),
            allowance=17 * _MIB,
        ),
        "corrections": Parser(
            read=partial(read_corrections, elements=("Se", "S")),
            good={"two": b"energy f' f''\nSe 12000 -5 0.5\nSe 13000,-6,4\nS 9000 0 1 # low\n"},
            bad={
                "empty": b"",
                "no element": b"12000 -5 0.5\n",
                "another element": b"Fe 12000 -5 0.5\n",
                "no element of any table": b"Qq 12000 -5 0.5\n",
                "two columns": b"Se 12000 -5\n",
                "beyond": b"Se 12000 -5 1e300\n",
                "no energy": b"Se 1 -5 1\n",
            },
            route=("simulate", *SMALL, "-atoms", "FILE", "-anomalous_file", "FILE"),
            words=(b"#", b"Se", b",", b"'"),
            # Of the first element that gemmi is asked for.
            allowance=2 * _MIB,
        ),
        "atoms": Parser(
            read=read_atoms,
            good={"list": b"# x y z B occ\nSe 0.1 0.2 0.3 12 1\nS,-0.5,0,1.5,0,0.25\n"},
            bad={
                "empty": b"",
                "commented": b"# nothing\n",
                "no element": b"Q 0 0 0 10 1\n",
                "five numbers": b"Se 0 0 0 10\n",
                "negative B": b"Se 0 0 0 -10 1\n",
                "far": b"Se 1e9 0 0 10 1\n",
                "no number": b"Se 0 0 nan 10 1\n",
            },
            route=("simulate", *SMALL, "-atoms", "FILE"),
            words=(b"#", b"Se", b",", b"CRYST1"),
            allowance=2 * _MIB,
        ),
        "map": Parser(
            read=_read_map,
            good={
                "numpy": npy(np.linspace(0.5, 2.0, 12).reshape(3, 4)),
                "of stages": npy(np.ones((2, 3, 4), dtype=np.float32)),
                "by columns": npy(np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4))),
                "bare numbers": np.ones((3, 4), dtype="<f4").tobytes(),
            },
            bad={
                **{name: content for name, content in _bad_pictures().items() if "array" in name},
                "other pixels": npy(np.ones((4, 3))),
                "four axes": npy(np.ones((1, 2, 3, 4))),
                "below 0": npy(np.full((3, 4), -1.0)),
                "no numbers": npy(np.full((3, 4), np.nan)),
                "an open bracket": npy_of(b"{" * 16),
            },
            route=("simulate", *SMALL, "-gain_map", "FILE", "-noisefile", "noise.img"),
            words=(b"\x93NUMPY", b"'<f8'", b"(3, 4)"),
        ),
        "stol": Parser(
            read=read_amplitudes,
            good={
                "plain": AMPLITUDES,
                "of four columns": b"0 2.57 0.1 300\n0.1 2.5 0.2 20\n",
                "commented": b"# stol in 1/\xc3\x85, F\n" + AMPLITUDES,
            },
            bad=_BAD_AMPLITUDES,
            route=("simulate", *SMALL, "-stol", "FILE"),
            words=(b"#", b"# "),
        ),
        "picture": Parser(
            read=read_picture,
            good={
                **{name: made[name] for name in ("image.img", "image.pgm", "image.png", "image.bin")},
                "two bytes": b"P5 # wide\n2 3 65535\n" + bytes(range(12)),
                "deep": png(np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000),
                "numpy": npy(np.linspace(-1.0, 1.0, 12).reshape(3, 4)),
                "by columns": npy(np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4))),
            },
            bad=_bad_pictures(),
            route=("compare", "FILE", "FILE"),
            change=lambda content, random: checked(content),
            words=(
                b"P5 ",
                b"P2 ",
                b"\x93NUMPY\x01\0",
                b"'descr': ",
                b"'|O'",
                b"IHDR",
                b"IDAT",
                b"zTXt",
                b"tRNS",
                b"PLTE",
            ),
        ),
        "cbf": Parser(
            read=_read_images,
            good={"ours": made["image.cbf"]},
            bad=_bad_cbfs(made["image.cbf"]),
            route=("view", "FILE"),
            change=with_its_own_checksum,
            words=(
                b"\x80",
                b"\x80\x00\x80",
                b"\x80\x00\x80\x00\x00\x00\x80",
                b"Detector_2theta 95 deg.",
                b"Wavelength 0 A",
            ),
        ),
        "tiff": Parser(
            read=_read_images,
            good={"ours": made["image.tif"], "other": tiff(np.arange(12, dtype=">i2").reshape(3, 4))},
            bad=_bad_tiffs(made["image.tif"]),
            route=("view", "FILE"),
            words=(
                b"II*\0",
                b"MM\0*",
                b"II+\0\x08\0\0\0",
                b'"distance_mm": 0',
                b'"wavelength_A": NaN',
                b'"pixel_size_mm": 1e300',
            ),
        ),
        "record": Parser(
            read=_read_record,
            good={"ours": made["alone.json"]},
            bad={**_bad_records(made["alone.json"]), "without its inputs": made["run.json"]},
            route=("simulate", "-from", "FILE"),
            change=with_another_value,
            words=tuple(
                b'{"number": "nan"} {"path": "a"} {"packed_bits": "", "shape": [8]} {"mapping": {}} null true [] '
                b'"\\ud800" "\\u0000" [[[[[[[[ {"a":{"a":{"a": 1e400 -1'.split(b" ")
            ),
            allowance=20 * _MIB,
        ),
        "trace": Parser(
            read=read_traces,
            good={
                "log": LOG,
                "among other words": b"10%\r" + LOG.replace(b"\n", b"\nTRACE_NOTHING of it\n"),
                "JSON": TRACE,
                "no number": TRACE.replace(b"-1.5", b'"nan"'),
                "steps alone": STEPS,
                "steps of several pixels": STEPS.replace(b'"phi_tic"', b'"slow": 4, "fast": 7, "phi_tic"'),
            },
            bad=_BAD_TRACES,
            route=("compare-traces", "FILE", "FILE"),
            change=with_another_value,
            words=(b"TRACE_C: ", b"TRACE_PY_PHI phi_tic=1 ", b"TRACE_CONFIG: tracing pixel (spixel=1, fpixel=2)\n"),
            allowance=20 * _MIB,
            any_number=True,
        ),
        **_geometries(),
    }


def _geometries() -> dict[str, Parser]:
    good, bad, words = geometry_corpora.good(), geometry_corpora.bad(), geometry_corpora.words()
    return {
        name: Parser(
            read=read,
            good=good[name],
            bad=bad[name],
            route=("simulate", *SMALL, "-geometry_reader", name, "-geometry", "FILE"),
            words=words[name],
            change=with_another_value if name == "expt" else lambda content, random: content,
            allowance=20 * _MIB,
        )
        for name, read in geometry_corpora.READ.items()
    }


LOG = b"""TRACE_CONFIG: tracing pixel (spixel=4, fpixel=7)
TRACE_C: fdet_vec 0 0 1
TRACE_C: note made by hand
TRACE_C_PHI phi_tic=0 phi_deg=0 k_frac=-1.5 F_latt=3e2
TRACE_C: F_cell nan
TRACE_C_PHI phi_tic=1 phi_deg=0.1 k_frac=-1.25 F_latt=4 mosaic=2 flavour=up
TRACE_C: floatimage_accumulated 0.25
"""
TRACE = b"""{"format": "openbragg-trace", "version": 1, "by": {"whom": null}, "pixels": [{"slow": 4, "fast": 7,
"values": {"fdet_vec": [0.0, 0.0, 1.0], "F_cell": 2.5}, "steps": [
{"phi_tic": 0, "phi_deg": 0.0, "k_frac": -1.5, "F_latt_a": null}, {"phi_tic": 1, "mosaic": 2, "k_frac": 1}]}]}
"""
STEPS = b"""{"pixel": {"slow": 4, "fast": 7}, "device": "cpu", "per_phi_entries": [
{"phi_tic": 0, "phi_deg": 0.0, "k_frac": -1.5, "F_latt": null}, {"phi_tic": 1, "k_frac": 1, "flavour": "up"}]}
"""
MATRIX = b"0.01066940 -0.00800416 0.00613471\n0.01249463 0.01257802 0.00028119\n-0.00532513 0.00141072 0.01112259\n"
TABLE = b"0 0 1 10\n1 0 0 20.5\n-1 2 0 3e1\n0 0 1 12\n"
ROTATIONS = b"[[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]]"
SOURCES = b"-10.0 0.0 0.0 1.0 1.0e-10\n-10.0 0.003 0.0 2.0 1.001e-10\n-10.0 -0.002 -0.003\n"
_CELL_OF_LISTS = "    10.000    12.000    14.000    90.000    90.000    90.000"
LISTS = {
    "crystfel": (
        b"CrystFEL reflection list version 2.0\nSymmetry: 4/mmm\n"
        b"   h    k    l          I    phase   sigma(I)   nmeas\n"
        b"   1    2    3      64.00        -       2.50      12\n"
        b"   2    0    1      49.00        -       2.50      12\n"
        b"End of reflections\nGenerated by CrystFEL\n"
    ),
    "shelx": (
        b"   1   2   3  100.00    1.00   1\n  -1  -2   3  110.00    2.00   1\n"
        b"   0   0   0    0.00    0.00\n\nTITL below\n"
    ),
    "scalepack": (
        f"    1\n -985\n{_CELL_OF_LISTS} p212121\n".encode()
        + b"   1   2   3   100.0     2.0    81.0     2.0\n   2   0   0    49.0     2.0\n"
    ),
    "xds": (
        b"!FORMAT=XDS_ASCII    MERGE=TRUE    FRIEDEL'S_LAW=FALSE\n!SPACE_GROUP_NUMBER=   19\n"
        + f"!UNIT_CELL_CONSTANTS={_CELL_OF_LISTS}\n".encode()
        + b"!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD=5\n!ITEM_H=1\n!ITEM_K=2\n!ITEM_L=3\n"
        + b"!ITEM_IOBS=4\n!ITEM_SIGMA(IOBS)=5\n"
        + b"!END_OF_HEADER\n 1 2 3 100 1\n-1 -2 -3 81.0 2\n!END_OF_DATA\n"
    ),
}
AMPLITUDES = b"# stol F\n0 2.57\n\n0.1\t3.25e0\n0.5 1\n"


def smv(lines: bytes = b"", pixels: bytes = bytes(range(24)), start: bytes = b"{\nHEADER_BYTES=512;\n") -> bytes:
    """An SMV image of 4 x 3 pixels, with these lines in its header."""
    said = start + b"DIM=2;\nTYPE=unsigned_short;\nSIZE1=4;\nSIZE2=3;\n" + lines + b"}\n\x0c"
    return said.ljust(512) + pixels


def dump(limits: bytes, amplitudes: int) -> bytes:
    """A dump with these limits and so many amplitudes."""
    return limits + b"\n\x0c" + np.arange(float(amplitudes)).astype("<f8").tobytes()


def npy(pixels: np.ndarray[Any, Any]) -> bytes:
    """An array in NumPy's own format."""
    stream = io.BytesIO()
    np.save(stream, pixels)
    return stream.getvalue()


def npy_of(header: bytes, content: bytes = b"", version: int = 1) -> bytes:
    """A file with this header."""
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header + content


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """A grey PNG."""
    raster = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    return png_of(*pixels.shape, raster, bits=8 * pixels.itemsize)


def png_of(slow: int, fast: int, raster: bytes, *between: bytes, bits: int = 8, interlace: int = 0) -> bytes:
    """A PNG that is said to have this size, with chunks between its header and its raster."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", fast, slow, bits, 0, 0, 0, interlace))
    last = chunk(b"IDAT", zlib.compress(raster)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(between) + last


def chunk(name: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def checked(content: bytes) -> bytes:
    """A PNG with the checksums that its parts should have, as far as they follow one another."""
    made, place = bytearray(content), 8
    while place + 12 <= len(made):
        (length,) = struct.unpack_from(">I", made, place)
        end = place + 8 + length
        if end + 4 > len(made):
            break
        struct.pack_into(">I", made, end, zlib.crc32(made[place + 4 : end]))
        place = end + 4
    return bytes(made)


_VALUES = (
    None,
    True,
    0,
    -1,
    1e-320,
    1e308,
    1 << 63,
    "",
    "nan",
    "\0",
    "\x85\x1b[31m",
    "\ud800",
    "x" * 300,
    [],
    {},
    [[]],
)
_TAGGED = (
    {"number": "inf"},
    {"number": "nan"},
    {"path": "a\nb"},
    {"path": "\0"},
    {"mapping": {"\x85": 1}},
    {"default": True},
    {"packed_bits": "", "shape": [1 << 40]},
    {"packed_bits": "eJz7DwAB/wD/", "shape": [2, 4]},
)


def with_another_value(content: bytes, random: Random) -> bytes:
    """A file of JSON with one of its values changed, taken out, or put elsewhere; others as they are."""
    try:
        value = json.loads(content)
        # What was read deep in the stack may still be too deep to be written.
        json.dumps(value)
    except (ValueError, RecursionError):
        return content
    containers = [value]
    for container in containers:
        if isinstance(container, dict | list):
            containers.extend(container.values() if isinstance(container, dict) else container)
    filled = [container for container in containers if isinstance(container, dict | list) and container]
    if not filled:
        return content
    chosen = random.choice(filled)
    key = random.choice(list(chosen) if isinstance(chosen, dict) else range(len(chosen)))
    fate = random.randrange(4)
    if fate == 0:
        del chosen[key]
    elif fate == 1 and isinstance(chosen, dict):
        chosen[str(random.choice(_VALUES))] = chosen.pop(key)
    elif fate == 2:
        # A value within itself cannot be written.
        chosen[key] = json.loads(json.dumps(random.choice(containers)))
    else:
        chosen[key] = random.choice((*_VALUES, *_TAGGED))
    return json.dumps(value, indent=random.choice((None, 1))).encode()


_BAD_TRACES = {
    "empty": b"",
    "no trace": b"done\n",
    "no pixel": b"TRACE_C: F_cell 1\n",
    "nothing of a pixel": LOG.splitlines(keepends=True)[0],
    "two components": LOG.replace(b"0 0 1", b"0 0"),
    "no place": LOG.replace(b"phi_tic=0 ", b""),
    "no number": LOG.replace(b"-1.25", b"much"),
    "a long line": LOG.replace(b"0 0 1", b"1 " * 50000),
    "cut JSON": TRACE[:150],
    "another format": TRACE.replace(b"trace", b"table", 1),
    "another version": TRACE.replace(b": 1,", b": 2,", 1),
    "a strange name": TRACE.replace(b'"F_cell": 2.5', b'"\\u001b%s": {}' % (b"x" * 400)),
    "a strange value": TRACE.replace(b"2.5", b'"\\n%s"' % (b"x" * 400)),
    "no steps": STEPS[: STEPS.index(b"[") + 1] + b"]}",
    "a step that is none": STEPS.replace(b"[", b"[7, ", 1),
    "a pixel that is none": STEPS.replace(b'{"slow": 4, "fast": 7}', b'"%s"' % (b"x" * 400)),
    "half a pixel": STEPS.replace(b', "fast": 7', b""),
    "one step of a pixel": STEPS.replace(b'"pixel"', b'"of"').replace(
        b'{"phi_tic": 1', b'{"slow": 1, "fast": 2, "phi_tic": 1'
    ),
}
_BAD_MATRICES = {
    "empty": b"",
    "cut": MATRIX[:60],
    "huge": MATRIX.replace(b"0.01066940", b"1e300"),
    "all huge": b"1e308 0 0\n0 1e308 0\n0 0 1e308\n",
    "huge when unscaled": b"1e150 0 0\n0 1e-150 0\n0 0 1e300\n",
    "no numbers": b"nan 0 0\n0 inf 0\n0 0 1\n",
    "zeros": b"\0" * 100,
    "one line": b"12 " * 40000,
    "many lines": b"12\n" * 40000,
    "other lines": "0.02 0 0\u2028\x85\x0b\x1c0".encode(),
    "wide letters": MATRIX.decode().encode("utf-16"),
}
_BAD_TABLES = {
    "empty": b"",
    "nothing to see": b"\x1c\x1d \n",
    "cut": TABLE[:22],
    "one line": b"12 " * 40000,
    "many lines": b"12\n" * 40000,
    "many good lines": b"0 0 0 0\n" * 20000 + b"x",
    "underscores": b"1_0 0 0 1\n",
    "digits": b"9" * 100000,
    "zeros": b"0 0 0 1\n\0\0\0\0",
    "control": b"0 0 0 1\x0b\x1b[31m\n",
    "far": b"0 0 1e300 1\n",
    "wide letters": TABLE.decode().encode("utf-16"),
}
_BAD_LISTS = {
    "cut": LISTS["crystfel"].partition(b"End")[0],
    "no symmetry": LISTS["crystfel"].replace(b"4/mmm", b"unknown" * 50),
    "a word": LISTS["crystfel"].replace(b"64.00", b"64.x0"),
    "half an index": LISTS["crystfel"].replace(b"   1    2    3", b"   1    2  3.5"),
    "far": LISTS["shelx"].replace(b"   1   2   3", b"99999999 3"),
    "nothing more": b"CrystFEL reflection list version 2.0\nSymmetry: 1\n",
    "infinite": LISTS["scalepack"].replace(b"   100.0", b"     inf"),
    "a flat cell": LISTS["scalepack"].replace(b"90.000", b" 0.000"),
    "another group": LISTS["scalepack"].replace(b"p212121", b"p21212x"),
    "unmerged": b"    4 p212121\n  1  0  0  0  1  0  0  0  1\n  0  0  0\n",
    "a long line": LISTS["scalepack"] + b"   1   2   3" + b" 1.0" * 50000 + b"\n",
}
_BAD_DUMPS = {
    "empty": b"",
    "digits without end": b"1" * 199,
    "digits": b"123456\n\x0c" + bytes(64),
    "signs": b"1-2-3-4-5-6\n\x0c" + bytes(64),
    "lines within": b"0\x0b1 0\r1 0 1\n\x0c",
    "cut": dump(b"0 1 0 1 0 1", 26),
    "more": dump(b"0 0 0 0 0 0", 9),
    "lying": dump(b"-900000 900000 -900000 900000 -900000 900000", 8),
    "upside down": dump(b"0 -1 0 0 0 0", 0),
    "two upside down": dump(b"5 0 5 0 0 0", 32),
    "no number": b"0 0 0 0 0 0\n\x0c" + struct.pack("<8d", *[np.nan] * 8),
}
_BAD_IMAGES = {
    "empty": b"",
    "cut": smv()[:-1],
    "cut header": smv()[:300],
    "lying": smv(b"SIZE1=999999999;\nSIZE2=999999999;\n"),
    "lying header": smv(start=b"{\nHEADER_BYTES=1000000;\n"),
    "header of nothing": smv(start=b"{\nHEADER_BYTES=0;\n"),
    "lines within": smv(b"SIZE1=1\x0b\x1c2\x85;\n"),
    "no size": smv(b"SIZE1=;SIZE2=-3;\n"),
    "digits": smv(b"SIZE1=" + b"9" * 300 + b";\n"),
    "no numbers": smv(b"DISTANCE=nan;\n"),
    "huge": smv(b"PIXEL_SIZE=1e999;\n"),
    "upside down": smv(b"WAVELENGTH=-1;\n"),
    "other type": smv(b"TYPE=\x85\x1b[31m" + b"x" * 300 + b";\n"),
    "many keys": (b"{HEADER_BYTES=1000000;" + b"".join(b"%x=;" % key for key in range(200000)))[:1000000],
}
_BAD_SOURCES = {
    "empty": b"",
    "cut": SOURCES[:-4] + b"e",
    "nothing": b" ,;:!\n",
    "at the crystal": b"0 0 0\n",
    "at the crystal by default": b"0\n",
    "almost there": b"1e-200 0 0\n",
    "too far": b"-1e200 0 1e200\n",
    "out of scale": b"-1 0 0 1e308\n" * 20,
    "dark": b"-1 0 0 0\n-1 0 0 -0\n",
    "negative": b"-1 0 0 -1\n-1 0 0 2\n",
    "no wavelength": b"-1 0 0 1 0\n",
    "no numbers": b"nan inf 0\n",
    "one line": b"12 " * 40000,
    "many": b"1\n" * 66000,
    "zeros": b"\0" * 100,
    "digits": b"9" * 100000,
}
_BAD_AMPLITUDES = {
    "empty": b"",
    "comments": b"#\n" * 100,
    "cut": AMPLITUDES[:-2],
    "no numbers": b"0 nan\n",
    "infinite": b"0 2.57\n0.1 inf\n",
    "too large": b"0 2.57\n0.1 1e300\n",
    "one column": b"2.57\n",
    "five columns": b"0 2.57 1 1 1\n",
    "a word": b"0 2.57\n0.1 water\n",
    "a word behind": b"0 2.57 F\n",
    "commas": b"0,2.57\n",
    "angle below 0": b"-0.1 2.57\n",
    "amplitude below 0": b"0 2.57\n0.1 -1\n",
    "falling": b"0.1 2.5\n0 2.57\n",
    "twice": b"0 2.57\n0.1 2.5\n0.1 2.6\n",
    "closer than numbers tell apart": b"0.1 2.5\n0.10000000000001 2.6\n",
    "a header": b"stol F\n0 2.57\n",
    "hexadecimal": b"0x0 0x1\n",
    "an image": b"{\nHEADER_BYTES=512;\n}" + bytes(500),
    "a table of reflections": b"0 0 1 25.0 0.1\n",
    "one line": b"12 " * 40000,
    "many lines": b"12\n" * 40000,
    "zeros": b"\0" * 100,
    "wide letters": AMPLITUDES.decode().encode("utf-16"),
}


def _bad_pictures() -> dict[str, bytes]:
    literal = b"{'descr': %s, 'fortran_order': False, 'shape': (%s)}"
    return {
        "empty": b"",
        "half a number": b"\0\0\0",
        "no square": bytes(12),
        "no numbers": struct.pack("<4f", 1, 2, np.nan, 3),
        "cut greymap": b"P5 4 3 255\n" + bytes(11),
        "lying greymap": b"P5 999999999 999999999 65535\n" + bytes(8),
        "greymap of nothing": b"P5 0 0 255\n",
        "greymap of comments": b"P5" + b"#\n" * 5000,
        "cut array": npy(np.zeros((3, 4)))[:-1],
        "lying array": npy_of(literal % (b"'<f4'", b"1000000000, 1000000000"), bytes(64)),
        "array of negative size": npy_of(literal % (b"'<f4'", b"-4, -1"), bytes(16)),
        "array of true sides": npy_of(literal % (b"'<f4'", b"True, 4"), bytes(16)),
        "array of large elements": npy_of(literal % (b"'V1000000000'", b"1, 1"), bytes(16)),
        "array of arrays": npy_of(literal % (b"'(30000,30000)<f4'", b"1, 1"), bytes(16)),
        "array of objects": npy_of(literal % (b"'|O'", b"1, 2"), bytes(16)),
        "array with a long header": b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        "array with a deep header": npy_of(b"(" * 9000),
        "array with a number": npy_of(b"{'shape': " + b"9" * 5000 + b"}", version=2),
        "cut png": png(np.zeros((40, 40), dtype=np.uint8))[:60],
        "lying png": png_of(2**31 - 1, 2**31 - 1, bytes(20)),
        "png that could be": png_of(4000, 4000, bytes(20), chunk(b"tEXt", b"a\0" + bytes(20000))),
        "png of packed words": png_of(
            4, 4, bytes(20), *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20)))] * 20
        )[:-30],
        "png of more": png_of(4, 4, bytes(1 << 24))[:-30],
    }


def with_its_own_checksum(content: bytes, random: Random) -> bytes:
    """A CBF with the checksum of whatever pixels it has, and the size."""
    head, start, rest = content.partition(b"\x0c\x1a\x04\xd5")
    packed = rest[: len(rest) - 4095] if random.random() < 0.5 else rest
    head = re.sub(rb"(X-Binary-Size: )\d+", rb"\g<1>%d" % len(packed), head)
    digest = base64.b64encode(hashlib.md5(packed).digest())
    return re.sub(rb"(Content-MD5: )[^\r]*", lambda found: found[1] + digest, head) + start + rest


def _bad_cbfs(good: bytes) -> dict[str, bytes]:
    return {
        "nothing more": b"###CBF: VERSION 1.5\r\n",
        "cut": good[: len(good) - 4200],
        "another checksum": good.replace(b"Content-MD5: ", b"Content-MD5: AAAA"),
        "lying": good.replace(b"Fastest-Dimension: 4", b"Fastest-Dimension: 400000000"),
        "too few": good.replace(b"Fastest-Dimension: 4", b"Fastest-Dimension: 5"),
        "of nothing": good.replace(b"Fastest-Dimension: 4", b"Fastest-Dimension: 0"),
        "negative size": good.replace(b"X-Binary-Size: ", b"X-Binary-Size: -"),
        "infinitely far": good.replace(b"Detector_distance 0.1", b"Detector_distance 1e999"),
    }


def tiff(pixels: np.ndarray[Any, Any]) -> bytes:
    """A TIFF of an array, by the library."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, metadata=None)
    return stream.getvalue()


def _bad_tiffs(good: bytes) -> dict[str, bytes]:
    return {
        "nothing more": b"II*\0",
        "a page nowhere": b"II*\0\xff\xff\xff\xff",
        "a page in itself": b"II*\0\x04\0\0\0" + bytes(40),
        "cut": good[: len(good) // 2],
        "colours": tiff(np.zeros((4, 4, 3), dtype=np.uint8)),
        "complex": tiff(np.zeros((4, 4), dtype=np.complex64)),
    }


def _bad_rotations() -> dict[str, bytes]:
    return {
        "empty": b"",
        "cut": ROTATIONS[:-4],
        "other": b'{"a": 1}',
        "one matrix": b"[[1, 0, 0], [0, 1, 0], [0, 0, 1]]",
        "mirrored": b"[[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]]",
        "stretched": b"[[[2, 0, 0], [0, 1, 0], [0, 0, 1]]]",
        "no numbers": b'[[["1", 0, 0], [0, 1, 0], [0, 0, true]]]',
        "huge": b"[[[1e308, 0, 0], [0, 1, 0], [0, 0, 1]]]",
        "ragged": b"[[[1, 0, 0], [0, 1], [0, 0, 1]]]",
        "no weight": b'{"rotations": ' + ROTATIONS + b', "weights": [0, 0]}',
        "other weights": b'{"rotations": ' + ROTATIONS + b', "weights": [1]}',
        "deep": b"[" * 100000,
        "digits": b"[[[" + b"9" * 100000 + b"]]]",
        "many": b"[" + b"[[1,0,0],[0,1,0],[0,0,1]]," * 2000,
        "an array of another kind": npy_of(b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 3, 3)}", bytes(72)),
        "a larger array": npy_of(b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999, 3, 3)}", bytes(72)),
        "no shape": npy_of(b"{'descr': '<f8', 'fortran_order': False, 'shape': ()}", bytes(8)),
    }


def _bad_records(good: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "cut": good[:-20],
        "other": b"{}",
        "no text": b"\xff\xfe" + good,
        "deep": b"[" * 100000,
        "deep within": b'{"format": "openbragg run record", "a": ' + b'{"a":' * 20000,
        "digits": b'{"a": ' + b"9" * 100000 + b"}",
        "huge": good.replace(b'"schema": 1', b'"schema": 1e999'),
        "later": good.replace(b'"schema": 1', b'"schema": 99'),
        "twice": good.replace(b'"schema": 1', b'"schema": 1, "schema": 1'),
        "surrogate": good.replace(b'"folder": "', b'"folder": "\\ud800'),
        "control": good.replace(b'"schema"', b'"sch\\u0085\\u001bema"'),
    }


def _read_map(path: Path) -> Any:
    # Files of one size may follow each other within a tick of the clock that stamps them.
    _numbers.cache_clear()
    whole = Readout(shape=(3, 4), region=(0, 3, 0, 2), pixel_size=1e-4, exposure=1.0)
    return map_of(path, "-gain_map", whole, torch.device("cpu"), stages=2)


def _read_header(path: Path) -> Any:
    (image,) = read_images(path)
    known: tuple[frozenset[str], ...] = (frozenset(), frozenset({"header-keys", "header-twotheta"}))
    settings = [
        camera_settings(path, image, is_mask=is_mask, quirks=quirks, notices=[])
        for quirks in known
        for is_mask in (False, True)
    ]
    return image.pixels, [list(found.values()) for found in settings]


def _read_images(path: Path) -> Any:
    """All that is in a file, but for values that say nothing."""
    return [
        attrs.evolve(image, pixels=image.pixels if image.masked is None else image.pixels[~image.masked])
        for image in read_images(path)
    ]


def _read_reflections(path: Path) -> Any:
    """All of a list; what SHELX has in another file is said here."""
    kind = kind_of(path.read_bytes()[: 1 << 20])
    if kind not in (CRYSTFEL, SHELX, SCALEPACK, XDS_ASCII):
        raise InputError(f"{path}: a file of another kind")
    listed = ReflectionFile(file=path, symmetry="P 21 21 21" if kind == SHELX else None).listed()
    return listed.indices, listed.amplitudes


def _read_rotations(path: Path) -> Any:
    model = Listed(file=path)
    blocks = model.blocks(Crystal(reciprocal_vectors=np.eye(3)), torch.eye(3, dtype=torch.float64))
    return blocks.rotations, blocks.weights


def _read_sources(path: Path) -> Any:
    from openbragg import plugin
    from openbragg.engine.sources import make_sources

    rows, _ = read_sources(path)
    laboratory: Any = SimpleNamespace(beam=torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
    return rows, make_sources(Beam(sources=rows), laboratory, plugin("spectra", "dispersion"))


def _read_record(path: Path) -> Record:
    record = read_record(path)
    load_run(path, force=True)
    return record


def _shared(pattern: str) -> dict[str, bytes]:
    if not SHARED.is_dir():
        return {}
    small = (path for path in sorted(SHARED.glob(pattern)) if path.stat().st_size <= _LARGEST_SHARED)
    return {path.name: path.read_bytes() for path in small}


def _simulated() -> dict[str, bytes]:
    """The files that a run writes, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "table.hkl").write_bytes(TABLE)
        files = {
            "-hkl": "table.hkl",
            "-dump": "table.dump",
            "-intfile": "image.img",
            "-pgmfile": "image.pgm",
            "-pngfile": "image.png",
            "-floatfile": "image.bin",
            "-cbf": "image.cbf",
            "-tiff": "image.tif",
            "-record": "run.json",
        }
        words = [word for flag, file in files.items() for word in (flag, str(folder / file))]
        finished = run("simulate", *SMALL, *words)
        assert finished.status == 0, finished.err
        record = json.loads((folder / "run.json").read_bytes())
        # Without inputs it can be read when they are gone.
        alone = json.dumps({**record, "inputs": []}, indent=1).encode()
        return {**{file: (folder / file).read_bytes() for file in files.values()}, "alone.json": alone}
