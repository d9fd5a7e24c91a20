"""The crystal: its cell and orientation, its size and its mosaic structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from openbragg.errors import InputError
from openbragg.model.scalars import Scalar, Vector
from openbragg.options import COUNT_OR_NONE, MATRIX, NOT_NEGATIVE, POSITIVE, SEED, option, singles

if TYPE_CHECKING:
    import torch

#: Seed of the mosaic domains when none is given: the reference program's value.
DEFAULT_MOSAIC_SEED = 12345678


@attrs.frozen
class Crystal:
    """A crystal of whole unit cells, or of an ensemble of slightly misoriented mosaic domains.

    Either `cell` or `reciprocal_vectors` must be given. With both, the vectors give the directions of the axes
    and the cell their lengths and the volume, as in the reference program.

    Attributes
    ----------
    cell
        a, b, c in metres and alpha, beta, gamma in radians; six numbers or tensors. Alone, it is set with a* along x
        and b* in the xy plane.
    reciprocal_vectors
        The rows a*, b*, c* as x, y, z in 1/metres, shape (3, 3): the orientation with all rotations at zero.
    misset
        Rotations of the crystal about the laboratory's x, then y, then z axis, in radians; or ``"random"``.
    cells
        Number of unit cells along a, b and c. Whole for shapes that count cells (square); others take any positive
        number, also a tensor with a gradient.
    cells_offdiagonal
        Of shapes that take N as a symmetric tensor, its elements (a, b), (b, c) and (a, c); `cells` is its diagonal.
    scale
        What the photons of the crystal are multiplied by; those of backgrounds and water are not.
    volume
        In cubic metres; in place of none, `scale` is that many coherent blocks.
    """

    cell: tuple[Scalar, ...] | None = option(
        "-cell",
        length=(1, 6),
        metavar="a b c alpha beta gamma",
        help="Unit cell in A and degrees; b and c default to a, the angles to 90.",
    )
    reciprocal_vectors: Any = option(
        "-mat",
        "-matrix",
        type=str,
        input=True,
        whole=MATRIX,
        metavar="FILE",
        help="MOSFLM orientation matrix: columns a*, b*, c*, times the wavelength.",
    )
    misset: Vector | str | None = option(
        "-misset",
        length=(1, 3),
        unit="deg",
        words=("random",),
        metavar="x y z | random",
        help="Rotate the crystal about x, then y, then z; or take a random orientation.",
    )
    misset_seed: int | None = option(
        "-misset_seed", type=int, rule=SEED, help="Seed of -misset random. Default: the clock."
    )
    cells: Vector = option(
        "-N",
        components=(("-Na",), ("-Nb",), ("-Nc",)),
        default=(1, 1, 1),
        type=float,
        rule=POSITIVE,
        unit="cells",
        parts=("along a", "along b", "along c"),
        help="Unit cells along every axis.",
    )
    cells_offdiagonal: Vector = option(
        "-N_offdiagonal",
        length=(3, 3),
        default=(0.0, 0.0, 0.0),
        unit="cells",
        metavar="Nd Ne Nf",
        help="What couples a with b, b with c, and a with c, where N is a symmetric tensor; for shapes that take one.",
    )
    size: tuple[Scalar | None, Scalar | None, Scalar | None] = option(
        "-xtalsize",
        "-xtal_size",
        "-samplesize",
        "-sample_size",
        components=(
            ("-xtal_x", "-xtal_thick", "-sample_x", "-sample_thick"),
            ("-xtal_y", "-xtal_width", "-sample_y", "-sample_width", "-width"),
            ("-xtal_z", "-xtal_height", "-sample_z", "-sample_height", "-height"),
        ),
        default=(None, None, None),
        unit="mm",
        rule=NOT_NEGATIVE,
        parts=("along a", "along b", "along c"),
        help="Width of the crystal, instead of the number of cells; rounded up to whole cells.",
    )
    fudge: Scalar = option(
        "-fudge",
        default=1.0,
        rule=NOT_NEGATIVE,
        help="Widens (below 1) or narrows (above 1) the spots of the round, gauss and tophat shapes.",
    )
    scale: Scalar = option(
        "-crystal_scale",
        default=1.0,
        rule=NOT_NEGATIVE,
        help="Times this many crystals, or blocks of one, that scatter alike and do not interfere; backgrounds stay.",
    )
    volume: Scalar | None = option(
        "-crystal_volume",
        unit="um^3",
        rule=POSITIVE,
        help="Volume of the crystal, of which -N is a coherent block: as many blocks scatter as fill it.",
    )
    water: Scalar = option(
        "-water",
        default=0.0,
        unit="microns",
        rule=NOT_NEGATIVE,
        help="Width of a cube of water in the beam with the crystal, which adds an even background.",
    )
    mosaic_spread: Scalar | None = option(
        "-mosaic",
        "-mosaicity",
        "-mosaic_spread",
        unit="deg",
        rule=NOT_NEGATIVE,
        help="How far mosaic domains are turned: of the model nanobragg the largest rotation; 90 makes a powder.",
    )
    mosaic_domains: int | None = option(
        "-mosaic_domains",
        "-mosaic_dom",
        type=int,
        rule=COUNT_OR_NONE,
        unit="domains",
        help="Number of mosaic domains. Default: 10 with a mosaic spread, else 1.",
    )
    mosaic_seed: int = option(
        "-mosaic_seed",
        type=int,
        rule=SEED,
        default=DEFAULT_MOSAIC_SEED,
        help="Seed of the orientations of the mosaic domains.",
    )

    def __attrs_post_init__(self) -> None:
        if self.cell is None and self.reciprocal_vectors is None:
            raise InputError("Crystal: give a unit cell or the reciprocal vectors")
        if self.cell is not None and len(self.cell) != 6:
            raise InputError(f"Crystal.cell: expected 6 numbers (a b c alpha beta gamma), got {len(self.cell)}")
        angles = singles(self.misset)
        if len(angles) != 3 and self.misset is not None and not isinstance(self.misset, str):
            raise InputError(f"Crystal.misset: expected 3 angles or 'random', got {len(angles)}")

    def cells_tensor(self) -> torch.Tensor:
        """N as a symmetric tensor: `cells` on the diagonal, `cells_offdiagonal` beside it; float64, shape (3, 3)."""
        import torch

        from openbragg.model.vectors import vector

        (a, b, c), (d, e, f) = vector(self.cells).unbind(0), vector(self.cells_offdiagonal).unbind(0)
        return torch.stack([torch.stack([a, d, f]), torch.stack([d, b, e]), torch.stack([f, e, c])])

    def oriented_vectors(self) -> torch.Tensor:
        """Real-space cell vectors at phi = 0 without mosaic rotation: rows a, b, c in metres, shape (3, 3), float64.

        Raises
        ------
        InputError
            When the cell has no volume.
        """
        from openbragg.model.lattice import oriented_bases

        return oriented_bases(self)[0]
