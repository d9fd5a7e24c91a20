"""TIFF images read: one page of one number a pixel, uncompressed."""

from __future__ import annotations

import io
import json
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from openbragg import ImageSource, InputError, ReadImage
from openbragg_plugins.image_formats.arrays import MOST_PIXELS, check_size, not_finite
from openbragg_plugins.image_formats.camera import Camera, upright_geometry
from openbragg_plugins.image_formats.tiff.marccd import marccd_header

_UNCOMPRESSED = 1
#: Of the largest image in 64 bits, and its tags.
_LARGEST_FILE = MOST_PIXELS * 8 + (1 << 20)


def read_tiff(source: ImageSource) -> ReadImage:
    """Read a TIFF of whole or floating-point numbers, of MarCCD detectors among them.

    Negative numbers and those that are not finite are masked, and in 32 bits without a sign the largest one. In 16 bits
    the largest one is an overload, or a masked pixel; nothing tells which.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged, or holds something else.
    """
    path = source.path
    if source.packing():
        content = source.content(_LARGEST_FILE, "a TIFF image")
        pixels, description = _first_page(path, io.BytesIO(content), len(content))
    else:
        pixels, description = _first_page(path, path, path.stat().st_size)
    masked = not_finite(pixels)
    if pixels.dtype.kind != "u":
        negative = pixels < 0
        masked = negative if masked is None else masked | negative
    elif pixels.dtype == np.uint32:
        masked = pixels == np.iinfo(np.uint32).max
    said = _said(description)
    camera, marccd = _camera(said), None
    if camera is None:
        with source.open() as stream:
            marccd = marccd_header(stream.read(1 << 12))
        camera = None if marccd is None else marccd.camera
    overload = float(np.iinfo(np.uint16).max) if pixels.dtype == np.uint16 else None
    return ReadImage(
        pixels=pixels,
        masked=masked if masked is not None and masked.any() else None,
        content=said.get("content", "") if said.get("content") in ("photons", "counts") else "",
        overload=overload if marccd is None or marccd.overload is None else marccd.overload,
        geometry=None if camera is None else upright_geometry(path, camera, pixels.shape),
    )


def _first_page(path: Path, file: Path | io.BytesIO, size: int) -> tuple[np.ndarray[Any, Any], str]:
    """The pixels of the first page, and its description."""
    import tifffile

    # What the library says of a damaged file is said below, once.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with tifffile.TiffFile(file) as opened:
                page = opened.pages.first
                shape, kind, compression = page.shape, page.dtype, int(page.compression)
                description = str(page.description)
                _check(path, shape, kind, compression)
                if page.nbytes > size:
                    raise InputError(f"{path}: expected {page.nbytes} bytes of pixels, the file is shorter")
                pixels: np.ndarray[Any, Any] = page.asarray()
    except (InputError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'the TIFF is damaged'}") from None
    except Exception:
        # What the library raises over a spoilt file is of many classes.
        raise InputError(f"{path}: the TIFF is damaged") from None
    if pixels.shape != shape:
        raise InputError(f"{path}: the TIFF contradicts itself about its size")
    return pixels, description


def _check(path: Path, shape: tuple[int, ...], kind: Any, compression: int) -> None:
    if len(shape) != 2:
        raise InputError(f"{path}: expected a TIFF of one number a pixel, got the shape {str(shape)[:60]}")
    check_size(path, *shape)
    if kind is None or kind.kind not in "iuf" or kind.itemsize > np.dtype(np.float64).itemsize:
        raise InputError(f"{path}: expected whole or floating-point numbers in the TIFF, got {str(kind)[:40]}")
    if compression != _UNCOMPRESSED:
        raise InputError(f"{path}: expected an uncompressed TIFF")


def _said(description: str) -> dict[str, Any]:
    """What the description of a TIFF of this program says; nothing where it is another's."""
    try:
        said = json.loads(description)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _camera(said: dict[str, Any]) -> Camera | None:
    try:
        return Camera(
            pixel_size=float(said["pixel_size_mm"]) * 1e-3,
            distance=float(said["distance_mm"]) * 1e-3,
            wavelength=float(said["wavelength_A"]) * 1e-10,
            beam_fast=float(said["beam_fast_px"]) * float(said["pixel_size_mm"]) * 1e-3,
            beam_slow=float(said["beam_slow_px"]) * float(said["pixel_size_mm"]) * 1e-3,
            twotheta=math.radians(float(said.get("twotheta_deg", 0.0))),
            start=math.radians(float(said.get("start_deg", 0.0))),
            range=math.radians(float(said.get("range_deg", 0.0))),
            exposure=float(said["exposure_s"]) if "exposure_s" in said else None,
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
