"""Options: one declaration from which the flag, the check, the help and the record come.

An attrs class whose fields are made with `option` can be filled from the command line, from Python and from a
file alike. The core's own classes (`Detector`, `Beam`, ...) and every plugin are declared this way, so there is one
road from a flag to a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import attrs

from openbragg.errors import InputError, quoted
from openbragg.units import unit as unit_named

_KEY = "openbragg"


@attrs.frozen
class Rule:
    """What a value must be.

    Attributes
    ----------
    text
        Ends the sentence "expected ...", for example ``a number above 0``.
    holds
        Tells whether one plain number or word obeys the rule.
    words
        All that obey it, where they are a few words.
    """

    text: str
    holds: Callable[[Any], bool]
    words: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        """Whether a value obeys the rule; one that cannot even be compared does not."""
        try:
            return bool(self.holds(value))
        except (TypeError, ValueError, AttributeError, OverflowError):
            return False


def _are_finite(values: list[Any], count: int) -> bool:
    return len(values) == count and all(FINITE.accepts(value) for value in values)


def _number(test: Callable[[float], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Real) and math.isfinite(value) and test(float(value))


def _whole(test: Callable[[int], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Real)
        and math.isfinite(value)
        and float(value).is_integer()
        and test(int(float(value)) if not isinstance(value, int) else value)
    )


FINITE = Rule("a finite number", _number(lambda value: True))
POSITIVE = Rule("a number above 0", _number(lambda value: value > 0))
"""A rule: a number above 0."""
NOT_NEGATIVE = Rule("a number of 0 or more", _number(lambda value: value >= 0))
"""A rule: a number of 0 or more."""
FRACTION = Rule("a number from -1 to 1", _number(lambda value: -1 <= value <= 1))
PART = Rule("a number above 0 and below 1", _number(lambda value: 0 < value < 1))
"""A rule: a number above 0 and below 1."""
ANGLE_OF_CELL = Rule("an angle above 0 and below 180 degrees", _number(lambda value: 0 < value < math.pi))
WHOLE = Rule("a whole number", _whole(lambda value: True))
COUNT = Rule("a whole number above 0", _whole(lambda value: value > 0))
"""A rule: a whole number above 0."""
SEED = Rule("a whole number of 64 bits", _whole(lambda value: -(1 << 63) <= value < 1 << 63))
"""A rule: a whole number of 64 bits."""
COUNT_OR_NONE = Rule("a whole number of 0 or more", _whole(lambda value: value >= 0))
"""A rule: a whole number of 0 or more."""
#: Of values as a whole.
VECTOR = Rule("three finite numbers", lambda value: _are_finite(singles(value), 3))
MATRIX = Rule(
    "three rows of three finite numbers",
    lambda value: len(value) == 3 and all(_are_finite(singles(row), 3) for row in value),
)


def one_of(*words: str) -> Rule:
    """A rule: the value is one of these words."""
    return Rule("one of " + ", ".join(words), lambda value: value in words, words)


@attrs.frozen
class OptionSpec:
    """How a field is filled from the command line; `option` makes it.

    Attributes
    ----------
    flags
        Spellings that set the whole field, the first one canonical. Each also has a double-dash kebab alias.
    help
        One sentence for people.
    unit
        Name of the unit that users type; the field itself holds SI.
    type
        ``float``, ``int``, ``str``, ``bool`` or ``pathlib.Path``.
    length
        How many values the flag takes; a pair ``(fewest, most)`` where it takes a varying number.
    components
        For a field that is a tuple: for each element the spellings that set it alone.
    other_units
        Further spellings that set the same field from another unit, for example ``{"-energy": "eV"}``.
    rule
        What each single value must be.
    whole
        What a tuple must be as a whole.
    output
        For a field that names a file to write: ``photons`` or ``counts``, the image that goes into it.
    input
        Whether the field names a file that is read; a `pathlib.Path` without `output` does so anyway.
    metavar
        What help shows for the value, where the type and unit do not say it.
    negations
        Spellings that set the field to False: of a switch, or of a file that is written by default.
    words
        Words that may stand in place of the numbers.
    parts
        What help calls the components, for example ``along a``.
    several
        Whether the flag may be given several times: the field is the tuple of its values, in order.
    stdout
        For a field that names a file to write: whether ``-`` stands for standard output, which gets text in UTF-8.
    role
        For a field that names a plugin: the hook of its role. A name that is no plugin's is refused.
    """

    flags: tuple[str, ...]
    help: str
    unit: str = ""
    type: type = float
    length: int | tuple[int, int] = 1
    components: tuple[tuple[str, ...], ...] = ()
    other_units: dict[str, str] = attrs.field(factory=dict)
    rule: Rule | None = None
    whole: Rule | None = None
    output: str = ""
    input: bool = False
    metavar: str = ""
    negations: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    several: bool = False
    stdout: bool = False
    role: str = ""

    def spellings(self) -> list[str]:
        """All single-dash flags that set this field or a part of it."""
        return [
            *self.flags,
            *self.other_units,
            *self.negations,
            *(flag for component in self.components for flag in component),
        ]


def option(
    *flags: str,
    help: str,  # noqa: A002 - the word every command-line library uses
    default: Any = None,
    default_in_unit: Any = None,
    unit: str = "",
    type: type = float,  # noqa: A002
    length: int | tuple[int, int] = 1,
    components: Sequence[Sequence[str]] = (),
    other_units: dict[str, str] | None = None,
    rule: Rule | None = None,
    whole: Rule | None = None,
    output: str = "",
    input: bool = False,  # noqa: A002
    metavar: str = "",
    negations: Sequence[str] = (),
    words: Sequence[str] = (),
    parts: Sequence[str] = (),
    several: bool = False,
    stdout: bool = False,
    role: str = "",
    eq: Any = None,
    converter: Callable[[Any], Any] | None = None,
) -> Any:
    """Declare a field that is an option; see `OptionSpec` for the other arguments.

    The field always holds SI units and radians; ``unit`` is what users type, and what help and ``openbragg plugins``
    show. So with ``unit="A^2"``, 20 A^2 are ``default_in_unit=20.0`` or ``default=20e-20``; a ``default=20.0`` would be
    20 square metres.

    A field without flags can be set from Python only. A number without a rule must still be finite: NaN and infinity
    are refused here, where they enter.

    Parameters
    ----------
    default
        In SI; that of a flag that may be given several times is an empty tuple.
    default_in_unit
        In place of it, in ``unit``: a number, or a tuple of them.
    eq
        How values are compared, as in `attrs.field`.
    converter
        Makes another value of what Python gives, as in `attrs.field`.

    Raises
    ------
    InputError
        When the class is constructed with a value that breaks the rule.
    TypeError
        When a default is given in both ways, or in a unit that is not named, or that is no number.
    """
    if default_in_unit is not None:
        default = _in_si(flags, default, default_in_unit, unit)
    if rule is None and type in (float, int):
        rule = FINITE if type is float else WHOLE
    spec = OptionSpec(
        flags=flags,
        help=help,
        unit=unit,
        type=type,
        length=length,
        components=tuple(tuple(component) for component in components),
        other_units=dict(other_units or {}),
        rule=rule,
        whole=whole,
        output=output,
        input=input or (type is Path and not output),
        metavar=metavar,
        negations=tuple(negations),
        words=tuple(words),
        parts=tuple(parts),
        several=several,
        stdout=stdout,
        role=role,
    )
    if several and default is None:
        default = ()
    return attrs.field(
        default=default, metadata={_KEY: spec}, validator=_check, converter=converter, kw_only=True, eq=eq
    )


def _in_si(flags: tuple[str, ...], default: Any, in_unit: Any, unit: str) -> Any:
    """A default that is given in its unit, as the field holds it."""
    name = flags[0] if flags else "option"
    if default is not None:
        raise TypeError(f"{name}: give either default, in SI, or default_in_unit")
    if not unit:
        raise TypeError(f"{name}: default_in_unit is in a unit, but there is no unit")
    numbers = in_unit if isinstance(in_unit, tuple) else (in_unit,)
    if not all(number is None or (isinstance(number, Real) and not isinstance(number, bool)) for number in numbers):
        raise TypeError(f"{name}: default_in_unit: expected a number or a tuple of numbers, got {in_unit!r}")
    converted = tuple(None if number is None else unit_named(unit).to_si(number) for number in numbers)
    return converted if isinstance(in_unit, tuple) else converted[0]


def option_spec(attribute: attrs.Attribute[Any]) -> OptionSpec | None:
    """The declaration behind an attrs field, or None where the field is not an option."""
    return attribute.metadata.get(_KEY)


def options_of(cls: type) -> list[tuple[str, OptionSpec]]:
    """The options of an attrs class in the order of declaration, as (field name, declaration)."""
    pairs = ((attribute.name, option_spec(attribute)) for attribute in attrs.fields(cls))
    return [(name, spec) for name, spec in pairs if spec is not None]


def _check(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    spec = option_spec(attribute)
    if spec is None or value is None or (isinstance(value, str) and value in spec.words):
        return
    where = f"{type(instance).__name__}.{attribute.name}"
    # Word options without a rule name files; from Python they hold what such a file holds.
    if spec.type is str and spec.rule is None:
        if spec.several and not (isinstance(value, tuple) and all(isinstance(word, str) for word in value)):
            raise InputError(f"{where}: expected a tuple of words, got {quoted(value)}")
        if spec.whole is not None and not spec.whole.accepts(value):
            raise InputError(f"{where}: expected {spec.whole.text}, got {quoted(value)}")
        return
    numbers = singles(value)
    one = spec.length == 1 and not spec.components and not spec.several and spec.whole is None
    if one and spec.type in (float, int) and len(numbers) != 1:
        raise InputError(f"{where}: expected one number, got {len(numbers)}")
    for single in numbers:
        if spec.rule is not None and not spec.rule.accepts(single):
            raise InputError(f"{where}: expected {spec.rule.text}, got {single!r}")
    if spec.several and not isinstance(value, tuple):
        raise InputError(f"{where}: expected a tuple, got {quoted(value)}")
    for each in value if spec.several else (value,):
        if spec.whole is not None and not spec.whole.accepts(singles(each)):
            raise InputError(f"{where}: expected {spec.whole.text}, got {each!r}")


def singles(value: Any) -> list[Any]:
    """The plain values inside a number, a tensor, an array, a tuple or None."""
    if value is None or isinstance(value, str | bool):
        return [value] if isinstance(value, str) else []
    if hasattr(value, "reshape"):
        value = value.detach() if hasattr(value, "detach") else value
        return list(value.reshape(-1).tolist())
    if isinstance(value, tuple | list):
        return [single for element in value for single in singles(element)]
    return [value]
