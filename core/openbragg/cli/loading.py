"""Loading torch, in which a short command spends most of its time."""

from __future__ import annotations

import gc
import sys


def load_torch() -> None:
    """Import torch, if nobody has, without looking for garbage meanwhile.

    It makes some hundred thousand objects that stay until the process ends. Python would look through them again and
    again, then and whenever others have been made, and would find nothing.
    """
    if "torch" in sys.modules:
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
