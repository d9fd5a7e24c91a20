"""The sum of tiles over listed orientations alone.

It is made of the functions that `evaluate` is made of, as `block_sums` is. What is done for each orientation is one
function of tensors, which a compiler can fuse; what is done once for each sample takes little beside.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from openbragg.engine.amplitudes import amplitudes
from openbragg.engine.block import block_photons, evaluations_of
from openbragg.engine.bounds import by_tile
from openbragg.engine.plan import PanelPlan, Plan

Summed = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def listed_photons(
    plan: Plan, panel: PanelPlan, slow: torch.Tensor, fast: torch.Tensor, listed: torch.Tensor, summed: Summed
) -> torch.Tensor:
    """Photons of the pixels of tiles, float64, (tile, pixel).

    Parameters
    ----------
    plan, panel
        The sum.
    slow, fast
        Indices of the pixels, float64, (tile, pixel).
    listed
        Numbers of the orientations to sum over, int64, (number, tile, source); those below 0 fill a list that is
        shorter than others.
    summed
        What `listed_intensity` gives for q and lists.
    """
    tiles, pixels = slow.shape
    evaluations = evaluations_of(plan, panel, slow.reshape(-1), fast.reshape(-1))
    layer, along_slow, along_fast, source = evaluations.scattering[0].shape[:4]
    scattering = torch.stack([by_tile(component, pixels) for component in evaluations.scattering])
    intensity = summed(scattering, listed).reshape(tiles, source, layer, along_slow, along_fast, pixels)
    whole = intensity.permute(2, 3, 4, 1, 0, 5).reshape(evaluations.scattering[0].shape)
    return block_photons(plan, panel, slow.reshape(-1), fast.reshape(-1), whole, evaluations.weight).reshape(slow.shape)


def listed_intensity(plan: Plan, scattering: torch.Tensor, listed: torch.Tensor) -> torch.Tensor:
    """Intensities of samples, summed over listed orientations: squared electrons, float64, (tile, source, sample).

    Parameters
    ----------
    plan
        The sum.
    scattering
        x, y, z of q in 1/metres, float64, (3, tile, source, sample).
    listed
        See `listed_photons`.
    """
    tiles, source, samples = scattering.shape[1:]
    # Lists down and samples across, of which neighbours lie side by side: the compiler's innermost loop runs over
    # these, and an element of a list, with the cell vectors that belong to it, is read once for all of them.
    x, y, z = scattering.reshape(3, -1, 1, samples).unbind(0)
    places = listed.reshape(listed.shape[0], -1).T.unsqueeze(2)
    start = places.clamp(min=0) * 9
    vectors = plan.cell_vectors.reshape(-1)
    rows = [[vectors[start + (3 * row + axis)] for axis in range(3)] for row in range(3)]
    found = amplitudes(plan, (x, y, z), rows)
    intensity = torch.where(places >= 0, found.intensity, 0.0).sum(dim=1, dtype=torch.float64)
    return intensity.reshape(tiles, source, samples)
