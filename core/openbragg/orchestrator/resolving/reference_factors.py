"""Structure factors as the reference program would have them: where its quirks reach into the plugin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs

from openbragg.model import Experiment
from openbragg.model.scalars import plain
from openbragg.orchestrator.reading.textfile import has_comments
from openbragg.orchestrator.resolving.quirks import COMMENTS, notice
from openbragg.roles import InterpolatingStructureFactors

#: Where the reference keeps the table of the run before, in the working folder.
_CACHE = Path("Fdump.bin")
#: Crystals of at most this many cells along an axis are interpolated unless told otherwise.
_FEW_CELLS = 2


def reference_interpolates(factors: Any, asked: Experiment) -> bool | None:
    """Whether the reference would begin to interpolate, where it decides by itself; else None.

    It decides by -N, before a size of the crystal replaces it. This concerns plugins with an option `interpolate`.
    """
    open_choice = _has(factors, "interpolate") and factors.interpolate is None
    if not (open_choice and isinstance(factors, InterpolatingStructureFactors)):
        return None
    return min(map(plain, asked.crystal.cells)) <= _FEW_CELLS


def with_cache(factors: Any, quirks: frozenset[str], notices: list[str]) -> Any:
    """A structure-factor plugin with the reference's habit of keeping its table in the working folder, or a notice.

    This concerns plugins that have an option `dump` which was left open. One of which not every table can be kept has a
    method `keeps`, which tells.
    """
    if not _has(factors, "file", "dump") or factors.dump is not None:
        return factors
    keeps: Any = getattr(factors, "keeps", None)
    if factors.file is not None and keeps is not None and not keeps():
        return factors
    reads = factors.file is None and _CACHE.is_file()
    if "fdump-cache" not in quirks:
        if reads:
            notices.append(notice("fdump-cache", "there is one"))
        return factors
    if factors.file is not None and not os.access(Path.cwd(), os.W_OK):
        notices.append(f"{_CACHE} is not written: this folder is closed")
        return factors
    return attrs.evolve(factors, dump=_CACHE) if reads or factors.file is not None else factors


def with_comments(factors: Any, quirks: frozenset[str], notices: list[str]) -> Any:
    """A structure-factor plugin that refuses comments in its table as the reference does, or a notice.

    This concerns plugins that have an option `comments`.
    """
    if not _has(factors, "file", "comments") or factors.file is None:
        return factors
    if COMMENTS in quirks:
        return attrs.evolve(factors, comments=False)
    if has_comments(factors.file):
        notices.append(notice(COMMENTS, str(factors.file)))
    return factors


def kept_table(factors: Any) -> Path | None:
    """The file in which a plugin keeps its table: one that the run writes and does not read; None where there is none.

    This concerns plugins that have options `file` and `dump`.
    """
    written = _has(factors, "file", "dump") and factors.file is not None and factors.dump is not None
    return Path(factors.dump) if written else None


def _has(plugin: Any, *names: str) -> bool:
    return attrs.has(type(plugin)) and {field.name for field in attrs.fields(type(plugin))} >= set(names)
