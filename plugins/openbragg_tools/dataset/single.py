"""One shot alone, in files like those of a shard."""

from __future__ import annotations

from pathlib import Path

from openbragg import InputError, LinkingFormat
from openbragg_tools.dataset.hdf5 import packed, write_shard
from openbragg_tools.dataset.kept import TABLES
from openbragg_tools.dataset.masters import IMAGES, Recorded, write_masters
from openbragg_tools.dataset.shots import Shot
from openbragg_tools.dataset.tables import table_of_columns, table_of_rows, write_parquet


def write_single(folder: Path, shot: Shot, linking: LinkingFormat | None = None) -> list[Path]:
    """Write the arrays and the tables of a shot into a folder, with a file for other programs; return the files.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    stem = f"shot-{shot.number:08d}"
    files = [folder / f"{stem}.{end}" for end in ("h5", "shots.parquet", *(f"{name}.parquet" for name in TABLES))]
    write_shard(
        files[0], [shot.number], [{name: packed(array, stacked=shot.stacked) for name, array in shot.arrays.items()}]
    )
    write_parquet(files[1], table_of_rows([shot.row]))
    for name, file in zip(TABLES, files[2:], strict=True):
        write_parquet(file, table_of_columns([getattr(shot, name)]))
    if linking is not None and shot.setup is not None:
        counts = shot.arrays[IMAGES]
        recorded = Recorded(shot.number, shot.setup, counts.shape, counts.dtype.name)
        files += write_masters(linking, folder, files[0].name, [recorded])
    return files
