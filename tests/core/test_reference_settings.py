"""Random settings against a reference executable, where the environment names one."""

from __future__ import annotations

import pytest

import command_line
from reference_settings import VARIABLE, Setting, difference, executable, settings

#: Settings of a seed of its own; the script runs as many as it is asked for.
SEED, NUMBER = 2, 12


@pytest.mark.parametrize("number", range(NUMBER))
def test_a_random_setting_is_the_reference_s_on_request(number: int) -> None:
    program = executable()
    if program is None:
        pytest.skip(f"{VARIABLE} names no executable")
    setting = list(settings(SEED, number + 1))[-1]
    found = difference(program, setting, "double")
    assert found is None, f"{found}: {setting}"


def test_the_settings_of_a_seed_are_always_the_same_and_of_flags_that_are_known() -> None:
    few: list[Setting] = list(settings(SEED, 20))
    assert few == list(settings(SEED, 30))[:20]
    assert few != list(settings(SEED + 1, 20))
    for setting in few:
        assert command_line.parsed(*setting.words)
