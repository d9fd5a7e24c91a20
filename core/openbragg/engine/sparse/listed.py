"""The sum of tiles over listed orientations alone.

It is made of the functions that `evaluate` is made of, as `block_sums` is. What is done once for each sample takes
little beside what is done for each orientation.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch

from openbragg.engine.amplitudes import amplitudes
from openbragg.engine.compiled.block import Evaluations, block_photons
from openbragg.engine.plan import PanelPlan, Plan


@attrs.frozen(eq=False)
class Lists:
    """Which orientations are summed of each row of samples.

    Attributes
    ----------
    kept
        Places of all marks, counted through all columns of all rows, int64, (mark,).
    rows
        Of each row: where its marks begin in `kept`, how many they are, and the place of its first column, from which
        orientations are counted; int64, (row, 3).
    """

    kept: torch.Tensor
    rows: torch.Tensor


def lists_of(kept: torch.Tensor) -> Lists:
    """Lists of what is marked in rows, booleans (row, column)."""
    if kept.device.type == "cpu":
        # Several times as fast as torch's.
        found = torch.from_numpy(np.flatnonzero(kept.numpy()))
    else:
        found = kept.reshape(-1).nonzero().reshape(-1)
    lengths = kept.view(torch.uint8).sum(dim=1, dtype=torch.int32).to(torch.int64)
    first = torch.arange(len(kept), device=kept.device) * kept.shape[1]
    return Lists(found, torch.stack([lengths.cumsum(0) - lengths, lengths, first], dim=1))


def tile_photons(
    plan: Plan,
    panel: PanelPlan,
    slow: torch.Tensor,
    fast: torch.Tensor,
    evaluations: Evaluations,
    intensity: torch.Tensor,
) -> torch.Tensor:
    """Photons of the pixels of tiles, float64, (tile, pixel).

    Parameters
    ----------
    plan, panel
        The sum.
    slow, fast
        Indices of the pixels, float64, (tile, pixel).
    evaluations
        What there is to evaluate of them.
    intensity
        What came out, as `openbragg.engine.sparse.bounds.by_tile` orders it: squared electrons, float64,
        (tile, source, sample).
    """
    shape = evaluations.scattering[0].shape
    split = intensity.reshape(slow.shape[0], shape[3], *shape[:3], slow.shape[1])
    whole = split.permute(2, 3, 4, 1, 0, 5).reshape(shape)
    return block_photons(plan, panel, slow.reshape(-1), fast.reshape(-1), whole, evaluations.weight).reshape(slow.shape)


def listed_intensity(
    plan: Plan,
    samples: Sequence[torch.Tensor],
    vectors: torch.Tensor,
    kept: torch.Tensor,
    lists: torch.Tensor,
) -> torch.Tensor:
    """Intensities of samples, summed over listed orientations: squared electrons, float64, (row, sample).

    Parameters
    ----------
    plan
        The sum.
    samples
        x, y and z of q in 1/metres, float64, (row, sample) each.
    vectors
        Components of the cell vectors of all orientations in metres, float64, (orientation, 9).
    kept, lists
        The lists, none of them empty; see `Lists`.
    """
    # Lists lie across, samples down.
    start, length, first = (lists[:, number].unsqueeze(1) for number in range(3))
    place = torch.arange(int(length.max()), device=lists.device).unsqueeze(0)
    orientation = kept[start + torch.minimum(place, length - 1)] - first
    rows = [[vectors[:, 3 * row + axis][orientation].unsqueeze(1) for axis in range(3)] for row in range(3)]
    x, y, z = (component.unsqueeze(2) for component in samples)
    intensity = amplitudes(plan, (x, y, z), rows).intensity
    if plan.domain_weights is not None:
        # Domains are what changes first from one orientation to the next.
        weight = plan.domain_weights[orientation % plan.domain_weights.shape[0]]
        intensity = intensity * weight.to(intensity.dtype).unsqueeze(1)
    # Shorter lists than the longest end before.
    return (intensity * (place < length).to(intensity.dtype).unsqueeze(1)).sum(dim=2, dtype=torch.float64)
