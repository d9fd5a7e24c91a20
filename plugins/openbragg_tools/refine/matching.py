"""Which image is of which experiment of a list: by the names of files, and by their order where names say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from openbragg import Geometry, InputError, UsageError, shown
from openbragg_tools.refine.stills import Still, stills_of

#: So many names are told in a line.
_TOLD = 3


@attrs.frozen(eq=False)
class Matched:
    """Images with their experiments.

    Attributes
    ----------
    stills
        The images.
    experiments
        Of each the number of its experiment.
    lines
        What the user should know.
    """

    stills: tuple[Still, ...]
    experiments: tuple[int, ...]
    lines: tuple[str, ...] = ()


def named_images(experiments: Sequence[Geometry]) -> list[Path]:
    """The files that experiments name as their images and that are there, each once.

    Raises
    ------
    UsageError
        When they name none.
    InputError
        When none is there, or one is not in the list's own folder or below: a list from elsewhere should not choose
        what is read.
    """
    named = list(dict.fromkeys(_path(each) for each in experiments if each.still))
    if not named:
        raise UsageError(f"expected an image to refine against, or several: {experiments[0].source} names none")
    source = Path(experiments[0].source)
    for path in named:
        if not path.resolve().is_relative_to(source.parent.resolve()):
            raise InputError(
                f"{source}: its image {shown(str(path))} is not in its folder: name the images, which are then matched "
                "by their names"
            )
    there = [path for path in named if path.is_file()]
    if not there:
        raise InputError(f"{source}: its image {shown(str(named[0]))} is not there: name the images")
    return there


def matched(images: Sequence[Path], experiments: Sequence[Geometry], shape: tuple[int, int]) -> Matched:
    """Match images with experiments, of which there are several.

    Parameters
    ----------
    images
        Files.
    experiments
        All of a list.
    shape
        Pixels (slow, fast) of raw images.

    Raises
    ------
    OpenBraggError
        When a file cannot be read, or names say nothing and there are not as many images as experiments.
    """
    names = [(_path(each), each.still_place or 0) if each.still else None for each in experiments]
    # A file that is named without the number of an image has one, and is not opened now.
    apart = {path.name for each, (path, _) in _said(experiments, names) if each.still_place is None}
    known = {path.name for _, (path, _) in _said(experiments, names)}
    if not known & {path.name for path in images}:
        return _by_order(images, experiments, shape)
    stills = [still for path in images for still in stills_of([path], shape, single=path.name in apart)]
    by_name: dict[tuple[str, int], list[int]] = {}
    for number, still in enumerate(stills):
        assert still.path is not None
        by_name.setdefault((still.path.name, still.place or 0), []).append(number)
    found: dict[int, int] = {}
    second = []
    for experiment, name in enumerate(names):
        candidates = by_name.get((name[0].name, name[1]), []) if name else []
        left = [number for number in candidates if number not in found.values()]
        if left:
            assert name is not None
            found[experiment] = max(left, key=lambda number: _alike(stills[number].path, name[0]))
        elif candidates:
            second.append(experiment)
    if not found:
        return _by_order(images, experiments, shape)
    unnamed = [still.source for number, still in enumerate(stills) if number not in found.values()]
    without = [number for number in range(len(names)) if number not in found and number not in second]
    parts = []
    if unnamed:
        parts.append(f"{_some(unnamed)}, which {experiments[0].source} does not name")
    if without:
        parts.append(f"the crystals of experiments {_some(without)}, whose images are not given")
    if second:
        parts.append(f"the crystals of experiments {_some(second)}, whose images have another crystal, too")
    lines = []
    if parts:
        lines.append(
            f"{len(found)} images are matched with crystals by their file names; left out are {'; '.join(parts)}"
        )
    return Matched(tuple(stills[number] for number in found.values()), tuple(found), tuple(lines))


def _by_order(images: Sequence[Path], experiments: Sequence[Geometry], shape: tuple[int, int]) -> Matched:
    """As many images as experiments, in their order; of one image the first."""
    stills = stills_of(images, shape, single=len(images) == len(experiments))
    named = [Path(each.still).name for each in experiments if each.still]
    if len(stills) == 1:
        line = f"{experiments[0].source} has {len(experiments)} experiments; number 0 is taken"
        return Matched(tuple(stills), (0,), (line,))
    if len(stills) != len(experiments):
        names = f", whose images are called otherwise: {_some(named)}" if named else ""
        raise UsageError(
            f"{len(stills)} images and {len(experiments)} crystals: give as many of each, or one crystal{names}"
        )
    line = f"images and crystals are matched by their order: {experiments[0].source} has other names: {_some(named)}"
    return Matched(tuple(stills), tuple(range(len(stills))), (line,) if named else ())


def _said(
    experiments: Sequence[Geometry], names: Sequence[tuple[Path, int] | None]
) -> list[tuple[Geometry, tuple[Path, int]]]:
    return [(each, name) for each, name in zip(experiments, names, strict=True) if name is not None]


def _path(experiment: Geometry) -> Path:
    """The file of an experiment's image."""
    return Path(experiment.source).parent / experiment.still


def _alike(one: Path | None, other: Path) -> int:
    """How many parts at the ends of two paths are the same."""
    assert one is not None
    parts = (path.absolute().parts[::-1] for path in (one, other))
    return next((place for place, (a, b) in enumerate(zip(*parts, strict=False)) if a != b), 1 << 16)


def _some(names: Sequence[object]) -> str:
    """Some of the names, and how many more there are."""
    told = ", ".join(shown(str(name)) for name in names[:_TOLD])
    return told if len(names) <= _TOLD else f"{told} and {len(names) - _TOLD} more"
