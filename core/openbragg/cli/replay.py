"""``--from``: a recorded run again, with what the flags around it change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from openbragg.cli.compose import FlagOption, ModelCommand, Section, assignments_of, construct, given, set_given
from openbragg.cli.selection import Given, overrule
from openbragg.cli.settings import Output, Provenance
from openbragg.errors import InputError, OpenBraggError, PluginError, UsageError
from openbragg.roles import Registry

if TYPE_CHECKING:
    from openbragg.orchestrator.inputs import Finder
    from openbragg.orchestrator.record import InputFile, Record

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
    """

    file: Path
    record: Record
    finder: Finder
    flags: Given
    unnamed: tuple[InputFile, ...]
    changed: bool

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
        if settings.repeat is None and settings.force:
            raise UsageError("-force: expected with -from")
        first = places[0] if places else len(words)
        before, after = (
            [(option, values) for option, values in part if not _is_provenance(option)]
            for part in (words[:first], words[first:])
        )
        replay = None
        if settings.repeat is not None:
            replay = self._replay(Path(settings.repeat), before, after, settings.force)
            before = self._overruled(self._overruled(before, replay.flags), after)
        set_given(ctx, [*before, *(replay.flags if replay is not None else ()), *after])
        ctx.meta[_PROVENANCE] = (settings, replay)
        return rest

    def _replay(self, file: Path, before: Given, after: Given, force: bool) -> Replay:
        from openbragg.orchestrator.inputs import Finder
        from openbragg.orchestrator.record import read_record

        record = read_record(file)
        if not record.arguments:
            raise InputError(f"{file}: no flags say what was simulated; openbragg.load_run repeats it in Python")
        flags = self._recorded_flags(file, record)
        named = {(option.opts[0], value) for option, values in flags for value in values}
        flags = self._overruled(flags, after)
        finder = Finder(file=file, folder=record.folder, force=force)
        return Replay(
            file=file,
            record=record,
            finder=finder,
            flags=[(option, _found(option, values, record, finder)) for option, values in flags],
            unnamed=tuple(file for file in record.inputs if (file.flag, file.path) not in named),
            changed=not all(_changes_nothing(option) for option, _ in (*before, *after)),
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


def _is_provenance(option: click.Option, field: str | None = None) -> bool:
    return isinstance(option, FlagOption) and option.flag.owner is Provenance and field in (None, option.flag.field)


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
