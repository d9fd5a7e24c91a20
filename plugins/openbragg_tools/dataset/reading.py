"""Reading data sets, which Python calls ``openbragg.datasets``: for training with torch, and as NumPy arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from openbragg import InputError, UsageError
from openbragg_tools.dataset.hdf5 import libraries

__all__ = ["Images", "Sample", "Stream", "open"]

Array = np.ndarray[Any, np.dtype[Any]]
#: One shot: ``image`` with its counts, per-pixel labels by their names, ``shot``, ``lattices`` and ``reflections``.
Sample = dict[str, Any]
_TABLES = ("lattices", "reflections")
_IMAGE = "counts"


def open(folder: Path | str, transform: Callable[[Sample], Any] | None = None) -> Images:  # noqa: A001
    """Open the data set in a folder; shards that are finished are there, others are passed over.

    Parameters
    ----------
    folder
        What ``openbragg dataset`` was told to write to.
    transform
        Called with each sample, in the worker that reads it; what it returns is handed on.

    Raises
    ------
    InputError
        When there is no data set, or none of its shards is finished.
    UsageError
        When a library is not there that reads it.
    """
    return Images(Path(folder), transform)


class Images(Dataset[Any]):
    """The shots of a data set by their places: a map-style data set of torch.

    A sample is a dictionary: ``image``, the counts, (slow, fast) of int32, or (images, slow, fast) where a shot has
    several, `images` of them; each per-pixel label under its name, likewise; ``shot``, the row of the table of shots;
    ``lattices`` and ``reflections``, columns of those tables with this shot's rows. Arrays of pixels are tensors,
    columns are NumPy arrays. Files are opened by the process that reads them.
    """

    def __init__(self, folder: Path, transform: Callable[[Sample], Any] | None = None) -> None:
        self.folder, self.transform = folder, transform
        described = _json(folder / "dataset.json", "no data set")
        self.shots, self.arrays = int(described["shots"]), tuple(described["arrays"])
        self.images: int | None = described.get("images")
        self._shards: list[_Shard] = []
        shard = int(described["shard"])
        for number in range(-(-self.shots // shard)):
            stem = folder / "shards" / f"{number:05d}"
            if stem.with_suffix(".json").exists():
                first = number * shard
                self._shards.append(_Shard(stem, first, min(first + shard, self.shots) - first, self.arrays))
        if not self._shards:
            raise InputError(f"{folder}: no shard is finished")
        self._ends = np.cumsum([shard.count for shard in self._shards])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, place: int) -> Any:
        """The sample of a shot, by its place among those that are there."""
        count = len(self)
        if not -count <= place < count:
            raise IndexError(f"shot {place} of {count}")
        shard, inside = self._find(place % count)
        sample = shard.sample(inside)
        for name in ("image", *self.arrays[1:]):
            sample[name] = torch.from_numpy(sample[name])
        return sample if self.transform is None else self.transform(sample)

    def array(self, name: str, place: int) -> Array:
        """The counts, or one per-pixel label, of a shot: (slow, fast), or (images, slow, fast) where it has several."""
        shard, inside = self._find(place % len(self))
        return shard.array(name, inside)

    def table(self, name: str) -> dict[str, Array]:
        """All rows of a table: ``shots``, ``lattices`` or ``reflections``, columns by name.

        Raises
        ------
        UsageError
            When there is no such table.
        """
        if name not in ("shots", *_TABLES):
            raise UsageError(f"expected shots, {' or '.join(_TABLES)}, got {name!r}")
        parts = [shard.table(name) for shard in self._shards]
        return {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}

    def stream(self, *, shuffle: bool = False, seed: int = 0, rank: int = 0, world_size: int = 1) -> Stream:
        """The samples one after the other, each worker of a ``DataLoader`` and each process with shards of its own.

        Parameters
        ----------
        shuffle
            Mix shards, and the shots within each; otherwise they come in order.
        seed
            Of that, with the epoch, see `Stream.set_epoch`.
        rank, world_size
            Which of how many training processes this is.

        Raises
        ------
        UsageError
            When there is no such process.
        """
        return Stream(self, shuffle, seed, rank, world_size)

    def shards(self) -> list[range]:
        """The places of the shots of each shard."""
        return [range(int(end) - shard.count, int(end)) for end, shard in zip(self._ends, self._shards, strict=True)]

    def _find(self, place: int) -> tuple[_Shard, int]:
        number = int(np.searchsorted(self._ends, place, side="right"))
        return self._shards[number], place - int(self._ends[number]) + self._shards[number].count


class Stream(IterableDataset[Any]):
    """The samples of a data set in turn; see `Images.stream`."""

    def __init__(self, images: Images, shuffle: bool, seed: int, rank: int, world_size: int) -> None:
        if not 0 <= rank < world_size:
            raise UsageError(f"rank: expected a whole number from 0 and below {world_size}, got {rank}")
        self._images, self._shuffle, self._seed = images, shuffle, seed
        self._rank, self._world_size, self._epoch = rank, world_size, 0

    def set_epoch(self, epoch: int) -> Self:
        """Mix otherwise from now on, in all processes alike."""
        self._epoch = epoch
        return self

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        random = np.random.default_rng([self._seed, self._epoch])
        shards = self._images.shards()
        order = random.permutation(len(shards)) if self._shuffle else np.arange(len(shards))
        for number in order[self._rank * workers + worker :: self._world_size * workers]:
            places = np.array(shards[number])
            if self._shuffle:
                np.random.default_rng([self._seed, self._epoch, int(number)]).shuffle(places)
            for place in places:
                yield self._images[int(place)]


class _Shard:
    """A finished shard: its files, opened when they are first read, in each process anew."""

    def __init__(self, stem: Path, first: int, count: int, arrays: tuple[str, ...]) -> None:
        self.stem, self.first, self.count, self.arrays = stem, first, count, arrays
        self._process = -1
        self._file: Mapping[str, Any] | None = None
        self._tables: dict[str, dict[str, Array]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_process": -1, "_file": None, "_tables": {}}

    def array(self, name: str, place: int) -> Array:
        """An array of one shot."""
        array: Array = self._opened()[name][place]
        return array

    def sample(self, place: int) -> Sample:
        """All of one shot."""
        number = self.first + place
        sample: Sample = {"image": self.array(_IMAGE, place)}
        sample.update({name: self.array(name, place) for name in self.arrays[1:]})
        sample["shot"] = {name: column[place] for name, column in self.table("shots").items()}
        for table in _TABLES:
            columns = self.table(table)
            start, end = np.searchsorted(columns["shot"], [number, number + 1])
            sample[table] = {name: column[start:end] for name, column in columns.items()}
        return sample

    def table(self, name: str) -> dict[str, Array]:
        """The columns of a table."""
        if name not in self._tables:
            try:
                import pyarrow
                import pyarrow.parquet
            except ImportError:
                raise UsageError("reading a data set needs pyarrow: pip install 'openbragg[datasets]'") from None
            file = self.stem.with_suffix(f".{name}.parquet")
            try:
                read = pyarrow.parquet.read_table(file)
            except (OSError, pyarrow.ArrowException) as error:
                raise InputError(f"cannot read {file}: {str(error).splitlines()[0]}") from None
            self._tables[name] = {
                # A copy, for torch warns of arrays that cannot be written to.
                column: np.array(read[column].to_numpy(zero_copy_only=False))
                for column in read.column_names
            }
        return self._tables[name]

    def _opened(self) -> Mapping[str, Any]:
        if self._file is None or self._process != os.getpid():
            h5py, _ = libraries()
            file = self.stem.with_suffix(".h5")
            try:
                opened = h5py.File(file, "r")
            except OSError as error:
                raise InputError(f"cannot read {file}: {str(error).splitlines()[0]}") from None
            # A data set is found by its name once.
            self._file = {name: opened[name] for name in self.arrays}
            self._process = os.getpid()
        return self._file


def _json(file: Path, what: str) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file.parent}: {what}: {error}") from None
    if not isinstance(told, dict) or not {"shots", "shard", "arrays"} <= told.keys():
        raise InputError(f"{file}: {what}")
    return told
