"""TIFF images read: one page of one number a pixel, uncompressed."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from openbragg.errors import InputError
from openbragg.orchestrator.view.camera import tiff_camera, upright_geometry
from openbragg.orchestrator.view.frame import Frame, check_size, make_frame

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_UNCOMPRESSED = 1


def read_tiff(path: Path) -> Frame:
    """Read a TIFF of whole or floating-point numbers.

    Negative numbers are masked, and in 32 bits without a sign the largest one. In 16 bits the largest one is an
    overload, or a masked pixel; nothing tells which.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged, or holds something else.
    """
    import tifffile

    # What the library says of a damaged file is said below, once.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with tifffile.TiffFile(path) as file:
                page = file.pages.first
                shape, kind, compression = page.shape, page.dtype, int(page.compression)
                description = str(page.description)
                _check(path, shape, kind, compression)
                if page.nbytes > path.stat().st_size:
                    raise InputError(f"{path}: expected {page.nbytes} bytes of pixels, the file is shorter")
                pixels = page.asarray()
    except (InputError, MemoryError):
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'the TIFF is damaged'}") from None
    except Exception:
        # What the library raises over a spoilt file is of many classes.
        raise InputError(f"{path}: the TIFF is damaged") from None
    if pixels.shape != shape:
        raise InputError(f"{path}: the TIFF contradicts itself about its size")
    masked = pixels < 0 if pixels.dtype.kind != "u" else None
    if pixels.dtype == np.uint32:
        masked = pixels == np.iinfo(np.uint32).max
    camera = tiff_camera(description)
    return make_frame(
        str(path),
        pixels,
        masked,
        geometry=None if camera is None else upright_geometry(path, camera, pixels.shape),
        overload=float(np.iinfo(np.uint16).max) if pixels.dtype == np.uint16 else None,
    )


def _check(path: Path, shape: tuple[int, ...], kind: Any, compression: int) -> None:
    if len(shape) != 2:
        raise InputError(f"{path}: expected a TIFF of one number a pixel, got the shape {str(shape)[:60]}")
    check_size(str(path), *shape)
    if kind is None or kind.kind not in "iuf" or kind.itemsize > np.dtype(np.float64).itemsize:
        raise InputError(f"{path}: expected whole or floating-point numbers in the TIFF, got {str(kind)[:40]}")
    if compression != _UNCOMPRESSED:
        raise InputError(f"{path}: expected an uncompressed TIFF")
