"""Fixtures for tests of the benchmarks."""

from functools import partial
from pathlib import Path

import pytest

from stand_in import MakeProgram, stand_in


@pytest.fixture
def make_program(tmp_path: Path) -> MakeProgram:
    """Make an executable in the test's folder that stands in for a simulator."""
    return partial(stand_in, tmp_path)
