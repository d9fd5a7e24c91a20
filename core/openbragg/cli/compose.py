"""The command line of a model: click options made from the declarations of attrs classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import click
from click.shell_completion import CompletionItem

from openbragg.cli.completing import flags_beginning, values_beginning
from openbragg.cli.defaults import default_of, typed
from openbragg.errors import UsageError, quoted, shown
from openbragg.options import OptionSpec, options_of
from openbragg.orchestrator.finding.registry import kebab
from openbragg.units import unit

_TYPE_WORDS = {float: "number", int: "whole number", str: "word", Path: "file"}
_NAME_WIDTH = 38
#: Letters of a word that a message shows in full.
_LONGEST_WORD = 60
_HELP = ("--help", "-h")
_GIVEN = "openbragg.given"
_READ_AS = "openbragg.read_as"
_PRESENT = "openbragg.present"
_TOPIC = "openbragg.topic"
#: What asks for all groups of help.
_ALL = "all"


@attrs.frozen(eq=False)
class Flag:
    """One way to set an option: all spellings that do the same.

    Attributes
    ----------
    owner
        The attrs class the option belongs to.
    field
        Its field.
    spec
        The declaration.
    spellings
        Single-dash spellings.
    unit
        Name of the unit the value is given in.
    component
        Which element of the field it sets; None for all of it.
    constant
        The value a bare flag sets; None for flags that take one.
    """

    owner: type
    field: str
    spec: OptionSpec
    spellings: tuple[str, ...]
    unit: str
    component: int | None = None
    constant: Any = None

    @property
    def length(self) -> tuple[int, int]:
        """Fewest and most values the flag takes."""
        if self.constant is not None:
            return 0, 0
        if self.component is not None or self.spec.components:
            return 1, 1
        length = self.spec.length
        return length if isinstance(length, tuple) else (length, length)

    @property
    def default(self) -> Any:
        """What the flag sets when it is not given, in SI; None where there is none, or it is made anew each time."""
        return default_of(self.owner, self.field, self.component, common=bool(self.spec.components))

    def value(self, words: Sequence[str]) -> Any:
        """The flag's value in SI, from the words that followed it.

        Raises
        ------
        UsageError
            When a word is not what the option takes; the message has the flag, the word and what was expected.
        """
        if self.constant is not None:
            return self.constant
        if self.spec.type is str and len(words) == 1:
            return self._checked(words[0], words[0])
        if self.spec.type is Path:
            return Path(words[0])
        if len(words) == 1 and words[0] in self.spec.words:
            return words[0]
        fewest, most = self.length
        if len(words) < fewest < most:
            raise UsageError(f"{self.spellings[0]}: expected {fewest} to {most} values, got {len(words)}")
        values = tuple(self._number(word) for word in words)
        whole = self.spec.whole
        if whole is not None and not whole.accepts(values):
            raise UsageError(f"{self.spellings[0]}: expected {whole.text}, got {' '.join(words)!r}")
        return values if self.spec.length != 1 else values[0]

    def _number(self, word: str) -> Any:
        try:
            value = _whole_number(word) if self.spec.type is int else float(word)
        except (ValueError, OverflowError):
            return self._checked(word, word)
        if self.spec.type is int:
            return self._checked(value, word)
        if self.unit == "eV" and not value > 0:
            raise UsageError(f"{self.spellings[0]}: expected a number above 0 (eV), got {word!r}")
        return self._checked(unit(self.unit).to_si(value), word)

    def _checked(self, value: Any, word: str) -> Any:
        rule = self.spec.rule
        if rule is not None and not rule.accepts(value):
            suffix = f" ({self.unit})" if self.unit else ""
            got = repr(word) if len(word) <= _LONGEST_WORD else quoted(word)
            raise UsageError(f"{self.spellings[0]}: expected {rule.text}{suffix}, got {got}")
        return value


@attrs.frozen
class Section:
    """A group of help: a title and the flags or bare switches under it."""

    title: str
    options: tuple[click.Option, ...]

    def names(self) -> tuple[str, ...]:
        """Words by which help finds it: its title, or the role, in a word and whole, and the name of a plugin."""
        role, _, plugin = self.title.partition(": ")
        whole = role.split(",")[0]
        return (whole.replace(" ", "-"), whole, *whole.split(), *((plugin,) if plugin else ()))


class FlagOption(click.Option):
    """A click option that carries its `Flag`, with `also` as further names and `without` some."""

    def __init__(self, flag: Flag, also: Iterable[str] = (), without: Collection[str] = ()) -> None:
        self.flag = flag
        most = flag.length[1]
        names = [name for spelling in flag.spellings for name in (spelling, kebab(spelling))]
        names = [name for name in (*names, *also) if name not in without]
        super().__init__(
            [_identifier(flag), *dict.fromkeys(names)],
            is_flag=True if most == 0 else None,
            nargs=1 if flag.length[0] != most else max(1, most),
            type=str if most else bool,
            help=_help(flag),
            metavar=_metavar(flag) if most else None,
            expose_value=False,
        )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What may follow the flag and begins like a word."""
        return values_beginning(ctx, self.flag.spellings[0], self.flag.spec, incomplete)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The flag with its spellings and its help, which ends with the default where there is one to tell."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        default = "" if self.flag.spec.type is bool else typed(self.flag.default, self.flag.unit)
        told = not default or default == "()" or "default" in record[1].lower()
        return record if told else (record[0], f"{record[1]} Default: {default}.")


