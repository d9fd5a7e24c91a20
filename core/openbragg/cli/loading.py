"""Loading torch, in which a short command spends most of its time."""

from __future__ import annotations

import gc
import os
import sys

#: How threads of OpenMP wait, which its library reads when it is loaded.
_WAITING = "OMP_WAIT_POLICY"


def load_torch() -> None:
    """Import torch, if nobody has, without looking for garbage meanwhile, and with threads that sleep when idle.

    It makes some hundred thousand objects that stay until the process ends. Python would look through them again and
    again, then and whenever others have been made, and would find nothing. And OpenMP's threads would turn in circles
    for milliseconds after each operation, on the cores on which the blocks of an image are summed.
    """
    if "torch" in sys.modules:
        return
    enabled = gc.isenabled()
    chosen = _WAITING in os.environ
    if not chosen:
        os.environ[_WAITING] = "PASSIVE"
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        if not chosen:
            del os.environ[_WAITING]
        gc.freeze()
        if enabled:
            gc.enable()
