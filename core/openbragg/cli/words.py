"""What a command says beside its result: lines on stderr."""

from __future__ import annotations

import sys


def warn(text: str) -> None:
    """One line of notice on stderr."""
    print(f"openbragg: {text}", file=sys.stderr)
