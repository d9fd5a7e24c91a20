"""What the device of a sum has room for, and waiting for it."""

from __future__ import annotations

import torch

#: Terms evaluated at once on a GPU, enough to fill it; and what a term takes at most, where nothing is fused.
MOST_TERMS, _BYTES_PER_TERM = 1 << 24, 256
#: The same of evaluations where it is.
MOST_EVALUATIONS, _BYTES_PER_EVALUATION = 1 << 22, 1024


def device_terms(device: torch.device) -> int:
    """Terms to evaluate at once on a GPU: as many as fill it, in half of the memory that is free there."""
    return max(1, min(MOST_TERMS, _free(device) // 2 // _BYTES_PER_TERM))


def device_evaluations(device: torch.device) -> int:
    """The same of evaluations by compiled code, in which terms do not pass through memory."""
    return max(1, min(MOST_EVALUATIONS, _free(device) // 2 // _BYTES_PER_EVALUATION))


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _free(device: torch.device) -> int:
    """Bytes of a GPU's memory that nobody uses."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 1 << 34
