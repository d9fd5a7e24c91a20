"""A data set as a Zarr store: its arrays, a chunk for each image, and its tables beside them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openbragg import InputError, UsageError

if TYPE_CHECKING:
    from openbragg_tools.dataset.reading import Images

#: Tables of the data set, which become groups of columns.
_TABLES = ("shots", "lattices", "reflections")


def write_zarr(folder: Path, images: Images) -> int:
    """Write the store, and return the number of shots.

    Arrays are ``counts`` and the per-pixel labels, (shots, slow, fast), compressed by bitshuffle and LZ4; columns of
    the tables are ``shots/kind``, ``reflections/photons`` and so on.

    Raises
    ------
    UsageError
        When the library is not there.
    InputError
        When there is something of that name, or it cannot be written; there is no half a store then.
    """
    try:
        import zarr
    except ImportError:
        raise UsageError("a Zarr store needs zarr: pip install 'openbragg[zarr]'") from None
    if folder.exists():
        raise InputError(f"{folder} is there already; name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".openbragg-", dir=folder.parent))
        try:
            _fill(zarr, zarr.open_group(temporary, mode="w"), images)
            temporary.chmod(0o755)
            temporary.replace(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from None
    return len(images)


def _fill(zarr: Any, store: Any, images: Images) -> None:
    packing = zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")
    for name in images.arrays:
        first = images.array(name, 0)
        shape = (len(images), *first.shape)
        array = store.create_array(
            name, shape=shape, dtype=first.dtype, chunks=(1, *first.shape), compressors=packing, fill_value=None
        )
        for place in range(len(images)):
            array[place] = images.array(name, place)
    for table in _TABLES:
        group = store.create_group(table)
        for name, column in images.table(table).items():
            values = column
            if column.dtype == object:
                # A word that is missing is empty.
                values = np.array(["" if word is None else str(word) for word in column], dtype=np.dtypes.StringDType())
            group.create_array(name, data=values)
