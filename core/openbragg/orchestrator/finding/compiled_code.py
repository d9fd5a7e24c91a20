"""The compiled code that is kept between runs, as a user sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import attrs

from openbragg.engine.compiled.cache import Cache, Entry
from openbragg.engine.compiled.origins import outdated
from openbragg.errors import InputError, shown


@attrs.frozen(kw_only=True)
class CompiledModel:
    """Compiled code of one model.

    Attributes
    ----------
    lattice_shape, structure_factors
        Names of the plugins that it was made from; ``?`` where the entry does not say, as in all that follow.
    precision, kind, torch
        Precision of the computation, what the code computes, and the version of PyTorch.
    made
        When, in UTC.
    seconds
        How long it took to compile.
    size
        Bytes of its files.
    folder
        Where they lie.
    outdated
        Why no run will use it any more, in a few words; None where one may.
    """

    lattice_shape: str
    structure_factors: str
    precision: str
    kind: str
    torch: str
    made: datetime
    seconds: float
    size: int
    folder: Path
    outdated: str | None

    @property
    def state(self) -> str:
        """``current``, or ``stale`` with the reason."""
        return "current" if self.outdated is None else f"stale: {self.outdated}"


class CompiledCode:
    """The folder in which compiled code is kept between runs; `compiled_code` finds it.

    Nothing here loads torch.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @property
    def folder(self) -> Path:
        """What OPENBRAGG_CACHE names, else ``openbragg`` in the user's cache folder."""
        return self._cache.folder

    def distrusted(self) -> str | None:
        """Why code from the folder is not used, in a few words; None where it is."""
        return self._cache.usable()

    def size(self) -> int:
        """Bytes of everything that is kept."""
        return self._cache.size()

    def models(self) -> list[CompiledModel]:
        """What is kept, oldest first.

        Raises
        ------
        InputError
            When the folder cannot be read.
        """
        try:
            return [_model(entry) for entry in self._cache.entries()]
        except OSError as error:
            raise self._refused(error) from None

    def remains(self) -> list[Path]:
        """Folders of what is left of models, half made or damaged.

        Raises
        ------
        InputError
            When the folder cannot be read.
        """
        try:
            return self._cache.remains()
        except OSError as error:
            raise self._refused(error) from None

    def clear(self) -> int:
        """Remove all that is kept, and nothing else that lies there; returns the number of bytes.

        Raises
        ------
        InputError
            When something cannot be removed.
        """
        try:
            return self._cache.clear()
        except OSError as error:
            raise self._refused(error) from None

    def clear_stale(self) -> int:
        """Remove what no run will use any more; returns the number of bytes.

        Raises
        ------
        InputError
            When something cannot be removed.
        """
        stale = [model.folder for model in self.models() if model.outdated is not None]
        try:
            return self._cache.remove([*stale, *self.remains()])
        except OSError as error:
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> InputError:
        where = shown(str(error.filename or self.folder))
        return InputError(f"{where}: {(error.strerror or str(error)).lower()}")


def compiled_code() -> CompiledCode:
    """The compiled code that is kept between runs."""
    return CompiledCode(Cache())


def _model(entry: Entry) -> CompiledModel:
    names = entry.signature.get("names")
    known = names if isinstance(names, list) and len(names) > 1 else ["?", "?"]
    shape, structure_factors = (str(name) for name in known[:2])
    reason = outdated(entry.signature)
    if reason is None and not entry.intact():
        reason = "damaged"
    return CompiledModel(
        lattice_shape=shape,
        structure_factors=structure_factors,
        precision=_word(entry, "precision"),
        kind=_word(entry, "kind"),
        torch=_word(entry, "torch").partition(" ")[0],
        made=_date(entry),
        seconds=entry.seconds,
        size=entry.size,
        folder=entry.folder,
        outdated=reason,
    )


def _word(entry: Entry, name: str) -> str:
    return str(entry.signature.get(name, "?"))


def _date(entry: Entry) -> datetime:
    try:
        return datetime.fromtimestamp(round(entry.made), UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