class SwitchOption(click.Option):
    """A bare flag that chooses a plugin."""

    def __init__(self, spelling: str, also: Iterable[str], help: str) -> None:  # noqa: A002
        names = [name for flag in (spelling, *also) for name in (flag, kebab(flag))]
        super().__init__(
            ["switch_" + re.sub(r"\W", "_", spelling), *dict.fromkeys(names)],
            is_flag=True,
            help=help,
            expose_value=False,
        )


class ModelCommand(click.Command):
    """A command whose flags are read in the order of the command line; later ones win.

    Attributes
    ----------
    sections
        The groups of help, in order.
    beginnings
        Beginnings of words that are taken for a flag where no flag is spelled like the word, each with that flag.
    arguments
        What is given without a flag, one word each, anywhere on the command line; the last may take any number.
    elsewhere
        Flags of other commands that a user may expect here, each with what is to be said of it.
    shorter
        The groups that ``--help`` shows where that is not all; ``--help GROUP`` and ``--help all`` then show the rest.
    """

    def __init__(
        self,
        name: str,
        sections: Sequence[Section],
        beginnings: Mapping[str, str] | None = None,
        arguments: Sequence[click.Argument] = (),
        elsewhere: Mapping[str, str] | None = None,
        shorter: Sequence[Section] = (),
        **rest: Any,
    ) -> None:
        self.sections = tuple(sections)
        self.shorter = tuple(shorter)
        self.beginnings = dict(beginnings or {})
        self.arguments = tuple(arguments)
        self.elsewhere = dict(elsewhere or {})
        options = [option for section in sections for option in section.options]
        super().__init__(
            name, params=[*arguments, *options], context_settings={"help_option_names": list(_HELP)}, **rest
        )
        self._by_name = {name: option for option in options for name in option.opts}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags; `given` then returns them in order."""
        if ctx.resilient_parsing:
            # Shell completion asks what may follow words that are not finished.
            ctx.meta[_GIVEN], ctx.meta[_READ_AS] = [], {}
            return super().parse_args(ctx, [])
        args = self._take_topic(ctx, args)
        words, ctx.meta[_GIVEN], ctx.meta[_READ_AS] = self.scan(args, _HELP)
        ctx.meta[_PRESENT] = {id(option) for option, _ in ctx.meta[_GIVEN]}
        return super().parse_args(ctx, words)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The arguments and options; of a line that was read, the flags on it alone: click has no work for others."""
        params = super().get_params(ctx)
        present = ctx.meta.get(_PRESENT)
        if present is None:
            return params
        return [param for param in params if id(param) in present or not isinstance(param, FlagOption | SwitchOption)]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The flags that begin like a word."""
        options = [option for section in self.sections for option in section.options]
        return flags_beginning(options, incomplete) if incomplete.startswith("-") else []

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups that were asked for."""
        topic = ctx.meta.get(_TOPIC, "" if self.shorter else _ALL)
        for section in self.shorter if not topic else self.groups(topic):
            rows = [row for option in section.options if (row := option.get_help_record(ctx)) is not None]
            if rows:
                with formatter.section(section.title):
                    formatter.write_dl(rows, col_max=_NAME_WIDTH)
        with formatter.section("help"):
            formatter.write_dl([("-h, --help", "Show this text."), *self._further_help()], col_max=_NAME_WIDTH)

    def groups(self, topic: str) -> list[Section]:
        """The groups of help that a word names: by title, by the role or the name of a plugin; or all.

        Raises
        ------
        click.UsageError
            When it names none; the message has those that there are.
        """
        topic = topic.lower()
        found = [part for part in self.sections if topic in (_ALL, *part.names())]
        if not found:
            raise click.UsageError(
                f"--help {shown(topic)}: no such group; there are {', '.join(self.topics())}, and all"
            )
        return found

    def topics(self) -> list[str]:
        """The words that name a group of help, of plugins those of their roles."""
        return list(dict.fromkeys(part.names()[0] for part in self.sections if part.options))

    def _further_help(self) -> list[tuple[str, str]]:
        if not self.shorter:
            return []
        return [
            ("--help GROUP", f"Show all flags of {', '.join(self.topics())}; or of a plugin, by its name."),
            ("--help all", "Show all flags. Above are those that most runs need, or that were asked for."),
        ]

    def _take_topic(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words without the one that says what help is wanted of."""
        place = next((place for place, word in enumerate(args) if word.partition("=")[0] in _HELP), None)
        if not self.shorter or place is None:
            return args
        name, _, topic = args[place].partition("=")
        if not topic and place + 1 < len(args) and not args[place + 1].startswith("-"):
            topic = args[place + 1]
        if topic:
            self.groups(topic)
            ctx.meta[_TOPIC] = topic
        # Whatever else is on the line, help is what was asked for.
        return [name]

    def scan(
        self, args: Sequence[str], passing: Collection[str] = ()
    ) -> tuple[list[str], list[tuple[click.Option, list[str]]], dict[str, str]]:
        """The words with each varying list of values joined into one, each known flag with its values, and what was
        read as a flag that it only begins like.

        Words in `passing` are let through, and as many as there are arguments; any other that is neither a flag nor its
        value is refused here, for click would take ``-N5`` for ``-N 5``.

        Raises
        ------
        click.UsageError
            For a word that is no flag, and a value that is empty or more than a flag takes.
        """
        words: list[str] = []
        given: list[tuple[click.Option, list[str]]] = []
        read_as: dict[str, str] = {}
        several = any(argument.nargs == -1 for argument in self.arguments)
        expected = len(args) if several else len(self.arguments)
        position = 0
        while position < len(args):
            word = args[position]
            position += 1
            name, equals, inline = word.partition("=") if word.startswith("--") else (word, "", "")
            if name not in self._by_name and (meant := self._beginning(name)) is not None:
                read_as[name] = meant
                name = meant
            option = self._by_name.get(name)
            if option is None:
                if expected and word and not word.startswith("-"):
                    expected -= 1
                elif word not in passing:
                    self._refuse(word)
                words.append(word)
                continue
            fewest, most = option.flag.length if isinstance(option, FlagOption) else (0, 0)
            if equals:
                if most == 0:
                    raise click.UsageError(f"{name} takes no value, got {inline!r}")
                values = [inline]
            else:
                values = list(args[position : position + fewest])
                position += len(values)
                while len(values) < most and position < len(args) and _is_number(args[position]):
                    values.append(args[position])
                    position += 1
            if "" in values:
                raise click.UsageError(f"{name}: expected a value, got ''")
            if len(values) < fewest and read_as.get(word) == name:
                raise click.UsageError(f"no such flag: {word}; read as {name}, which it begins like, it lacks a value")
            parts = [part for value in values for part in value.split()] if fewest != most else values
            given.append((option, parts))
            words += [name, " ".join(values)] if fewest != most and values else [name, *values]
        return words, given, read_as

    def _beginning(self, name: str) -> str | None:
        """The flag that a word begins like, the longest if there are several; a word with a value in it is none."""
        if "=" in name:
            return None
        found = [beginning for beginning in self.beginnings if name.startswith(beginning)]
        meant = self.beginnings[max(found, key=len)] if found else None
        return meant if meant in self._by_name else None

    def _refuse(self, word: str) -> None:
        if not word.startswith("-") or _is_number(word):
            raise click.UsageError(f"unexpected argument {word!r}")
        if (flag := word.partition("=")[0]) in self.elsewhere:
            raise click.UsageError(f"{flag}: {self.elsewhere[flag]}")
        close = get_close_matches(word, self._by_name, n=3, cutoff=0.6)
        raise click.UsageError(f"no such flag: {word}" + (f"; did you mean {' or '.join(close)}?" if close else ""))


def given(ctx: click.Context) -> list[tuple[click.Option, list[str]]]:
    """The options of a parsed `ModelCommand`, in the order of the command line, with the words that followed."""
    return list(ctx.meta[_GIVEN])


def set_given(ctx: click.Context, given: Sequence[tuple[click.Option, list[str]]]) -> None:
    """Put other options in the place of those that were parsed."""
    ctx.meta[_GIVEN] = list(given)


def read_as(ctx: click.Context) -> dict[str, str]:
    """Words of a parsed `ModelCommand` that no flag is spelled like, and the flags they were taken for."""
    return dict(ctx.meta[_READ_AS])


def assignments_of(given: Iterable[tuple[click.Option, list[str]]]) -> list[tuple[Flag, list[str]]]:
    """Those of the options given that set a field, in order, each with its words."""
    return [(option.flag, words) for option, words in given if isinstance(option, FlagOption)]


def flags_of(cls: type) -> tuple[Flag, ...]:
    """Every way to set the options of an attrs class."""
    return _flags_of(cls)


@cache
def _flags_of(cls: type) -> tuple[Flag, ...]:
    flags = []
    for field, spec in options_of(cls):
        constant = True if spec.type is bool else None
        if spec.flags:
            flags.append(Flag(cls, field, spec, spec.flags, spec.unit, None, constant))
        for spelling, other in spec.other_units.items():
            flags.append(Flag(cls, field, spec, (spelling,), other))
        for spelling in spec.negations:
            flags.append(Flag(cls, field, spec, (spelling,), "", None, False))
        for index, spellings in enumerate(spec.components):
            flags.append(Flag(cls, field, spec, spellings, spec.unit, index))
    return tuple(flags)


def section(title: str, *classes: type) -> Section:
    """A group of help with the options of some classes."""
    return _section(title, classes)


@cache
def _section(title: str, classes: tuple[type, ...]) -> Section:
    return Section(title, tuple(FlagOption(flag) for cls in classes for flag in flags_of(cls)))


def construct(cls: Any, assignments: Iterable[tuple[Flag, list[str]]], **fixed: Any) -> Any:
    """Make an object of a class from flags in order; elements of a tuple may be set one by one, or added.

    Raises
    ------
    UsageError
        From a flag's value.
    """
    values: dict[str, Any] = dict(fixed)
    for flag, words in assignments:
        if flag.owner is not cls:
            continue
        value = flag.value(words)
        if flag.component is not None:
            before = values.get(flag.field, getattr(attrs.fields(cls), flag.field).default)
            value = (*before[: flag.component], value, *before[flag.component + 1 :])
        elif flag.spec.components:
            value = (value,) * len(flag.spec.components)
        elif flag.spec.several:
            value = (*values.get(flag.field, ()), value)
        values[flag.field] = value
    return cls(**values)


def _identifier(flag: Flag) -> str:
    return "flag_" + re.sub(r"\W", "_", f"{flag.owner.__module__}_{flag.owner.__name__}_{flag.spellings[0]}")


def _help(flag: Flag) -> str:
    if flag.component is not None and flag.spec.flags:
        return f"The same, {flag.spec.parts[flag.component]} alone."
    if flag.constant is False:
        return "Turn that off."
    if flag.unit != flag.spec.unit:
        return f"The same, in {flag.unit}."
    if flag.component is not None:
        return f"{flag.spec.help} ({flag.spec.parts[flag.component]})"
    return flag.spec.help


def _metavar(flag: Flag) -> str:
    shown = flag.spec.metavar if flag.component is None else ""
    unit_word = flag.unit if flag.spec.type in (float, int) else ""
    return "<" + (", ".join(word for word in (shown, unit_word) if word) or _TYPE_WORDS[flag.spec.type]) + ">"


def _whole_number(word: str) -> int | float:
    """A whole number, exactly, also when it is written like 1e3; anything else as the float it is."""
    try:
        return int(word)
    except ValueError:
        number = float(word)
        return int(number) if number == int(number) else number


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
