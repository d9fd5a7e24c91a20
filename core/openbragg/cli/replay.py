"""``--from``: a recorded run again, with what the flags around it change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg.cli.compose import FlagOption, ModelCommand, Section, assignments_of, construct, given, set_given
from openbragg.cli.selection import Given, overrule
from openbragg.cli.settings import Output, Provenance, Timing
from openbragg.errors import InputError, OpenBraggError, PluginError, UsageError, shown
from openbragg.orchestrator.outputs.files import fingerprint
from openbragg.orchestrator.outputs.outputs import Output as Written
from openbragg.roles import Registry

if TYPE_CHECKING:
    from openbragg.orchestrator.records.inputs import Finder
    from openbragg.orchestrator.records.record import InputFile, Record

_PROVENANCE = "openbragg.provenance"


@attrs.frozen(kw_only=True)
class Replay:
    """A recorded run that is repeated.

    Attributes
    ----------
    file, record
        The record, and what is in it.
    finder
        Where its inputs are; it has the notices about them.
    flags
        The record's flags that still count.
    unnamed
        Inputs that no flag names, for they are defaults.
    changed
        Whether flags around the record change more than the names of outputs.
    own
        Names that the flags around the record say.
    anywhere
        Whether the record may name files out of the current folder, and over files of others.
    """

    file: Path
    record: Record
    finder: Finder
    flags: Given
    unnamed: tuple[InputFile, ...]
    changed: bool
    own: frozenset[Path]
    anywhere: bool

    def refuse_strange(self, path: Path) -> None:
        """Refuse to write a file where only the record says so: anybody may have written that.

        Raises
        ------
        InputError
            For a file out of the current folder, a hidden one, and one that is there and is not the recorded run's.
        """
        if self.anywhere or path in self.own:
            return
        try:
            here, place = Path.cwd().resolve(), path.resolve()
        except RuntimeError as error:  # links in a circle
            raise InputError(f"cannot write {shown(str(path))}: {error}") from None
        reason = ""
        if not place.is_relative_to(here):
            reason = "leaves the current folder"
        elif any(part.startswith(".") for part in place.relative_to(here).parts):
            reason = "is hidden"
        elif self._is_named(path) and path.is_file() and fingerprint(path)[0] not in self._written(path):
            reason = "is there, and is not what that run wrote"
        if reason:
            raise InputError(
                f"{self.file}: the file {shown(str(path))} {reason}; name another one after --from, or "
                "--write-anywhere to write it all the same"
            )

    def _is_named(self, path: Path) -> bool:
        """Whether the record's flags name a file, itself or as an image of a series."""
        named = [Path(value) for _, values in self.flags for value in values]
        return path in named or any(_is_image_of(path, name) for name in named if name.name)

    def _written(self, path: Path) -> set[str | None]:
        """Hashes of what the recorded run wrote to a file."""
        return {output.sha256 for output in self.record.outputs if Path(output.path) == path}

    def notices(self) -> list[str]:
        """What is to be said of the inputs."""
        return self.finder.notices

    def is_alike(self) -> bool:
        """Whether the run is asked to be the same as the recorded one, but for the names of its files."""
        return not self.changed and not self.finder.forced

    def check_unnamed(self, inputs: Iterable[InputFile]) -> None:
        """Compare the inputs that no flag names with those of this run.

        Raises
        ------
        InputError
            When one is another file now, and that is not forced.
        """
        now = {(file.flag, file.path): file for file in inputs}
        for recorded in self.unnamed:
            here = now.get((recorded.flag, recorded.path))
            if here is not None:
                self.finder.compare(recorded, here.sha256)


