"""How many examples property tests draw, and where compiled code is kept.

Every run draws the same ones, so that a change is judged by itself. ``HYPOTHESIS_PROFILE=nightly``, or
``--hypothesis-profile=nightly``, draws ten times as many, others each time, and keeps those that fail.
"""

import os
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

#: A test may ask for a multiple of these numbers; no example has a time limit.
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def code_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a test keeps compiled code: nowhere yet. A module whose tests share code says so with one of its own."""
    return tmp_path_factory.getbasetemp() / "code" / uuid4().hex


@pytest.fixture(autouse=True)
def _own_cache(code_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user or another test has compiled does not decide how a test computes."""
    monkeypatch.setenv("OPENBRAGG_CACHE", str(code_folder))
