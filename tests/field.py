"""Files of ``shared/field``: small inputs as people really have them, beside the project where they are kept."""

from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "shared" / "field"


def field(name: str) -> Path:
    """One of the files; the test is skipped where they are not."""
    found = _FOLDER / name
    if not found.is_file():
        pytest.skip(f"there is no shared/field/{name}")
    return found
