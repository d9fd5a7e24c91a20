"""Properties of a mosaic model."""

from __future__ import annotations

from typing import Any

import attrs
import torch
from hypothesis import strategies as st

from openbragg.model import Crystal
from openbragg.roles import ClosedMosaicModel, MosaicBlocks, MosaicModel
from openbragg.testing.assertions import for_all, require, require_close
from openbragg.testing.declaration import check_declaration
from openbragg.units import ANGSTROM

#: Rounding of a few float64 operations.
_DOUBLE = 1e-12
#: How far rotations from a file may be from orthonormal.
_ORTHONORMAL = 1e-5
#: Rotations of 8 digits: the reference rounds its angles to single precision.
_SINGLE = 1e-6
#: Spreads of the examples, in radians, and numbers of domains.
_SPREADS = st.sampled_from([1e-6, 1e-3, 0.01, 0.1])
_NUMBERS = st.sampled_from([None, 2, 10, 64])
_SEEDS = st.integers(1, 2**31 - 2)
#: Few and many domains, between which the mean over all of them converges.
_FEW, _MANY = 64, 4096
#: The spread at which laws are compared, in radians: small, so that rotations add like vectors.
_SMALL = 1e-3
#: How far the deviation of so many random rotations may be from the law's, in standard errors of theirs.
_STANDARD_ERRORS = 6.0
#: Step of a central difference, relative, and how far a gradient may be from it.
_STEP, _SLOPE_ERROR = 1e-4, 1e-6


def check_mosaic_model(model: Any, *, deviation: float | None = None) -> None:
    """Everything below.

    Parameters
    ----------
    model
        An instance, with all options that it needs.
    deviation
        Standard deviation of the rotations about one axis, over the spread; None for a model that has no part in the
        crystal's spread.

    Raises
    ------
    AssertionError
        With the property that does not hold, and the numbers.
    """
    check_declaration(model, MosaicModel)
    check_mosaic_rotations(model, spread=deviation is not None)
    check_mosaic_weights(model, spread=deviation is not None)
    if deviation is not None:
        check_mosaic_spread(model, deviation)


def mosaic_blocks(
    model: MosaicModel, spread: Any = None, domains: int | None = None, seed: int = 1, scale: float = 1.0
) -> MosaicBlocks:
    """The blocks of a model, as a simulation asks for them.

    Parameters
    ----------
    model
        A model.
    spread
        The crystal's, in radians; a number, a tensor, or None.
    domains
        How many are asked for; None for the model's own number.
    seed
        Of the orientations.
    scale
        Of the edges of the crystal's cell, a triclinic one of 40 x 50 x 60 angstroms.
    """
    edges = tuple(scale * edge * ANGSTROM for edge in (40.0, 50.0, 60.0))
    crystal = Crystal(cell=(*edges, 1.4, 1.7, 1.5), mosaic_spread=spread, mosaic_domains=domains, mosaic_seed=seed)
    count = model.domains(crystal)
    resolved = attrs.evolve(crystal, mosaic_spread=0.0 if spread is None else spread, mosaic_domains=count)
    return model.blocks(resolved, crystal.oriented_vectors())


def mosaic_deviation(blocks: MosaicBlocks) -> torch.Tensor:
    """Root of the mean square of the blocks' rotations about one axis, over all axes, in radians: float64, ()."""
    rotations = blocks.rotations
    skew = rotations - rotations.transpose(-1, -2)
    # The vector part of a rotation by w about u is 2 sin(w) u; with the trace that is an angle, however small.
    sines = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], dim=1).norm(dim=1) / 2.0
    cosines = (rotations.diagonal(dim1=1, dim2=2).sum(dim=1) - 1.0) / 2.0
    squares = torch.atan2(sines, cosines).square()
    weights = torch.full_like(squares, 1.0 / len(squares)) if blocks.weights is None else blocks.weights
    return ((weights * squares).sum() / 3.0).sqrt()


