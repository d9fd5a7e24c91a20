"""Normal equations of many stills: a block of each, bordered by what all share.

Parameters of one still meet those of another in no pixel. So each block is eliminated on its own, and what is left is
the Schur complement, as large as what is shared; the blocks follow by substitution. Source: Triggs, McLauchlan, Hartley
and Fitzgibbon, Bundle adjustment, LNCS 1883, 298 (2000).
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Eigenvalues of a block with ones on its diagonal below this are of directions that nothing determines.
_NOTHING = 1e-12
#: Singular values of what is left for the shared parameters that are taken for 0, in parts of the largest.
_SINGULAR = 1e-13


@attrs.frozen(eq=False)
class Block:
    """Of one still.

    Attributes
    ----------
    matrix
        Of its own parameters, (own, own).
    border
        Of its own and what is shared, (own, shared).
    gradient
        Of its own, (own,).
    """

    matrix: Array
    border: Array
    gradient: Array

    def eliminated(self, damping: float = 0.0) -> tuple[Array, Array]:
        """The block's inverse, its diagonal increased, times border and gradient: (own, shared) and (own,)."""
        size = np.sqrt(np.maximum(np.diag(self.matrix), 0.0))
        size[size == 0.0] = np.inf
        scaled = self.matrix / np.outer(size, size)
        scaled[np.diag_indices_from(scaled)] = 1.0 + damping
        eigenvalues, vectors = np.linalg.eigh(scaled)
        kept = eigenvalues > _NOTHING
        right = vectors[:, kept].T @ (np.column_stack([self.border, self.gradient]) / size[:, None])
        solved = (vectors[:, kept] @ (right / eigenvalues[kept, None])) / size[:, None]
        return solved[:, :-1], solved[:, -1]


def boxed(matrix: Array, right: Array, farthest: Array) -> Array:
    """The solution of normal equations none of whose numbers is farther from 0 than it may be, (parameters,).

    What would go too far stops there, and the others follow: a parameter that the data hardly know does not shorten the
    steps of those that they know.
    """
    made = np.zeros(len(right))
    free = np.ones(len(right), dtype=bool)
    size = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    while free.any():
        rest = (right - matrix[:, ~free] @ made[~free])[free] / size[free]
        scaled = matrix[np.ix_(free, free)] / np.outer(size[free], size[free])
        made[free] = np.linalg.lstsq(scaled, rest, rcond=_SINGULAR)[0] / size[free]
        beyond = free & (np.abs(made) > farthest)
        if not beyond.any():
            break
        made[beyond] = np.sign(made[beyond]) * farthest[beyond]
        free &= ~beyond
    return made


@attrs.frozen(eq=False)
class Bordered:
    """Of all stills.

    Attributes
    ----------
    blocks
        One a still.
    shared
        The matrix of what is shared, with its priors and what is held, (shared, shared).
    gradient
        Of what is shared, (shared,).
    """

    blocks: tuple[Block, ...]
    shared: Array
    gradient: Array

    def step(self, damping: float, farthest: Array | None = None) -> tuple[Array, list[Array]]:
        """The step of what is shared, and of each still, with the diagonal increased.

        `farthest` is how far each shared parameter may go, (shared,).
        """
        matrix, right = self.shared.copy(), self.gradient.copy()
        diagonal = np.diag_indices_from(matrix)
        matrix[diagonal] *= 1.0 + damping
        eliminated = [block.eliminated(damping) for block in self.blocks]
        for block, (by_shared, own) in zip(self.blocks, eliminated, strict=True):
            matrix -= block.border.T @ by_shared
            right -= block.border.T @ own
        # What nothing depends on stays.
        dead = np.diag(self.shared) <= 0.0
        matrix[dead, dead] = 1.0
        step = boxed(matrix, right, np.full(len(right), np.inf) if farthest is None else farthest)
        return step, [own - by_shared @ step for by_shared, own in eliminated]

    def complement(self) -> Array:
        """The normal matrix of what is shared, from which every still has been taken out, (shared, shared)."""
        matrix = self.shared.copy()
        for block in self.blocks:
            matrix -= block.border.T @ block.eliminated()[0]
        return matrix

    def own(self, number: int, complement: Array) -> Array:
        """The normal matrix of one still's parameters, from which all else has been taken out, (own, own)."""
        block = self.blocks[number]
        if not len(complement):
            return block.matrix
        # What the others say of what is shared, and this one where its own parameters are known.
        known = complement + block.border.T @ block.eliminated()[0]
        size = np.sqrt(np.maximum(np.diag(known), 0.0))
        size[size == 0.0] = np.inf
        inverse = np.linalg.pinv(known / np.outer(size, size), rcond=_NOTHING, hermitian=True) / np.outer(size, size)
        made: Array = block.matrix - block.border @ inverse @ block.border.T
        return made

    def promised(self, step: Array, own: list[Array]) -> float:
        """What a step should save of the loss."""
        saved = 2.0 * self.gradient @ step - step @ self.shared @ step
        for block, part in zip(self.blocks, own, strict=True):
            saved += 2.0 * block.gradient @ part - part @ block.matrix @ part - 2.0 * part @ block.border @ step
        return float(saved)
