"""Diffuse scattering of a crystal whose atoms move together over some distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import pi
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from openbragg import NOT_NEGATIVE, POSITIVE, Rule, hookimpl, option
from openbragg_plugins.diffuse.laue import laue_rotations, refuse_other_symmetry

if TYPE_CHECKING:
    import torch

    from openbragg import DiffuseModel, Experiment, Lattice, Miller

#: Reflections further away than this many indices add nothing that could be seen.
_WIDEST = 3
#: Operators whose numbers differ by less than this part are one.
_SAME = 1e-12
_ONE_OR_THREE = Rule("one number, or three along x, y and z", lambda values: len(values) in (1, 3))
_NINE = Rule("nine numbers, three rows of a matrix", lambda values: len(values) == 9)
_STENCIL = Rule(
    f"a whole number from 0 to {_WIDEST}", lambda value: float(value).is_integer() and 0 <= value <= _WIDEST
)
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@attrs.frozen
class GammaSigma:
    """Correlated displacements of the amplitude sigma, whose correlation falls as exp(-r / gamma).

    Each reflection h0 has a halo round it, of which a place h within the cell of the nearest reflection gets, summed
    over the reflections o of a stencil,

        F(h0 + o)^2 N exp(-x) x 8 pi gamma^3 / V / (1 + 4 pi^2 gamma^2 |q(h) - q(h0 + o)|^2)^2,
        x = 4 pi^2 sigma^2 |q(h0)|^2,

    the mean over the rotations of the Laue class; N is the number of cells, V their volume. Sources: Wall, Clarage and
    Phillips, Structure 5, 1599 (1997), for the model of a liquid; diffBragg for its form with a stencil, and with gamma
    and sigma along three axes.

    Attributes
    ----------
    gamma, sigma
        Metres, one number or three along the crystal's axes x (along a*), y (in the plane of a* and b*) and z; numbers
        may be tensors with gradients.
    principal_axes
        Rows of a matrix that indices h, k, l as columns are multiplied by before anything else.
    """

    name: ClassVar[str] = "gamma_sigma"
    summary: ClassVar[str] = "halos round spots, of displacements correlated over a distance"
    flags: ClassVar[tuple[str, ...]] = ()

    gamma: Any = option(
        "-diffuse_gamma",
        length=(1, 3),
        default_in_unit=(50.0,),
        unit="A",
        rule=POSITIVE,
        whole=_ONE_OR_THREE,
        metavar="gamma | x y z",
        help="Distance over which displacements are correlated, or three along the crystal's axes.",
    )
    sigma: Any = option(
        "-diffuse_sigma",
        length=(1, 3),
        default_in_unit=(0.3,),
        unit="A",
        rule=NOT_NEGATIVE,
        whole=_ONE_OR_THREE,
        metavar="sigma | x y z",
        help="Root mean square of the displacements along an axis, or three along the crystal's axes.",
    )
    stencil: int = option(
        "-diffuse_stencil",
        type=int,
        default=0,
        rule=_STENCIL,
        unit="reflections",
        help="How many reflections further in h, k and l each halo is followed.",
    )
    symmetry: str = option(
        "-diffuse_symmetry",
        type=str,
        default="",
        rule=Rule("the name of a space group", lambda value: isinstance(value, str)),
        metavar="GROUP",
        help="Space group over whose rotations halos are averaged. Default: that of the structure factors, or P1.",
    )
    principal_axes: Any = option(
        "-diffuse_principal",
        length=9,
        default=_IDENTITY,
        whole=_NINE,
        metavar="ROWS",
        help="Matrix, row by row, that indices are multiplied by before gamma and sigma count.",
    )
    diffbragg: bool = option(
        "-diffuse_diffbragg",
        type=bool,
        default=False,
        help="As diffBragg: of one cell, of 1 A^3; the mean over the stencil, not the sum; nothing where the nearest "
        "reflection is 0; gamma and sigma along the laboratory's axes.",
    )

    def prepare(
        self, experiment: Experiment, reciprocal_vectors: torch.Tensor, space_group: str, device: torch.device
    ) -> tuple[torch.Tensor, ...]:
        """See `openbragg.DiffuseModel.prepare`.

        Returns
        -------
        A tensor for each operator, (13,): the elements 11, 22, 33, 12, 23, 13 of the quadratic forms of the offset and
        of h0, and the factor of its halo.
        """
        import torch

        group = self.symmetry or space_group
        rotations = laue_rotations(group).to(device)
        metric = reciprocal_vectors @ reciprocal_vectors.T
        refuse_other_symmetry(metric, rotations, group)
        gamma, sigma = (_three(value).to(device) for value in (self.gamma, self.sigma))
        # Columns a*, b*, c*: in the laboratory, or with a* along x and b* in the plane of x and y.
        columns = reciprocal_vectors.T if self.diffbragg else torch.linalg.cholesky(metric).T
        principal = torch.as_tensor(_flat(self.principal_axes), dtype=torch.float64).reshape(3, 3).to(device)
        forms = [
            torch.cat([_form(gamma, columns @ each @ principal), _form(sigma, columns @ each @ principal)])
            for each in rotations
        ]
        height = 8.0 * pi * gamma.prod() * self._scale(experiment, reciprocal_vectors)
        kept = _distinct(forms)
        return tuple(torch.cat([form, (height * count / len(forms)).reshape(1)]) for form, count in kept)

    def _scale(self, experiment: Experiment, reciprocal_vectors: torch.Tensor) -> torch.Tensor | float:
        """What the height of a halo in cubic metres is multiplied by."""
        if self.diffbragg:
            return 1e30 / (2 * self.stencil + 1) ** 3
        cells = experiment.crystal.cells_tensor().det().abs().to(reciprocal_vectors.device)
        return cells * reciprocal_vectors.det().abs()

    def intensity(
        self,
        index: Miller,
        nearest: Miller,
        amplitude: Callable[[Miller], torch.Tensor],
        lattice: Lattice,
        parameters: tuple[torch.Tensor, ...],
    ) -> torch.Tensor:
        """See `openbragg.DiffuseModel.intensity`."""
        from openbragg import Miller

        dtype = lattice.dtype
        operators = [each.to(dtype).unbind(0) for each in parameters]
        places = [value.to(dtype) for value in nearest]
        heights = []
        for numbers in operators:
            spread = _quadratic(numbers[6:12], places)
            heights.append(numbers[12] * (spread * (-spread).exp()))
        offsets = [(one - other).to(dtype) for one, other in zip(index, nearest, strict=True)]
        total = None
        for steps in _steps(self.stencil):
            around = Miller(*(value + step for value, step in zip(nearest, steps, strict=True)))
            away = [value - step for value, step in zip(offsets, steps, strict=True)]
            halos = None
            for numbers, height in zip(operators, heights, strict=True):
                width = 1.0 + _quadratic(numbers[:6], away)
                halo = height / (width * width)
                halos = halo if halos is None else halos + halo
            assert halos is not None
            size = amplitude(around)
            part = halos * (size * size)
            total = part if total is None else total + part
        assert total is not None
        if self.diffbragg and self.stencil:
            total = total * (amplitude(nearest) != 0.0).to(dtype)
        return total


def _steps(stencil: int) -> Iterator[tuple[int, ...]]:
    """The reflections of a stencil, as seen from its middle."""
    return product(range(-stencil, stencil + 1), repeat=3)


def _form(lengths: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """4 pi^2 |lengths x (columns h)|^2 as a quadratic form of h: its elements 11, 22, 33, 12, 23, 13."""
    import torch

    scaled = lengths.unsqueeze(1) * columns
    form = 4.0 * pi**2 * (scaled.T @ scaled)
    return torch.stack([form[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2))])


def _quadratic(elements: Any, at: list[torch.Tensor]) -> torch.Tensor:
    """The value of a quadratic form."""
    (xx, yy, zz, xy, yz, xz), (x, y, z) = elements, at
    value: torch.Tensor = x * (xx * x + 2.0 * (xy * y + xz * z)) + y * (yy * y + 2.0 * yz * z) + zz * z * z
    return value


def _distinct(forms: list[torch.Tensor]) -> list[tuple[torch.Tensor, int]]:
    """The forms that differ, and how many there are of each; all of them where they carry gradients."""
    kept: list[tuple[torch.Tensor, int]] = []
    for form in forms:
        for place, (other, count) in enumerate(kept):
            apart = (form - other).detach().abs().max() > _SAME * form.detach().abs().max()
            if not (form.requires_grad or bool(apart)):
                kept[place] = (other, count + 1)
                break
        else:
            kept.append((form, 1))
    return kept


def _three(value: Any) -> torch.Tensor:
    """One number or three, as three, float64."""
    import torch

    from openbragg import scalar

    numbers = torch.stack([scalar(each) for each in _flat(value)])
    return numbers.expand(3)


def _flat(value: Any) -> list[Any]:
    """The numbers of a number, a tensor, or nested tuples of such."""
    if hasattr(value, "reshape"):
        return list(value.reshape(-1))
    if isinstance(value, tuple | list):
        return [number for part in value for number in _flat(part)]
    return [value]


@hookimpl
def diffuse_models() -> list[type[DiffuseModel]]:
    """Offer the model."""
    return [GammaSigma]
