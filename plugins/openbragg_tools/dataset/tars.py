"""A data set as archives that WebDataset streams: one for each shard, with a few files for each shot."""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from openbragg import InputError, write_file

if TYPE_CHECKING:
    from openbragg_tools.dataset.reading import Images

_FIRST_NAME = "image"


def write_tars(folder: Path, images: Images) -> int:
    """Write the archives, and return how many; equal data sets give equal bytes.

    Of each shot there are ``NUMBER.image.npy``, ``NUMBER.LABEL.npy`` and ``NUMBER.json`` with its rows of the tables.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    shards = images.shards()
    for number, places in enumerate(shards):
        write_file(folder / f"{number:05d}.tar", partial(_pack, images, places))
    return len(shards)


def _pack(images: Images, places: range, stream: BinaryIO) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for place in places:
            sample = images[place]
            stem = f"{int(sample['shot']['shot']):08d}"
            for name in (_FIRST_NAME, *images.arrays[1:]):
                content = io.BytesIO()
                np.save(content, sample[name].numpy(), allow_pickle=False)
                _add(archive, f"{stem}.{name}.npy", content.getvalue())
            told = {name: _plain(sample[name]) for name in ("shot", "lattices", "reflections")}
            _add(archive, f"{stem}.json", json.dumps(told).encode())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    # No time and no owner, by which equal archives would differ.
    described = tarfile.TarInfo(name)
    described.size = len(content)
    archive.addfile(described, io.BytesIO(content))


def _plain(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: _number(np.asarray(values).tolist()) for name, values in columns.items()}


def _number(value: Any) -> Any:
    """JSON has no number that is none."""
    if isinstance(value, list):
        return [_number(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