def check_mosaic_rotations(model: MosaicModel, spread: bool = True) -> None:
    """There are as many rotations as announced, float64, orthonormal and proper; asked again, the same ones.

    They do not hang on how large the cell is. Without a spread, of a model that has a part in it, nothing is turned.
    """

    def are_rotations(size: float, number: int | None, seed: int) -> None:
        spreads, domains = (size, number) if spread else (None, None)
        blocks, again, larger = (mosaic_blocks(model, spreads, domains, seed, scale) for scale in (1.0, 1.0, 2.0))
        turns = blocks.rotations
        edges = torch.eye(3, dtype=torch.float64)
        count = model.domains(Crystal(reciprocal_vectors=edges, mosaic_spread=spreads, mosaic_domains=domains))
        where = f"of the spread {size} and {number} domains"
        require(tuple(turns.shape) == (count, 3, 3), f"{count} domains {where} are {tuple(turns.shape)}")
        require(turns.dtype == torch.float64, f"rotations {where} are {turns.dtype}, expected float64")
        product = turns @ turns.transpose(1, 2)
        identity = torch.eye(3, dtype=torch.float64)
        require_close(
            product, identity.expand_as(product), f"a rotation {where}, times its inverse", absolute=_ORTHONORMAL
        )
        require(bool((torch.linalg.det(turns) > 0.0).all()), f"a rotation {where} is a reflection")
        require_close(again.rotations, turns, f"rotations {where}, asked again")
        require_close(larger.rotations, turns, f"rotations {where} in a larger cell", absolute=_DOUBLE)

    for_all(are_rotations, _SPREADS, _NUMBERS, _SEEDS)
    if spread and not isinstance(model, ClosedMosaicModel):
        still = mosaic_blocks(model).rotations
        require_close(still, torch.eye(3, dtype=torch.float64).expand_as(still), "a rotation without a spread")


def check_mosaic_weights(model: MosaicModel, spread: bool = True) -> None:
    """Weights, where there are any, are one a domain, 0 or more, and add up to 1."""

    def are_weights(size: float, number: int | None, seed: int) -> None:
        spreads, domains = (size, number) if spread else (None, None)
        blocks = mosaic_blocks(model, spreads, domains, seed)
        if blocks.weights is None:
            return
        shape = tuple(blocks.weights.shape)
        require(shape == (len(blocks.rotations),), f"{len(blocks.rotations)} domains have weights {shape}")
        require(bool((blocks.weights >= 0.0).all()), "a weight is below 0")
        require_close(blocks.weights.sum(), 1.0, "the sum of the weights", absolute=_DOUBLE)

    for_all(are_weights, _SPREADS, _NUMBERS, _SEEDS)


def check_mosaic_spread(model: MosaicModel, deviation: float) -> None:
    """Rotations deviate about one axis by as much as the spread says, and the more domains, the closer.

    A gradient by the spread agrees with a central difference. A model in closed form says its deviation.
    """
    if isinstance(model, ClosedMosaicModel):
        crystal = Crystal(reciprocal_vectors=torch.eye(3, dtype=torch.float64), mosaic_spread=_SMALL)
        require_close(model.deviation(crystal), deviation * _SMALL, "the deviation", relative=_DOUBLE)
        return

    def deviates(seed: int) -> None:
        # The square of a normal number varies by a root of 2; of other laws that count here, by less.
        for number in (_FEW, _MANY):
            found = float(mosaic_deviation(mosaic_blocks(model, _SMALL, number, seed))) / _SMALL
            error = _STANDARD_ERRORS / (2.0 * number) ** 0.5
            sentence = f"the deviation of {number} domains about one axis, over the spread"
            require_close(found, deviation, sentence, relative=error)

    for_all(deviates, _SEEDS, examples=5)
    for size in (_SMALL, 0.05):
        leaf = torch.tensor(size, dtype=torch.float64, requires_grad=True)
        blocks = mosaic_blocks(model, leaf, _FEW)
        (slope,) = torch.autograd.grad(blocks.rotations[:, 0, 1].sum(), leaf)
        ahead, behind = (mosaic_blocks(model, size * factor, _FEW) for factor in (1.0 + _STEP, 1.0 - _STEP))
        wanted = (ahead.rotations[:, 0, 1].sum() - behind.rotations[:, 0, 1].sum()) / (2.0 * _STEP * size)
        # Angles may be rounded to single precision where there is no gradient.
        allowed = _FEW * (_SLOPE_ERROR + _SINGLE / _STEP)
        require_close(slope, wanted, f"the gradient of rotations by a spread of {size}", absolute=allowed)
