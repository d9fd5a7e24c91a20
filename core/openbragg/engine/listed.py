"""The sum of tiles over listed orientations alone.

It is made of the functions that `evaluate` is made of, as `block_sums` is. What is done for each orientation is one
function of tensors, which a compiler can fuse; what is done once for each sample takes little beside.
"""

from __future__ import annotations

import torch

from openbragg.engine.amplitudes import amplitudes
from openbragg.engine.block import Evaluations, block_photons
from openbragg.engine.plan import PanelPlan, Plan


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
        What came out, as `openbragg.engine.bounds.by_tile` orders it: squared electrons, float64,
        (tile, source, sample).
    """
    shape = evaluations.scattering[0].shape
    split = intensity.reshape(slow.shape[0], shape[3], *shape[:3], slow.shape[1])
    whole = split.permute(2, 3, 4, 1, 0, 5).reshape(shape)
    return block_photons(plan, panel, slow.reshape(-1), fast.reshape(-1), whole, evaluations.weight).reshape(slow.shape)


def listed_intensity(
    plan: Plan, x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, vectors: torch.Tensor, counted: torch.Tensor
) -> torch.Tensor:
    """Intensities of samples, summed over listed orientations: squared electrons, float64, (row, sample).

    Parameters
    ----------
    plan
        The sum.
    x, y, z
        Of q in 1/metres, float64, (row, sample).
    vectors
        Components of the cell vectors of the orientations in a row's list, in metres, float64, (9, row, number).
    counted
        1 where a list has so many, 0 beyond, in the precision of amplitudes, (row, number).
    """
    # Lists lie across, samples down: the order in which a compiler fuses the sum over lists. A list stays in the cache
    # nearest to the processor for all samples.
    rows = [[vectors[3 * row + axis].unsqueeze(1) for axis in range(3)] for row in range(3)]
    found = amplitudes(plan, (x.unsqueeze(2), y.unsqueeze(2), z.unsqueeze(2)), rows)
    return (found.intensity * counted.unsqueeze(1)).sum(dim=2, dtype=torch.float64)
