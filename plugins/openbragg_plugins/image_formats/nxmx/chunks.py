"""Images as chunks of an HDF5 data set: compressed once, put into files without being touched again."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from openbragg import PluginError

if TYPE_CHECKING:
    import numpy as np

#: Compressions by the names that a user gives them.
COMPRESSIONS = ("bslz4", "gzip", "none")
#: Of gzip: fast, and nearly as small as the slower ones.
_GZIP_LEVEL = 4
#: Before the bytes of a chunk: which filters were left out, a bit each.
_FILTERS = struct.Struct("<I")


def require_libraries(compression: str) -> None:
    """Refuse what cannot be written here, without loading a library.

    Raises
    ------
    PluginError
        When a library is not installed, with what to install.
    """
    install = "pip install 'openbragg[hdf5]'"
    if find_spec("h5py") is None:
        raise PluginError(f"nxmx: h5py is not installed, which writes HDF5: {install}")
    if compression == "bslz4" and find_spec("hdf5plugin") is None:
        raise PluginError(f"nxmx: hdf5plugin is not installed, which compresses: {install}, or -nxmx_compression gzip")


def h5py_module() -> ModuleType:
    """The library that writes HDF5."""
    import h5py

    module: ModuleType = h5py
    return module


def filters(compression: str) -> dict[str, Any]:
    """Arguments with which h5py makes a data set of a compression."""
    if compression == "gzip":
        return {"compression": "gzip", "compression_opts": _GZIP_LEVEL, "shuffle": True}
    if compression == "none":
        return {}
    return _bitshuffle()


def packed(pixels: np.ndarray[Any, Any], compression: str) -> bytes:
    """An image (slow, fast) as the chunk that a data set of images has of it."""
    h5py = h5py_module()
    # A file that is nowhere but in memory; the compressor of HDF5 works on files only.
    with h5py.File("chunk", "w", driver="core", backing_store=False, track_order=False) as file:
        data = create_images(file, "data", 1, pixels.shape, pixels.dtype, compression)
        data[0] = pixels
        data.flush()
        left_out, chunk = data.id.read_direct_chunk((0, 0, 0))
    return _FILTERS.pack(left_out) + bytes(chunk)


def create_images(
    group: Any, name: str, images: int, shape: tuple[int, ...], dtype: np.dtype[Any], compression: str
) -> Any:
    """An empty data set (image, slow, fast) with a chunk for each image."""
    return group.create_dataset(name, (images, *shape), dtype, chunks=(1, *shape), **filters(compression))


def put(data: Any, chunks: Iterable[bytes], first: int = 0) -> None:
    """Put images that `packed` made into a data set, in their order, from one of its places on."""
    for number, chunk in enumerate(chunks, first):
        (left_out,) = _FILTERS.unpack_from(chunk)
        data.id.write_direct_chunk((number, 0, 0), chunk[_FILTERS.size :], left_out)


@cache
def _bitshuffle() -> dict[str, Any]:
    import hdf5plugin

    # Where HDF5_PLUGIN_PATH leads to the same filter, HDF5 has loaded it by itself, and without what it needs of h5py.
    hdf5plugin.register("bshuf", force=True)
    how = dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4"))
    # The first data set with this filter that a process makes gets what is left in memory into a gap of its header;
    # it is one that nobody sees, so that equal images are equal files. No other file may be open meanwhile.
    with h5py_module().File("first", "w", driver="core", backing_store=False) as file:
        file.create_dataset("data", (1, 1, 1), "uint8", chunks=(1, 1, 1), **how)
    return how