class ReplayingCommand(ModelCommand):
    """A command in which ``-from`` stands for the flags of a recorded run.

    `given` then returns the flags that describe the run, and `provenance` those that concern its record.
    """

    def __init__(self, name: str, sections: Sequence[Section], registry: Registry, **rest: Any) -> None:
        super().__init__(name, sections, **rest)
        self._registry = registry

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags, those of the record in the place of ``-from``."""
        rest = super().parse_args(ctx, args)
        words = given(ctx)
        places = [place for place, (option, _) in enumerate(words) if _is_provenance(option, "repeat")]
        if len(places) > 1:
            raise UsageError("-from: expected one record, got two")
        settings: Provenance = construct(Provenance, assignments_of(words))
        for given_alone, flag in ((settings.force, "-force"), (settings.anywhere, "-write_anywhere")):
            if settings.repeat is None and given_alone:
                raise UsageError(f"{flag}: expected with -from")
        first = places[0] if places else len(words)
        before, after = (
            [(option, values) for option, values in part if not _is_provenance(option)]
            for part in (words[:first], words[first:])
        )
        replay = None
        if settings.repeat is not None:
            replay = self._replay(settings, before, after)
            before = self._overruled(self._overruled(before, replay.flags), after)
        set_given(ctx, [*before, *(replay.flags if replay is not None else ()), *after])
        ctx.meta[_PROVENANCE] = (settings, replay)
        return rest

    def _replay(self, settings: Provenance, before: Given, after: Given) -> Replay:
        from openbragg.orchestrator.records.inputs import Finder
        from openbragg.orchestrator.records.record import read_record

        assert settings.repeat is not None
        file = Path(settings.repeat)
        record = read_record(file)
        if not record.arguments:
            raise InputError(f"{file}: no flags say what was simulated; openbragg.load_run repeats it in Python")
        flags = self._recorded_flags(file, record)
        named = {(option.opts[0], value) for option, values in flags for value in values}
        # How long the recorded run took is no part of it.
        flags = [pair for pair in self._overruled(flags, after) if not _is_timing(pair[0])]
        finder = Finder(file=file, folder=record.folder, force=settings.force)
        return Replay(
            file=file,
            record=record,
            finder=finder,
            flags=[(option, _found(option, values, record, finder)) for option, values in flags],
            unnamed=tuple(file for file in record.inputs if (file.flag, file.path) not in named),
            changed=not all(_changes_nothing(option) for option, _ in (*before, *after)),
            own=frozenset(
                Path(name)
                for name in (settings.record, *(value for _, values in (*before, *after) for value in values))
                if name is not None
            ),
            anywhere=settings.anywhere,
        )

    def _overruled(self, earlier: Given, later: Given) -> Given:
        """Flags without those that ask for a plugin or a file that a later one replaces: it need not be there."""
        replaced = {(flag.owner, flag.field) for flag, _ in assignments_of(later) if flag.spec.input}
        return [
            (option, values)
            for option, values in overrule(self._registry, earlier, later)
            if not (isinstance(option, FlagOption) and (option.flag.owner, option.flag.field) in replaced)
        ]

    def _recorded_flags(self, file: Path, record: Record) -> Given:
        """The record's words as flags with values that they can take."""
        try:
            flags = self.scan(record.arguments)[1]
            for option, values in flags:
                if _is_provenance(option):
                    raise UsageError(f"a record has no {option.opts[0]}")
                if isinstance(option, FlagOption):
                    fewest = option.flag.length[0]
                    if len(values) < fewest:
                        raise UsageError(f"{option.opts[0]}: expected {fewest} values, got {len(values)}")
                    option.flag.value(values)
        except (click.UsageError, OpenBraggError) as error:
            self._refuse_missing_plugins(file, record)
            text = error.format_message() if isinstance(error, click.UsageError) else str(error)
            raise InputError(f"{file}: arguments: {text}") from None
        return flags

    def _refuse_missing_plugins(self, file: Path, record: Record) -> None:
        """A flag may be unknown because a plugin is."""
        for plugin in record.plugins:
            if not any(found.name == plugin.name for found in self._registry.of_role(plugin.role)):
                raise PluginError(
                    f"{file}: the run used {plugin.name} ({plugin.role}) of {plugin.distribution} {plugin.version}, "
                    "which is not installed, or blocked"
                )


def provenance(ctx: click.Context) -> tuple[Provenance, Replay | None]:
    """The flags of a parsed command that concern its record, and the run that it repeats."""
    settings, replay = ctx.meta[_PROVENANCE]
    return settings, replay


def refuse_strange(wanted: Iterable[Written], replay: Replay | None) -> None:
    """Refuse, before the work begins, what a repeated run is to write only because its record says so.

    Raises
    ------
    InputError
        See `Replay.refuse_strange`.
    """
    if replay is not None:
        for output in wanted:
            if not output.stdout:
                replay.refuse_strange(output.path)


def _is_provenance(option: click.Option, field: str | None = None) -> bool:
    return isinstance(option, FlagOption) and option.flag.owner is Provenance and field in (None, option.flag.field)


def _is_image_of(path: Path, name: Path) -> bool:
    """Whether a file may be one of a series of this name: with its digits in the place of #, or by the same stem."""
    if path.parent != name.parent or path.suffix == ".jsonl":
        return False
    return path.name.startswith(name.stem.partition("#")[0].removesuffix("_master"))


def _is_timing(option: click.Option) -> bool:
    return isinstance(option, FlagOption) and option.flag.owner is Timing


def _changes_nothing(option: click.Option) -> bool:
    """Whether an option leaves the images as they are."""
    if not isinstance(option, FlagOption):
        return False
    return option.flag.owner is Output or bool(option.flag.spec.output)


def _found(option: click.Option, values: list[str], record: Record, finder: Finder) -> list[str]:
    """A flag's values, the names of inputs replaced by where they are now."""
    if not (isinstance(option, FlagOption) and option.flag.spec.input):
        return values
    flag = option.flag.spellings[0]
    found = []
    for value in values:
        recorded = next((file for file in record.inputs if (file.flag, file.path) == (flag, value)), None)
        if recorded is None:
            finder.notices.append(f"{flag} {value} cannot be checked: {finder.file} has no hash of it")
        found.append(value if recorded is None else str(finder.find(recorded)))
    return found
