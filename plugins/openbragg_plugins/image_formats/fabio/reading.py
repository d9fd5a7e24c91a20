"""Files handed to fabio: their size is bounded before, and what comes back is checked after."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, overload

import numpy as np

from openbragg import Geometry, ImageSource, InputError, OpenBraggError, ReadImage
from openbragg_plugins.image_formats.arrays import MOST_PIXELS, check_size, not_finite
from openbragg_plugins.image_formats.camera import Camera, upright_geometry
from openbragg_plugins.image_formats.fabio.kinds import Kind, kind_of

#: Unpacked; of a few large images.
_LARGEST_FILE = 1 << 28
#: An EDF header may name another file for its pixels, and pixels that are packed to any size.
_ELSEWHERE = re.compile(rb"BinaryFileName\s*=", re.IGNORECASE)
_PACKED = re.compile(rb"\n\s*Compression\s*=\s*(?!No)\w", re.IGNORECASE)
_LONGEST_VALUE = 1000
_INSTALL = "pip install 'openbragg[images]'"


def read_with_fabio(source: ImageSource) -> Images:
    """The images of a file.

    Raises
    ------
    InputError
        When fabio is not installed, or cannot read the file.
    """
    path, content = source.path, source.content(_LARGEST_FILE, "an image of this format")
    kind = kind_of(content[: 1 << 18])
    if kind is None:
        raise InputError(f"{path}: no image of a format that is read by fabio")
    if find_spec("fabio") is None:
        raise InputError(f"{path}: fabio is not installed, which reads this {kind.title}: {_INSTALL}")
    size = kind.size(content[: 1 << 18])
    if size is None:
        raise InputError(f"{path}: the {kind.title} does not say how many pixels it has")
    check_size(path, size[1], size[0])
    if len(content) < kind.header + kind.pixel * size[0] * size[1]:
        raise InputError(f"{path}: the {kind.title} of {size[0]} x {size[1]} pixels is cut short")
    if kind.module == "edfimage" and _ELSEWHERE.search(content):
        raise InputError(f"{path}: the pixels of this EDF image are said to be in another file, which is not read")
    if kind.module == "edfimage" and _PACKED.search(content):
        raise InputError(f"{path}: expected pixels that are not packed within the EDF image")
    with _quietly(path, kind):
        return Images(path, kind, _opened(kind, path, content))


class Images(Sequence[ReadImage]):
    """The images of a file, each taken out when it is asked for."""

    def __init__(self, path: Path, kind: Kind, opened: Any) -> None:
        self._path, self._kind, self._opened = path, kind, opened

    def __len__(self) -> int:
        return max(1, int(self._opened.nframes))

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
        with _quietly(self._path, self._kind):
            frame = self._opened.get_frame(place)
            pixels, header = np.asarray(frame.data), _words(frame.header)
        if pixels.ndim != 2 or pixels.dtype.kind not in "iuf" or pixels.dtype.itemsize > 8 or not pixels.size:
            raise InputError(f"{self._path}: expected an image of one number a pixel in this {self._kind.title}")
        camera = _saxs_camera(header) if self._kind.module == "edfimage" else None
        return ReadImage(
            pixels=pixels,
            masked=not_finite(pixels),
            geometry=None if camera is None else _geometry(self._path, camera, pixels.shape),
            header=header,
            number=None if len(self) == 1 else place + 1,
        )


@contextmanager
def _quietly(path: Path, kind: Kind) -> Iterator[None]:
    """What the library says of a damaged file, or raises over it, becomes a line."""
    log = logging.getLogger("fabio")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (OpenBraggError, MemoryError):
        raise
    except Exception:
        # They are of many classes.
        raise InputError(f"{path}: fabio cannot read this {kind.title}: it is damaged, or unknown") from None
    finally:
        log.setLevel(level)


def _opened(kind: Kind, path: Path, content: bytes) -> Any:
    from fabio.fabioutils import BytesIO

    image = getattr(import_module(f"fabio.{kind.module}"), kind.cls)()
    opened = image.read(BytesIO(content, fname=path.name))
    if opened is None:
        raise ValueError("nothing was read")
    return opened


def _words(header: Mapping[Any, Any]) -> dict[str, str]:
    """Keys and values that are text or numbers, none of them long."""
    kept: dict[str, str] = {}
    for key, value in header.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if len(text) <= _LONGEST_VALUE:
            kept[str(key)] = text.strip(" \0")
    return kept


def _saxs_camera(header: Mapping[str, str]) -> Camera | None:
    """What the keys of SAXS programs say, in metres and pixels; None where one is missing.

    Source: P. Boesecke, J. Appl. Cryst. 40 (2007) s423: the middle of the first pixel is at 0.5, its outer corner at 0.
    """
    said = {key.lower(): value.split()[0] for key, value in header.items() if value.split()}
    try:
        values = [
            float(said[key]) for key in ("psize_1", "psize_2", "sampledistance", "wavelength", "center_1", "center_2")
        ]
    except (KeyError, ValueError):
        return None
    fast, slow, distance, wavelength, first, second = values
    if not all(map(math.isfinite, values)) or min(fast, slow, distance, wavelength) <= 0.0 or fast != slow:
        return None
    return Camera(
        pixel_size=fast, distance=distance, wavelength=wavelength, beam_fast=first * fast, beam_slow=second * slow
    )


def _geometry(path: Path, camera: Camera, shape: tuple[int, ...]) -> Geometry | None:
    if shape[0] * shape[1] > MOST_PIXELS:
        return None
    return upright_geometry(path, camera, shape)
