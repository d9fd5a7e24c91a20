"""Mosaic blocks whose rotations are given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import InputError, hookimpl, option
from openbragg_plugins.mosaic.rotation_files import read_rotations
from openbragg_plugins.mosaic.spreads import degrees_of, is_spread

if TYPE_CHECKING:
    import torch

    from openbragg import Crystal, MosaicBlocks, MosaicModel

#: How far from orthonormal the rows of a rotation may be: it may be typed with six digits.
_ROUNDING = 1e-5


@attrs.frozen(eq=False)
class Listed:
    """A list of rotations about laboratory axes, with weights.

    Attributes
    ----------
    file
        A JSON or ``.npy`` file, see docs/explanation/mosaicity.md.
    rotations
        In its place, (rotations, 3, 3): matrices that act on column vectors. Tensors may carry gradients.
    weights
        With it the part of the crystal that each stands for, (rotations,), in any unit; alike by default.
    """

    name: ClassVar[str] = "list"
    summary: ClassVar[str] = "rotations with weights from a file, or from Python"
    flags: ClassVar[tuple[str, ...]] = ()

    file: Path | None = option(
        "-mosaic_rotations",
        type=Path,
        metavar="FILE",
        help="Rotation matrices of the mosaic domains, with weights: JSON or .npy.",
    )
    rotations: Any = attrs.field(default=None, kw_only=True)
    weights: Any = attrs.field(default=None, kw_only=True)

    def domains(self, crystal: Crystal) -> int:
        """See `openbragg.MosaicModel.domains`: as many as are listed.

        Raises
        ------
        InputError
            When the list cannot be used, or the crystal has another number of domains, or a spread.
        """
        count = len(self._given()[0])
        if is_spread(crystal):
            raise InputError(f"-mosaic ({degrees_of(crystal):.6g} degrees) has no part in the mosaic model {self.name}")
        if crystal.mosaic_domains and crystal.mosaic_domains != count:
            raise InputError(f"-mosaic_domains is {crystal.mosaic_domains}, and {count} rotations are listed")
        return count

    def blocks(self, crystal: Crystal, axes: torch.Tensor) -> MosaicBlocks:
        """See `openbragg.MosaicModel.blocks`."""
        from openbragg import MosaicBlocks

        rotations, weights = self._given()
        return MosaicBlocks(rotations, None if weights is None else weights / weights.sum())

    def _given(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The rotations, (rotations, 3, 3), and the weights, checked.

        Raises
        ------
        InputError
            When they cannot be used.
        """
        if (self.file is None) == (self.rotations is None):
            raise InputError(f"the mosaic model {self.name} needs rotations: give -mosaic_rotations FILE, or an array")
        if self.file is not None:
            found, parts = read_rotations(self.file)
            return _checked(f"{self.file}: ", found, parts)
        return _checked(f"the mosaic model {self.name}: ", self.rotations, self.weights)


def _checked(where: str, rotations: Any, weights: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    import torch

    try:
        turns = torch.as_tensor(rotations, dtype=torch.float64, device="cpu")
        parts = None if weights is None else torch.as_tensor(weights, dtype=torch.float64, device="cpu")
    except (ValueError, TypeError, RuntimeError, OverflowError):
        raise InputError(f"{where}expected rotation matrices and weights, in numbers") from None
    if turns.dim() != 3 or turns.shape[1:] != (3, 3) or not len(turns):
        raise InputError(f"{where}expected rotation matrices, (rotations, 3, 3), got {tuple(turns.shape)}")
    plain = turns.detach()
    off = (plain @ plain.transpose(1, 2) - torch.eye(3, dtype=torch.float64)).abs().amax(dim=(1, 2))
    bad = ~((off <= _ROUNDING) & (torch.linalg.det(plain) > 0.0))
    if bool(bad.any()):
        raise InputError(f"{where}matrix {int(bad.nonzero()[0]) + 1} of {len(turns)} is no proper rotation")
    if parts is None:
        return turns, None
    if parts.shape != turns.shape[:1]:
        raise InputError(f"{where}expected {len(turns)} weights, one for each rotation, got {tuple(parts.shape)}")
    if not bool((parts.detach() >= 0.0).all()) or not 0.0 < float(parts.detach().sum()) < float("inf"):
        raise InputError(f"{where}expected weights of 0 or more, not all 0")
    return turns, parts


@hookimpl
def mosaic_models() -> list[type[MosaicModel]]:
    """Offer the model."""
    return [Listed]
