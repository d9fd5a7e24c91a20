"""The files of a series: whole images only, and a list of them with which the series goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import attrs

from openbragg.errors import InputError, UsageError, shown
from openbragg.orchestrator.outputs.files import fingerprint
from openbragg.orchestrator.outputs.outputs import Output, is_special, make_folder, place_of, write_file
from openbragg.orchestrator.series import numbering
from openbragg.orchestrator.series.ledger import Ledger, Made, read_ledger
from openbragg.roles import Image, Series, SeriesFormat


@attrs.frozen(eq=False)
class SeriesOutput:
    """One output of a series: a file for each image, or all in one.

    Attributes
    ----------
    output
        The name that was given, its format and its content.
    images
        Number of images in the series.
    """

    output: Output
    images: int

    def __attrs_post_init__(self) -> None:
        try:
            special = is_special(self.output.path)
        except OSError as error:  # a name that is too long
            raise InputError(f"cannot write {shown(str(self.output.path))}: {error.strerror or error}") from None
        if special:
            raise UsageError(f"{shown(str(self.output.path))}: expected the name of a file, for a series of images")
        if not self.together:
            numbering.template(self.output.path)

    @property
    def together(self) -> bool:
        """Whether the whole series goes into one file, or a few; a name with # asks for a file each."""
        return isinstance(self.output.format, SeriesFormat) and "#" not in self.output.path.name

    @property
    def ledger_path(self) -> Path:
        """The list of the images that are done."""
        path = self.output.path
        return numbering.whole_ledger_of(path) if self.together else numbering.ledger_of(path)

    def image_path(self, number: int) -> Path:
        """Where an image goes, or what a file of all needs of it."""
        path = self.output.path
        return numbering.part(path, number) if self.together else numbering.numbered(path, number)

    def paths(self) -> Iterator[Path]:
        """The files that are there in the end."""
        if self.together:
            yield from self.output.format.series_files(self.output.path, self.images)
        else:
            yield from (self.image_path(number) for number in range(1, self.images + 1))

    def outputs(self) -> list[Output]:
        """The same, as outputs."""
        return [attrs.evolve(self.output, path=path) for path in self.paths()]

    def checked(self) -> list[Output]:
        """Those of them that tell whether all can be written, and the list."""
        some = self.paths() if self.together else {self.image_path(1), self.image_path(self.images)}
        return [attrs.evolve(self.output, path=path) for path in (*some, self.ledger_path)]


class SeriesFiles:
    """An output of a series and what is done of it.

    Parameters
    ----------
    output
        The output.
    made
        How its images are made.
    restart
        Whether to begin anew, whatever is there.
    notices
        Gets a line for each image that is not what was written.

    Raises
    ------
    InputError
        When there are files that something else has made, and `restart` is False.
    """

    def __init__(self, output: SeriesOutput, made: Made, *, restart: bool, notices: list[str]) -> None:
        self.output = output
        self._ledger = Ledger(output.ledger_path, made)
        found = None if restart else _found(output)
        if found is not None:
            different = found.made.differences(made)
            if different:
                raise InputError(
                    f"{output.ledger_path}: the images there were made with other settings ({', '.join(different)}); "
                    "-restart to overwrite them"
                )
            self._ledger.files = self._still_whole(found, notices)
            self._ledger.done = {} if self._ledger.files else dict(self._unchanged(found, notices))

    @property
    def made(self) -> Made:
        """How the images are made."""
        return self._ledger.made

    def missing(self) -> list[int]:
        """Numbers of the images that are yet to be rendered."""
        if self._ledger.files:
            return []
        return [number for number in range(1, self.output.images + 1) if number not in self._ledger.done]

    def is_whole(self) -> bool:
        """Whether there is nothing more to do."""
        return bool(self._ledger.files) or (not self.output.together and not self.missing())

    def begin(self) -> None:
        """Put down how the images are made, before the first is written."""
        if self.output.together and not self._ledger.files:
            make_folder(numbering.parts_of(self.output.output.path))
        self._ledger.begin()

    def write(self, number: int, image: Image) -> None:
        """Write an image."""
        if number in self._ledger.done or self._ledger.files:
            return
        path, format_ = self.output.image_path(number), self.output.output.format
        write_file(path, partial(format_.write_part if self.output.together else format_.write, image=image))
        self._ledger.add(number, _sha256(place_of(path)))

    def finish(self, series: Series) -> None:
        """Write the files in which the whole series is, once all images are there, and take the parts away."""
        if not self.output.together:
            return
        path, format_ = self.output.output.path, self.output.output.format
        if not self._ledger.files:
            parts = [self.output.image_path(number) for number in range(1, self.output.images + 1)]
            for file in self.output.paths():
                write_file(file, partial(format_.write_series, file=file, path=path, series=series, parts=parts))
            self._ledger.add_files({file.name: _sha256(place_of(file)) for file in self.output.paths()})
        shutil.rmtree(numbering.parts_of(path), ignore_errors=True)

    def _still_whole(self, found: Ledger, notices: list[str]) -> dict[str, str]:
        """The files of the whole series, when they are all that were written."""
        if not found.files:
            return {}
        paths = list(self.output.paths())
        if [path.name for path in paths] != list(found.files):
            raise InputError(
                f"{self.output.output.path}: the series there has not {self.output.images} images; -restart"
            )
        same = all(path.is_file() and _sha256(path) == found.files[path.name] for path in paths)
        return found.files if same else {}

    def _unchanged(self, found: Ledger, notices: list[str]) -> Iterator[tuple[int, str]]:
        """Images that are still what was written."""
        for number, sha256 in found.done.items():
            path = self.output.image_path(number)
            if not path.is_file():
                continue
            if _sha256(path) == sha256:
                yield number, sha256
            elif number <= self.output.images:
                notices.append(f"{path} has changed since it was written: it is rendered again")


def seeds_there(outputs: Iterable[SeriesOutput]) -> tuple[int | None, int | None]:
    """The seeds of noise and of misset that the clock chose for a series that is to go on; None where it did not."""
    noise = misset = None
    for output in outputs:
        found = _found(output)
        if found is not None:
            noise = found.made.noise_seed if noise is None else noise
            misset = found.made.misset_seed if misset is None else misset
    return noise, misset


def _found(output: SeriesOutput) -> Ledger | None:
    """The list of what is there; None where nothing is.

    Raises
    ------
    InputError
        When there are files but no list.
    """
    if output.ledger_path.exists():
        return read_ledger(output.ledger_path)
    there = next((path for path in output.paths() if path.exists()), None)
    if there is not None:
        raise InputError(
            f"{there} is there, but not {output.ledger_path.name}, which says how it was made; -restart to overwrite it"
        )
    return None


def _sha256(path: Path) -> str:
    return fingerprint(path)[0] or ""
