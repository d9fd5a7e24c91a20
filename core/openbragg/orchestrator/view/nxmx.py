"""NXmx images read: HDF5 files of NeXus, of one image or a series, with the geometry that stands in them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from openbragg.errors import InputError, OpenBraggError, UsageError, shown
from openbragg.orchestrator.view.frame import Frame, check_size, make_frame
from openbragg.orchestrator.view.nexus import Placed, few, place_frame

START = b"\x89HDF\r\n\x1a\n"
_INSTALL = "pip install 'openbragg[hdf5]'"
_DATA = "entry/data"
_DETECTOR = "entry/instrument/detector"
#: So many images of a file are shown when nobody says which.
MOST_IMAGES = 20

Chooser = Callable[[int], Sequence[int]]


def read_nxmx(path: Path, choose: Chooser) -> Iterator[Frame]:
    """Read images of an NXmx file, one after the other.

    Parameters
    ----------
    path
        The file; of a series in blocks the master file, beside which the others lie.
    choose
        Says, of the number of images in the file, which are wanted, from 1.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged or is no NXmx file, or a library is missing.
    """
    with _opened(path) as file:
        blocks = _blocks(path, file)
        count = sum(1 if data.ndim == 2 else data.shape[0] for data in blocks)
        detector = file.get(_DETECTOR)
        mask = None if detector is None else _mask(detector, blocks[0].shape[-2:])
        overload = None if detector is None else _number(detector, "saturation_value")
        first = _number(blocks[0].attrs, "image_nr_low") or 1.0
        for number in choose(count):
            pixels = _image(path, blocks, number)
            masked = mask
            if pixels.dtype.kind in "iu":
                largest = pixels == np.iinfo(pixels.dtype).max
                masked = pixels < 0 if pixels.dtype.kind == "i" else largest
                masked = masked | largest if mask is None else masked | largest | mask
            placed = Placed(path=path, number=number, count=count, shape=pixels.shape)
            yield make_frame(
                str(path),
                pixels,
                masked,
                geometry=place_frame(file, placed),
                overload=None if overload is None else overload + 1.0,
                number=None if count == 1 else int(first) + number - 1,
            )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: h5py is not installed, which reads HDF5: {_INSTALL}") from None
    with suppress(ImportError):
        # Registers the compressions of detectors; without it, files with other ones can be read.
        import hdf5plugin  # noqa: F401
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OpenBraggError, MemoryError):
        raise
    except Exception as error:
        # What the library raises over a spoilt file is of many classes.
        if "filter" in str(error).lower() and "hdf5plugin" not in sys.modules:
            raise InputError(f"{path}: hdf5plugin is not installed, which unpacks the images: {_INSTALL}") from None
        raise InputError(f"{path}: the HDF5 file is damaged, or no NXmx file") from None


def _blocks(path: Path, file: Any) -> list[Any]:
    """The data sets of images: one, or the blocks of a master file in their order."""
    group = file.get(_DATA)
    if group is None:
        raise InputError(f"{path}: expected images in /{_DATA} of the HDF5 file, it has none")
    if "data" in group:
        blocks = [group["data"]]
        if blocks[0].is_virtual:
            _check_sources(path, blocks[0])
    else:
        blocks = []
        for name in sorted(name for name in group if name.startswith("data_")):
            link = group.get(name, getlink=True)
            try:
                blocks.append(group[name])
            except KeyError:
                raise InputError(f"{path}: cannot read its images: there is no {_target(path, link)}") from None
    if not blocks or any(not hasattr(data, "dtype") or data.ndim not in (2, 3) for data in blocks):
        raise InputError(f"{path}: expected images (image, slow, fast) in /{_DATA} of the HDF5 file")
    shapes = {(*data.shape[-2:], data.dtype.kind) for data in blocks}
    slow, fast, kind = next(iter(shapes))
    check_size(str(path), slow, fast)
    if len(shapes) > 1 or kind not in "iuf" or any(data.dtype.itemsize > 8 for data in blocks):
        raise InputError(f"{path}: expected whole or floating-point numbers of up to 64 bits, images all alike")
    return blocks


def _target(path: Path, link: Any) -> str:
    return shown(str(path.with_name(link.filename))) if hasattr(link, "filename") else "such data set"


def _check_sources(path: Path, data: Any) -> None:
    """Refuse blocks that are not there: HDF5 would show zeros in their place."""
    for source in data.virtual_sources():
        if source.file_name != "." and not os.path.exists(path.parent / source.file_name):  # noqa: PTH110
            raise InputError(
                f"{path}: cannot read its images: there is no {shown(str(path.parent / source.file_name))}"
            )


def _image(path: Path, blocks: list[Any], number: int) -> np.ndarray[Any, Any]:
    index = number - 1
    for data in blocks:
        count = 1 if data.ndim == 2 else data.shape[0]
        if index < count:
            pixels: np.ndarray[Any, Any] = data[()] if data.ndim == 2 else data[index]
            return pixels
        index -= count
    raise UsageError(f"{path}: there is no image {number}")


def _mask(detector: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    """Which pixels of an image (slow, fast) the detector marks; of marks for each image those of the first."""
    mask = detector.get("pixel_mask")
    if mask is None or mask.ndim not in (2, 3) or mask.shape[-2:] != shape or mask.dtype.kind not in "biuf":
        return None
    hidden: np.ndarray[Any, Any] = (mask[()] if mask.ndim == 2 else mask[0]) != 0
    return hidden


def _number(place: Any, name: str) -> float | None:
    if name not in place:
        return None
    value = place[name]
    if hasattr(value, "shape") and hasattr(value, "id"):
        if not few(value, 1):
            return None
        value = value[()]
    value = np.asarray(value)
    number = float(value.flat[0]) if value.size and value.dtype.kind in "iuf" else np.nan
    return number if np.isfinite(number) else None
