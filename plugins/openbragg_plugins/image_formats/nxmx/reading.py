"""NXmx images read: HDF5 files of NeXus, of one image or a series, with the geometry that stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from openbragg import ImageSource, InputError, ReadImage
from openbragg_plugins.image_formats.arrays import check_size, not_finite
from openbragg_plugins.image_formats.nxmx.links import Linked, opened
from openbragg_plugins.image_formats.nxmx.placing import DETECTOR, Placed, few, place_frame

_DATA = "entry/data"
#: A block of a series under the name that detectors give it.
_BLOCK = "data_"

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def read_nxmx(source: ImageSource) -> Images:
    """The images of an NXmx file; of a series in blocks the master file, beside which the others lie.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged or is no NXmx file, leads out of its folder, or a library is missing.
    """
    if source.packing():
        raise InputError(f"{source.path}: HDF5 is read where it lies, so unpack it first")
    with opened(source.path, everywhere=source.follow_links) as file:
        names = _block_names(file)
        blocks = [_block(file, name) for name in names]
        _check(file, blocks)
        counts = [1 if data.ndim == 2 else data.shape[0] for data in blocks]
    if not sum(counts):
        raise InputError(f"{source.path}: there are no images in /{_DATA} of the HDF5 file")
    return Images(source, dict(zip(names, counts, strict=True)))


class Images(Sequence[ReadImage]):
    """The images of a file, each read when it is asked for."""

    def __init__(self, source: ImageSource, blocks: dict[str, int]) -> None:
        self._source = source
        self._blocks = blocks
        self._mask: Mask | None = None

    def __len__(self) -> int:
        return sum(self._blocks.values())

    @overload
    def __getitem__(self, index: int) -> ReadImage: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ReadImage]: ...

    def __getitem__(self, index: int | slice) -> ReadImage | Sequence[ReadImage]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        with opened(self._source.path, everywhere=self._source.follow_links) as file:
            return self._image(file, place)

    def _image(self, file: Linked, place: int) -> ReadImage:
        within, names = place, iter(self._blocks)
        name = next(names)
        while within >= self._blocks[name]:
            within -= self._blocks[name]
            name = next(names)
        data = _block(file, name)
        pixels: np.ndarray[Any, Any] = data[()] if data.ndim == 2 else data[within]
        detector = file.get(DETECTOR)
        saturation = None if detector is None else _number(file.get("saturation_value", detector))
        first = _attribute(_block(file, next(iter(self._blocks))), "image_nr_low") or 1.0
        frame = Placed(path=self._source.path, number=place + 1, count=len(self), shape=pixels.shape)
        return ReadImage(
            pixels=pixels,
            masked=_masked(pixels, self._detector_mask(file, detector, pixels.shape)),
            overload=None if saturation is None else saturation + 1.0,
            geometry=place_frame(file, frame, saturation),
            number=None if len(self) == 1 else int(first) + place,
        )

    def _detector_mask(self, file: Linked, detector: Any, shape: tuple[int, ...]) -> Mask | None:
        """Which pixels (slow, fast) the detector marks; of marks for each image those of the first."""
        if self._mask is None and detector is not None:
            mask = file.get("pixel_mask", detector)
            if getattr(mask, "ndim", 0) in (2, 3) and mask.shape[-2:] == shape and mask.dtype.kind in "biuf":
                self._mask = (mask[()] if mask.ndim == 2 else mask[0]) != 0
        return self._mask


def _masked(pixels: np.ndarray[Any, Any], marked: Mask | None) -> Mask | None:
    """The pixels that are marked, by the detector or by their value: negative ones, and the largest of their type."""
    if pixels.dtype.kind == "f":
        by_value = not_finite(pixels)
    else:
        by_value = pixels == np.iinfo(pixels.dtype).max
        if pixels.dtype.kind == "i":
            by_value |= pixels < 0
    masks = [mask for mask in (by_value, marked) if mask is not None]
    masked = np.logical_or.reduce(masks) if masks else None
    return masked if masked is not None and masked.any() else None


def _block_names(file: Linked) -> list[str]:
    """Where the images are: one data set, or the blocks of a master file in their order."""
    group = file.get(_DATA)
    if group is None or not hasattr(group, "keys"):
        raise InputError(f"{file.path}: expected images in /{_DATA} of the HDF5 file, it has none")
    if "data" in group.keys():  # noqa: SIM118 - a group looks for a name by following its link.
        return ["data"]
    return sorted(name for name in group.keys() if name.startswith(_BLOCK))  # noqa: SIM118


def _block(file: Linked, name: str) -> Any:
    data = file.get(f"{_DATA}/{name}")
    if data is None:
        raise InputError(f"{file.path}: cannot read its images: there is no such data set as /{_DATA}/{name}")
    return data


def _check(file: Linked, blocks: list[Any]) -> None:
    if not blocks or any(not hasattr(data, "dtype") or data.ndim not in (2, 3) for data in blocks):
        raise InputError(f"{file.path}: expected images (image, slow, fast) in /{_DATA} of the HDF5 file")
    shapes = {(*data.shape[-2:], data.dtype.kind) for data in blocks}
    slow, fast, kind = next(iter(shapes))
    check_size(file.path, slow, fast)
    if len(shapes) > 1 or kind not in "iuf" or any(data.dtype.itemsize > 8 for data in blocks):
        raise InputError(f"{file.path}: expected whole or floating-point numbers of up to 64 bits, images all alike")


def _number(data: Any) -> float | None:
    """The number of a small data set; None for what is none."""
    return _finite(data[()]) if hasattr(data, "dtype") and few(data, 1) else None


def _attribute(data: Any, name: str) -> float | None:
    return _finite(data.attrs[name]) if name in data.attrs else None


def _finite(value: Any) -> float | None:
    value = np.asarray(value)
    number = float(value.flat[0]) if value.size and value.dtype.kind in "iuf" else np.nan
    return number if np.isfinite(number) else None
