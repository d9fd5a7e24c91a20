"""Files with which other programs open a shard: its images as NXmx has them, without holding them twice.

A file has one detector, and images that the crystal does not turn on, or those of one sequence. So shots of a shard
that were recorded alike share a file, and others have files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import attrs

from openbragg import ImageSetup, LinkedImages, LinkingFormat, Series, write_file

if TYPE_CHECKING:
    from openbragg import Registry, Simulation

#: The format of these files, and the data set of a shard that they show.
_FORMAT, IMAGES = "nxmx", "counts"
#: How their names end.
SUFFIX = ".nxs"


def linking_format(registry: Registry) -> LinkingFormat | None:
    """The format, where its plugin is there."""
    for found in registry.of_role("image_formats"):
        if found.name == _FORMAT:
            made = found.cls()
            return made if isinstance(made, LinkingFormat) else None
    return None


def setup_of(format_: LinkingFormat, images: Sequence[Simulation], pixel_type: str) -> ImageSetup:
    """How the images of a shot were recorded."""
    layouts = [image.layout() for image in images]
    experiment = layouts[0].said()
    region = experiment.sampling.region
    assert region is not None  # resolved
    levels = getattr(images[0].noise, "levels", None)
    series = Series(
        content="counts",
        region=region,
        experiment=experiment,
        laboratory=layouts[0].laboratory,
        shape=experiment.detector.frame_shape(),
        scans=tuple(layout.experiment.scan for layout in layouts),
        spectra=tuple(layout.channels for layout in layouts),
        **({} if levels is None else {"levels": levels()}),
    )
    return format_.setup(series, pixel_type)


@attrs.frozen
class Recorded:
    """A shot in a shard: its number, how it was recorded, and the shape and type of its counts."""

    number: int
    setup: ImageSetup
    shape: tuple[int, ...]
    pixel_type: str


def write_masters(format_: LinkingFormat, folder: Path, shard: str, shots: Sequence[Recorded]) -> Iterator[Path]:
    """Write the files of a shard into a folder, and return them in their order.

    Parameters
    ----------
    format_
        Their format.
    folder, shard
        Where they go, and the name of the shard there will be beside them. The file of all its shots has its stem,
        others also the number of their first shot.
    shots
        All shots of the shard.

    Raises
    ------
    InputError
        When one cannot be written.
    """
    groups: dict[tuple[bytes, int], list[int]] = {}
    for place, shot in enumerate(shots):
        # What turns is a sequence, which ends with the shot.
        key = shot.setup.shared, -1 if shot.setup.still else place
        groups.setdefault(key, []).append(place)
    stem = Path(shard).stem
    for places in groups.values():
        own = "" if len(groups) == 1 else f"-{shots[places[0]].number:08d}"
        file = folder / f"{stem}{own}{SUFFIX}"
        links = [
            LinkedImages(
                file=shard,
                data=IMAGES,
                pixel_type=shots[places[0]].pixel_type,
                size=(count, *shots[places[0]].shape),
                start=(first, *(0 for _ in shots[places[0]].shape)),
                whole=(len(shots), *shots[places[0]].shape),
            )
            for first, count in _runs(places)
        ]
        write_file(file, partial(_write, format_, [shots[place].setup for place in places], links))
        yield file


def _write(
    format_: LinkingFormat, setups: Sequence[ImageSetup], links: Sequence[LinkedImages], stream: BinaryIO
) -> None:
    format_.write_links(stream, setups, links)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers that follow each other, as the first of them and how many there are."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and sum(runs[-1]) == place:
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((place, 1))
    return runs
