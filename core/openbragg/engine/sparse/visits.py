"""Which spots touch which pixels of a panel: what there is to evaluate of a sum from reflections to pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import attrs
import numpy as np
import torch

from openbragg.engine.pixels import Pixels, Region
from openbragg.engine.plan import PanelPlan, Plan
from openbragg.engine.reflections.camera import Camera
from openbragg.engine.reflections.faces import Face
from openbragg.engine.reflections.touching import Group, Spots, orientation_groups, touching_spots
from openbragg.roles import LocalLatticeShape, Miller

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

_Faces: TypeAlias = tuple[tuple[Face, ...], tuple[Face, ...]]

#: Faces of panels as long as these are there: those of a detector that stands while a crystal turns.
_KNOWN: WeakKeyDictionary[PanelPlan, dict[Region, _Faces]] = WeakKeyDictionary()
#: Seconds from which on cores share a group's search.
_SHARED_SECONDS = 2e-2
#: Of a list of pixels, whether any is in a square of so many is looked up, not each.
_SQUARE = 16


@attrs.frozen(eq=False)
class Visits:
    """Spots with boxes of pixels.

    Attributes
    ----------
    indices
        h k l, whole numbers as float64, (visits, 3).
    orientation, source
        Numbers of the orientations and of the sources, int64, (visits,).
    boxes
        First fast, last fast, first slow, last slow pixel, from the region's first, int64, (visits, 4).
    """

    indices: Array
    orientation: Numbers
    source: Numbers
    boxes: Numbers

    def where(self, chosen: Any) -> Visits:
        """Those chosen, by booleans or numbers."""
        return Visits(self.indices[chosen], self.orientation[chosen], self.source[chosen], self.boxes[chosen])

    def pixels(self) -> int:
        """How many pixels there are in all boxes together."""
        first_fast, last_fast, first_slow, last_slow = self.boxes.T
        return int(((last_fast - first_fast + 1) * (last_slow - first_slow + 1)).sum())


def joined(parts: list[Visits]) -> Visits:
    """Visits in one list."""
    return Visits(
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.orientation for part in parts]),
        np.concatenate([part.source for part in parts]),
        np.concatenate([part.boxes for part in parts]),
    )


@attrs.frozen(kw_only=True, eq=False)
class Search:
    """The search for visits, of all sources in one direction.

    To a longer wavelength the crystal is what to a shorter one a crystal of a smaller cell is: both have q times the
    wavelength in common. So wavelengths are searched as orientations are, together.

    Attributes
    ----------
    plan
        The sum.
    sources
        Their numbers, (sources,).
    sizes
        How many times as long q is taken as it is, for the wavelength of the camera, of each source, (sources,).
    cells
        Rows a, b, c of all sources and orientations, so many times smaller, (source x orientation, 3, 3), metres.
    level
        Of F_cell^2 F_latt^2, in squared electrons: terms above it are all in boxes.
    camera
        The direction, and what of the panel is rendered.
    faces
        The front and the deepest layer of that.
    groups
        Orientations that are searched together.
    furthest
        How far from a lattice point, at most, another one is not nearer in h, k or l: in 1/metres.
    squares
        How many squares with pixels to render there are left of and above each, (slow, fast); None for all pixels.
    """

    plan: Plan
    sources: Numbers
    sizes: Array
    cells: Array
    level: float
    camera: Camera
    faces: tuple[Face, ...]
    groups: list[Group]
    furthest: float
    squares: Numbers | None

    def cost(self) -> float:
        """About how many seconds it takes."""
        return sum(group.cost for group in self.groups)

    def visits(self, number: int) -> Iterator[Visits]:
        """The visits of the group of that number, some at a time."""
        sizes = np.repeat(self.sizes, len(self.cells) // len(self.sizes))
        for spots in touching_spots(self.camera, self.cells, self.groups[number], self._reach, sizes):
            yield self._on_panel(spots)

    def shared(self, cores: int) -> Search:
        """The same with large groups cut into as many parts as there are cores."""
        groups = [
            attrs.evolve(group, region=region, cost=group.cost / cores)
            for group in self.groups
            for region in (group.region.cut(cores) if group.cost > _SHARED_SECONDS else [group.region])
        ]
        return attrs.evolve(self, groups=groups)

    def _reach(self, indices: Array, lengths: Array) -> Array:
        plan = self.plan
        assert isinstance(plan.shape, LocalLatticeShape)
        whole = Miller(*torch.from_numpy(np.ascontiguousarray(indices.T)).unbind(0))
        amplitude = plan.structure_factors.amplitude(whole, whole, plan.tables).detach().to(torch.float64)
        squared = amplitude * amplitude
        level = self.level / squared.clamp(min=np.finfo(np.float64).tiny)
        reach = plan.shape.reach(level, torch.from_numpy(lengths), plan.lattice)
        return torch.where(squared > 0.0, reach.clamp(max=self.furthest), -1.0).numpy()

    def _on_panel(self, spots: Spots) -> Visits:
        boxes = np.stack([face.shoeboxes(spots.rays, spots.radius) for face in self.faces])
        # A ray that goes deeper moves straight on.
        box = np.stack(
            [boxes[:, :, place].min(axis=0) if place % 2 == 0 else boxes[:, :, place].max(axis=0) for place in range(4)]
        ).astype(np.int64)
        there = (box[0] <= box[1]) & (box[2] <= box[3])
        if self.squares is not None:
            there &= self._has_pixels(box)
        source, orientation = np.divmod(spots.orientation[there], len(self.cells) // len(self.sizes))
        return Visits(spots.indices[there], orientation, self.sources[source], box.T[there])

    def _has_pixels(self, box: Numbers) -> Any:
        """Whether any of the squares of boxes (4, visits) has a pixel to render."""
        assert self.squares is not None
        left, right, top, bottom = np.maximum(box, 0) // _SQUARE
        right, bottom = right + 1, bottom + 1
        sums = self.squares
        return sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left] > 0


def directions(plan: Plan) -> list[Numbers]:
    """The sources of each direction, by their numbers."""
    incident = plan.incident.detach().cpu().numpy()
    order = np.lexsort(incident.T)
    other = np.flatnonzero((incident[order[1:]] != incident[order[:-1]]).any(axis=1)) + 1
    return [np.sort(sources) for sources in np.split(order, other)]


def make_search(plan: Plan, panel: PanelPlan, pixels: Pixels, sources: Numbers, limits: tuple[float, float]) -> Search:
    """The search for the visits of sources in one direction, see `Search`.

    `limits` are the level, and the largest F_cell there is.
    """
    level, largest = limits
    assert isinstance(plan.shape, LocalLatticeShape)
    faces = _faces(panel, pixels.region)
    wavelengths = plan.wavelengths.detach().cpu().numpy()[sources]
    wavelength = wavelengths[len(wavelengths) // 2]
    sizes = wavelengths / wavelength
    incident = plan.incident[int(sources[0])].detach().cpu().numpy() / wavelength
    level_there = torch.as_tensor(level, dtype=torch.float64) / max(largest * largest, np.finfo(np.float64).tiny)
    longest = torch.full_like(level_there, 2.0 / wavelengths.min())
    furthest = _half_diagonal(plan)
    widest = min(furthest, float(plan.shape.reach(level_there, longest, plan.lattice)))
    limit = 0.0 if plan.resolution_limit is None else float(plan.resolution_limit)
    resolution = limit / (1.0 + limit * max(widest, 0.0)) / sizes.max()
    camera = Camera(incident=incident, faces=faces[-1], resolution=resolution)
    cells = plan.cell_vectors.detach().cpu().numpy()
    scaled = (cells / sizes.reshape(-1, 1, 1, 1, 1)).reshape(-1, *cells.shape[1:])
    groups = orientation_groups(camera, scaled, widest * sizes.max()) if widest >= 0.0 else []
    return Search(
        plan=plan,
        sources=sources,
        sizes=sizes,
        cells=scaled.reshape(-1, 3, 3),
        level=level,
        camera=camera,
        faces=faces[0],
        groups=groups,
        furthest=furthest,
        squares=None if pixels.chosen is None else _squares(pixels),
    )


def _half_diagonal(plan: Plan) -> float:
    """Half the longest diagonal of the reciprocal cell, in 1/metres."""
    metric = plan.lattice.reciprocal_metric.detach().cpu().numpy()
    signs = np.array([[1.0, one, other] for one in (1.0, -1.0) for other in (1.0, -1.0)])
    return 0.5 * float(np.sqrt(np.einsum("di,ij,dj->d", signs, metric, signs).max()))


def _faces(panel: PanelPlan, region: Region) -> _Faces:
    """What is rendered of a panel: the first and, if there are several, the deepest layer; and all of them as one."""
    known = _KNOWN.setdefault(panel, {})
    if region not in known:
        known[region] = _made_faces(panel, region)
    return known[region]


def _made_faces(panel: PanelPlan, region: Region) -> _Faces:
    origin, fast, slow, normal = (
        vector.detach().cpu().numpy() for vector in (panel.origin, panel.fast, panel.slow, panel.normal)
    )
    size = float(panel.pixel_size)
    first_fast, last_fast, first_slow, last_slow = region
    corner = origin + size * (first_fast * fast + first_slow * slow)
    depths = panel.layer_depths.detach()
    shallow, deep = float(depths.min()), float(depths.max())

    def face(depth: float, thickness: float) -> Face:
        return Face(
            origin=corner + depth * normal,
            fast=fast,
            slow=slow,
            normal=normal,
            pixel_size=size,
            pixels=(last_slow - first_slow + 1, last_fast - first_fast + 1),
            depth=thickness,
        )

    ends = [face(depth, 0.0) for depth in dict.fromkeys((shallow, deep))]
    return tuple(ends), (face(shallow, deep - shallow),)


def _squares(pixels: Pixels) -> Numbers:
    """Sums over all squares above and to the left of each, of whether any pixel in a square is to be rendered."""
    assert pixels.chosen is not None
    places = pixels.chosen.cpu().numpy()
    down, across = -(-pixels.height // _SQUARE), -(-pixels.width // _SQUARE)
    there = np.zeros((down + 1, across + 1), dtype=np.int64)
    there[places // pixels.width // _SQUARE + 1, places % pixels.width // _SQUARE + 1] = 1
    sums: Numbers = there.cumsum(axis=0).cumsum(axis=1)
    return sums
