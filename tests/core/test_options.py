"""Options: defaults in their units, and the words by which Python names them."""

from math import pi
from typing import Any

import attrs
import pytest

import openbragg
from command_line import run
from openbragg import UsageError, option
from openbragg.options import option_spec


def made(**declaration: Any) -> Any:
    """The value of an option that nobody sets."""
    return attrs.make_class("Holder", {"value": option("-value", help="A value.", **declaration)})().value


@pytest.mark.parametrize(
    ("unit", "given", "held"),
    [
        ("A^2", 20.0, 20e-20),
        ("mm", 150, 0.15),
        ("deg", 180.0, pi),
        ("eV", 12398.42, 1e-10),
        ("pixels", 3.0, 3.0),
        ("A", (1.0, None, 2.0), (1e-10, None, 2e-10)),
    ],
)
def test_a_default_in_its_unit_is_held_in_si(unit: str, given: Any, held: Any) -> None:
    found = made(default_in_unit=given, unit=unit, length=len(held) if isinstance(held, tuple) else 1)
    assert found == (held if isinstance(held, tuple) else pytest.approx(held, rel=1e-15))


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({"default": 1.0, "default_in_unit": 1.0, "unit": "mm"}, "either default, in SI, or default_in_unit"),
        ({"default_in_unit": 1.0}, "there is no unit"),
        ({"default_in_unit": "20", "unit": "mm"}, "expected a number or a tuple of numbers, got '20'"),
        ({"default_in_unit": True, "unit": "mm"}, "expected a number or a tuple of numbers, got True"),
    ],
)
def test_a_default_that_can_be_none_is_refused_with_its_flag(declaration: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=f"-value: .*{said}"):
        made(**declaration)


def test_a_default_in_its_unit_obeys_the_rule() -> None:
    with pytest.raises(openbragg.InputError, match="expected a number above 0"):
        made(default_in_unit=-1.0, unit="mm", rule=openbragg.POSITIVE)


def test_the_docstring_of_option_says_that_fields_hold_si() -> None:
    text = " ".join(str(option.__doc__).split())
    assert "The field always holds SI units and radians" in text
    assert "default_in_unit=20.0" in text


def test_an_option_is_named_by_its_field_or_by_its_flag() -> None:
    for word in ("file", "hkl"):
        made = openbragg.plugin("structure_factors", "hkl", **{word: "a.hkl", "default_F": 2.0})
        assert (made.file, made.default_F) == ("a.hkl", 2.0)


def test_a_flag_names_an_option_whose_value_is_in_si_all_the_same() -> None:
    (field, spec), *_ = (
        (attribute.name, found)
        for attribute in attrs.fields(type(openbragg.plugin("backgrounds", "ice")))
        if (found := option_spec(attribute)) is not None and found.unit == "mm"
    )
    by_flag = openbragg.plugin("backgrounds", "ice", **{spec.flags[0].lstrip("-"): 1e-4})
    assert getattr(by_flag, field) == 1e-4


def test_a_wrong_keyword_gets_the_right_ones_with_their_flags() -> None:
    with pytest.raises(UsageError) as caught:
        openbragg.plugin("structure_factors", "hkl", defaultF=2.0)
    text = str(caught.value)
    assert "hkl of openbragg" in text and "no option 'defaultF'; did you mean default_F?" in text
    assert "file (-hkl), default_F (-default_F)" in text and "\n" not in text


def test_one_option_by_two_names_is_refused() -> None:
    with pytest.raises(UsageError, match="the option file is given twice"):
        openbragg.plugin("structure_factors", "hkl", file="a.hkl", hkl="b.hkl")


def test_plugins_shows_a_default_in_its_unit_and_in_si() -> None:
    rows = [line.split() for line in run("plugins").out.splitlines()]
    assert ["plugin", "flag", "unit", "default", "default", "in", "SI"] in rows
    (row,) = (row for row in rows if "-air_path" in row)
    assert row[-3:] == ["mm", "35", "0.035"]
