"""What a detector has of its own in each pixel or module: gains, pedestals and dark currents."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openbragg import NPY_START, InputError, Readout, parse_npy, read_content, read_image, shown

if TYPE_CHECKING:
    import numpy as np
    import torch

    Array = np.ndarray[Any, np.dtype[np.float64]]

#: Three stages of a detector of a hundred million pixels, in bytes.
_LARGEST = 1 << 32


def map_of(
    file: Path, flag: str, readout: Readout, device: torch.device, *, stages: int = 0, signed: bool = False
) -> torch.Tensor:
    """A map of the part of an image that is read: float64, (slow, fast), or (stage, slow, fast).

    Parameters
    ----------
    file
        A NumPy array, or an image of any format that is read; of the whole image.
    flag
        What asked for it.
    stages
        How many gain stages there are, each of which may have a map of its own.
    signed
        Whether numbers may be below 0.

    Raises
    ------
    InputError
        When it cannot be read, or has other pixels than the detector, or numbers that cannot be.
    """
    import numpy as np
    import torch

    wanted = (readout.shape[0], readout.shape[1])
    found = _numbers(file, _stamp(file), wanted)
    shapes = [wanted, (stages, *wanted)] if stages else [wanted]
    if found.shape not in shapes:
        expected = " or ".join(" x ".join(map(str, shape)) for shape in shapes)
        got = " x ".join(map(str, found.shape))
        raise InputError(f"{flag} {shown(str(file))}: expected {expected} numbers, got {got}")
    if not np.isfinite(found).all() or (not signed and found.min() < 0.0):
        raise InputError(f"{flag} {shown(str(file))}: expected finite numbers{'' if signed else ' of 0 or more'}")
    rows, columns = readout.part()
    return torch.from_numpy(found[..., rows, columns].copy()).to(device)


def module_gains(gains: tuple[float, ...], module: tuple[int, int] | None, readout: Readout) -> torch.Tensor:
    """The gain of each pixel's module, of the part that is read: float64, (slow, fast).

    Modules count row by row.

    Raises
    ------
    InputError
        When there are not as many gains as modules.
    """
    import torch

    slow, fast = module or readout.shape
    rows, columns = -(-readout.shape[0] // slow), -(-readout.shape[1] // fast)
    if len(gains) != rows * columns:
        raise InputError(
            f"-module_gains: expected a number for each of {rows} x {columns} modules of {slow} x {fast} pixels "
            f"(slow x fast), got {len(gains)}"
        )
    each = torch.tensor(gains, dtype=torch.float64).reshape(rows, columns)
    return each.repeat_interleave(slow, 0).repeat_interleave(fast, 1)[readout.part()]


def of_stage(values: torch.Tensor, stage: torch.Tensor | None) -> torch.Tensor:
    """A map's numbers for the stage that each pixel is in, where it has a map for each stage."""
    if values.dim() == 2 or stage is None:
        return values
    return values.gather(0, stage.unsqueeze(0)).squeeze(0)


def _stamp(file: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        status = file.stat()
    except OSError as error:
        raise InputError(f"cannot read {shown(str(file))}: {error.strerror or error}") from None
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=8)
def _numbers(file: Path, stamp: tuple[int, int], shape: tuple[int, int]) -> Array:
    """The numbers of a file, of bare ones in this shape, kept for the next image of a series; not to be changed."""
    import numpy as np

    content = read_content(file, _LARGEST, "a map of a detector")
    if content.startswith(NPY_START):
        # An image has two axes, and maps of stages three.
        return parse_npy(content, file)
    return np.asarray(read_image(file, shape=shape).pixels, dtype=np.float64)
