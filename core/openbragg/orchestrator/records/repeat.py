"""A repeated run beside the one it repeats: what may make, and what did make, a difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from openbragg.orchestrator.outputs.files import short
from openbragg.orchestrator.records.machine import Machine
from openbragg.orchestrator.records.record import OutputFile, Record


def differences(file: Path, then: Record, now: Record, *, alike: bool) -> list[str]:
    """Lines that say what is other than in a record.

    Parameters
    ----------
    file, then
        The record, and where it was read from.
    now
        The record of the repeat.
    alike
        Whether the two were asked to be the same, but for the names of their files.
    """
    said = [*_versions(file, then, now), *_machines(file, then.machine, now.machine)]
    if alike:
        said += [*_experiments(file, then, now), *_outputs(file, then, now)]
    return said


def _versions(file: Path, then: Record, now: Record) -> Iterator[str]:
    """The program, and each plugin that takes part in both runs."""
    if then.openbragg != now.openbragg:
        yield f"the run of {file} was made with openbragg {then.openbragg}, this is {now.openbragg}"
    installed = {(plugin.role, plugin.name): (plugin.distribution, plugin.version) for plugin in now.plugins}
    # A distribution with several plugins is one line.
    said = {("openbragg", then.openbragg)}
    for plugin in then.plugins:
        before = (plugin.distribution, plugin.version)
        after = installed.get((plugin.role, plugin.name), before)
        if before != after and before not in said:
            said.add(before)
            yield f"the run of {file} had {plugin.name} of {' '.join(before)}, this has that of {' '.join(after)}"


def _machines(file: Path, then: Machine, now: Machine) -> Iterator[str]:
    changed = [
        f"{field.name} {getattr(then, field.name)}, here {getattr(now, field.name)}"
        for field in attrs.fields(Machine)
        if getattr(then, field.name) != getattr(now, field.name)
    ]
    if changed:
        yield f"the last bits may differ from the run of {file}, made on another machine ({'; '.join(changed)})"


def _experiments(file: Path, then: Record, now: Record) -> Iterator[str]:
    place = _first_difference(then.experiment, now.experiment, "experiment")
    if place:
        yield f"the arguments in {file} do not give its experiment: {place} is other"


def _first_difference(one: Any, other: Any, place: str) -> str:
    """The place of the first difference; a key that one version of the program does not have is none."""
    if isinstance(one, dict) and isinstance(other, dict):
        places = (_first_difference(one[key], other[key], f"{place}.{key}") for key in one if key in other)
        return next(filter(None, places), "")
    return "" if one == other and type(one) is type(other) else place


def _outputs(file: Path, then: Record, now: Record) -> Iterator[str]:
    written = dict(_keyed(then.outputs))
    for key, output in _keyed(now.outputs):
        before = written.get(key)
        if before is not None and None not in (before.sha256, output.sha256) and before.sha256 != output.sha256:
            hashes = f"SHA-256 {short(output.sha256)} here, {short(before.sha256)} there"
            yield f"{output.path} is not what the run of {file} wrote to {before.path}: {hashes}"


def _keyed(outputs: Iterable[OutputFile]) -> Iterator[tuple[tuple[str | None, str | None, str, int], OutputFile]]:
    """Outputs by what asked for them; of a series, many have one flag."""
    counts: dict[tuple[str | None, str | None, str], int] = {}
    for output in outputs:
        key = (output.flag, output.format, output.content)
        counts[key] = counts.get(key, 0) + 1
        yield (*key, counts[key]), output
