"""The folder of a data set: shots that are made, shards that are finished, and what is known of all.

dataset.json                  which recipe, seed and number of shots; how many shots a shard has
recipe.toml                   the recipe
shards/00000.h5               arrays of the first shots, a chunk for each image
shards/00000.shots.parquet    a row for each shot; likewise .lattices and .reflections
shards/00000.nxs              its images as NXmx; several files where the detector moves or the crystal turns
shards/00000.json             the shard is finished: its files with their SHA-256
unfinished/00000/00000017.npz a shot that is made, of a shard that is not finished
master.h5, manifest.json      when all are finished: the arrays of all shards as one; all files with their hashes
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from openbragg import InputError, LinkingFormat, parse_json, read_content, write_file
from openbragg.commands import json_layout, write_text
from openbragg_tools.dataset.files import alone, hashed, make_folder, move
from openbragg_tools.dataset.hdf5 import Packed, Part, write_master, write_shard
from openbragg_tools.dataset.kept import TABLES, pack, unpack
from openbragg_tools.dataset.masters import IMAGES, SUFFIX, Recorded, write_masters
from openbragg_tools.dataset.recipe import Recipe
from openbragg_tools.dataset.shots import Shot
from openbragg_tools.dataset.tables import table_of_columns, table_of_rows, write_parquet

#: How the names of a shard's files end.
_ENDS = ("h5", "shots.parquet", *(f"{name}.parquet" for name in TABLES))
#: What is being written has such a name; a run that is stopped leaves it.
_TEMPORARY = ".openbragg-*"
#: Bytes of a description.
_LARGEST = 1 << 20
_FORMAT = 1
_DESCRIPTION, _MANIFEST, _MASTER, _RECIPE = "dataset.json", "manifest.json", "master.h5", "recipe.toml"


@attrs.frozen
class Store:
    """The folder of a data set.

    Attributes
    ----------
    folder
        Where it is.
    shots, shard
        How many shots it has, and how many a shard.
    """

    folder: Path
    shots: int
    shard: int

    def begin(self, recipe: Recipe) -> None:
        """Make the folder, or see that it is of the same data set.

        Raises
        ------
        InputError
            When it belongs to another one, or cannot be made.
        """
        described = {
            "format": _FORMAT,
            "recipe": recipe.identity(),
            "seed": recipe.seed,
            "shots": self.shots,
            "shard": self.shard,
            "arrays": ["counts", *recipe.labels.arrays],
            "images": recipe.images,
            "nxmx": recipe.nxmx,
        }
        file = self.folder / _DESCRIPTION
        if file.exists():
            there = parse_json(read_content(file, _LARGEST, "a data set"), file, "a data set")
            for key, value in described.items():
                known = there.get(key) if isinstance(there, dict) else None
                if known != value:
                    what = "of another recipe" if key == "recipe" else f"with {key} {known}, not {value}"
                    raise InputError(f"{self.folder} is a data set {what}; name another folder")
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A run that was stopped here at once leaves the recipe alone, or a part of a file.
            strange = [one.name for one in self.folder.iterdir() if one.name != _RECIPE and not one.match(_TEMPORARY)]
        except OSError as error:
            raise InputError(f"cannot write {self.folder}: {error.strerror}") from None
        if strange:
            raise InputError(
                f"{self.folder} has other files, such as {min(strange)}; name a new folder, or an empty one"
            )
        write_text(self.folder / _RECIPE, recipe.text)
        write_text(file, json_layout(described) + "\n")

    def shards(self) -> range:
        """The numbers of all shards."""
        return range(-(-self.shots // self.shard))

    def numbers(self, shard: int) -> range:
        """The numbers of a shard's shots."""
        return range(shard * self.shard, min((shard + 1) * self.shard, self.shots))

    def is_finished(self, shard: int) -> bool:
        """Whether a shard's files are complete."""
        return self._note(shard).exists()

    def missing(self, shard: int) -> set[int]:
        """The numbers of the shots that an unfinished shard lacks.

        The folder is listed: a network's file system that was asked for a file that is not there would go on saying so
        for a while after another machine has written it.
        """
        numbers = self.numbers(shard)
        try:
            there = {file.name for file in self._made(numbers.start).parent.iterdir()}
        except FileNotFoundError:
            there = set()
        return {number for number in numbers if self._made(number).name not in there}

    def open_shard(self, shard: int) -> None:
        """Make the folder in which the shots of a shard are kept until it is finished.

        Raises
        ------
        InputError
            When it cannot be made.
        """
        make_folder(self._made(self.numbers(shard).start).parent)

    def put(self, shot: Shot) -> None:
        """Keep a shot until its shard is finished.

        Raises
        ------
        InputError
            When it cannot be written, or its shard was not opened or is finished.
        """
        write_file(self._made(shot.number), partial(pack, shot))

    def finish(self, shard: int, linking: LinkingFormat | None = None) -> None:
        """Write a shard, all of whose shots are made, and files that show it to other programs.

        Parameters
        ----------
        shard
            Its number.
        linking
            The format of those files; none are written without one, or for shots of which nothing is told for them.

        Raises
        ------
        InputError
            When a file cannot be read or written; the same shots then serve the next try.
        """
        numbers = self.numbers(shard)
        make_folder(self._place(shard, "h5").parent)
        tables: list[dict[str, Any]] = []
        rows: list[dict[str, Any]] = []
        recorded: list[Recorded] = []

        def arrays() -> Iterator[dict[str, Packed]]:
            for number in numbers:
                kept = unpack(self._made(number))
                rows.append(kept.row)
                tables.append(kept.tables)
                if kept.setup is not None:
                    counts = kept.arrays[IMAGES]
                    recorded.append(Recorded(number, kept.setup, counts.shape, counts.dtype))
                yield kept.arrays

        # Made where the shots are: what a run that is stopped leaves of them goes with that folder.
        beside = self._made(numbers.start).parent
        files = {file: beside / file.name for file in self._files(shard)}
        made = dict(zip(_ENDS, files.values(), strict=True))
        write_shard(made["h5"], numbers, arrays())
        write_parquet(made["shots.parquet"], table_of_rows(rows))
        for name in TABLES:
            write_parquet(made[f"{name}.parquet"], table_of_columns([table[name] for table in tables]))
        if linking is not None and len(recorded) == len(numbers):
            masters = write_masters(linking, beside, self._place(shard, "h5").name, recorded)
            files.update({self._place(shard, "h5").parent / file.name: file for file in masters})
        note = {
            "shots": [numbers.start, numbers.stop],
            "files": {file.name: hashed(file) for file in files.values()},
        }
        files[self._note(shard)] = beside / self._note(shard).name
        write_text(files[self._note(shard)], json_layout(note) + "\n")
        for file, temporary in files.items():
            move(temporary, file)
        shutil.rmtree(beside, ignore_errors=True)

    def close(self) -> bool:
        """Write the master and the manifest, when all shards are finished; whether they are."""
        if not all(map(self.is_finished, self.shards())):
            return False
        parts = [Part(f"shards/{shard:05d}.h5", len(self.numbers(shard))) for shard in self.shards()]
        files = {f"shards/{name}": value for shard in self.shards() for name, value in self.note(shard).items()}
        with alone(self.folder / _DESCRIPTION) as certain:
            write_master(self.folder / _MASTER, parts)
            write_text(self.folder / _MANIFEST, json_layout({"shots": self.shots, "files": files}) + "\n")
            for left in self.folder.glob(_TEMPORARY) if certain else ():
                left.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "unfinished", ignore_errors=True)
        return True

    def note(self, shard: int) -> dict[str, str]:
        """The files of a finished shard with their hashes.

        Raises
        ------
        InputError
            When what says so is spoiled.
        """
        file = self._note(shard)
        told = parse_json(read_content(file, _LARGEST, "a shard"), file, "a shard")
        files = told.get("files") if isinstance(told, dict) else None
        expected = {one.name for one in self._files(shard)}
        if not isinstance(files, dict) or {name for name in files if not name.endswith(SUFFIX)} != expected:
            raise InputError(f"{file}: expected the files of a shard with their hashes")
        return files

    def faults(self) -> Iterator[str]:
        """What is wrong with the data set, a line each: shards that are missing, files that are not what they were."""
        for shard in self.shards():
            if not self.is_finished(shard):
                count = len(self.numbers(shard))
                made = count - len(self.missing(shard))
                yield f"shard {shard} is not finished: {made} of {count} shots are made"
                continue
            for name, value in self.note(shard).items():
                file = self.folder / "shards" / name
                if not file.exists():
                    yield f"{file} is missing"
                elif hashed(file) != value:
                    yield f"{file} is not what was written"
        if not (self.folder / _MASTER).exists() and all(map(self.is_finished, self.shards())):
            yield f"{self.folder / _MASTER} is missing"

    def _files(self, shard: int) -> list[Path]:
        return [self._place(shard, end) for end in _ENDS]

    def _place(self, shard: int, end: str) -> Path:
        return self.folder / "shards" / f"{shard:05d}.{end}"

    def _note(self, shard: int) -> Path:
        return self._place(shard, "json")

    def _made(self, number: int) -> Path:
        return self.folder / "unfinished" / f"{number // self.shard:05d}" / f"{number:08d}.npz"


def opened(folder: Path) -> Store:
    """The data set in a folder.

    Raises
    ------
    InputError
        When there is none.
    """
    file = folder / _DESCRIPTION
    told = parse_json(read_content(file, _LARGEST, "a data set"), file, "a data set")
    numbers = [told.get(key) for key in ("shots", "shard")] if isinstance(told, dict) else [None]
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        raise InputError(f"{file}: expected shots and shard, whole numbers above 0")
    return Store(folder, *numbers)
