"""The version of this program."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version


@cache
def own_version() -> str:
    """The version of the installed distribution."""
    return version("openbragg")
