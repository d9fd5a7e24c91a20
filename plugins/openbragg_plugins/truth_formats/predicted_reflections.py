"""The reflections of a run with their true places and intensities: DIALS's reflection table, CSV or Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import attrs

from openbragg import InputError, UsageError, hookimpl, option, unit
from openbragg_plugins.truth_formats.dials_experiments import identifiers
from openbragg_plugins.truth_formats.dials_models import dials_axes

if TYPE_CHECKING:
    import numpy as np

    from openbragg import Experiment, Truth, TruthFormat

    Columns = dict[str, np.ndarray[Any, Any]]

_SUFFIXES = (".refl", ".csv", ".parquet")
_MM, _ANGSTROM, _DEGREES = unit("mm").from_si, unit("A").from_si, unit("deg").from_si
#: DIALS's flag of a reflection that is predicted.
_PREDICTED = 1
#: What DIALS calls the types of its columns, by the type and the width of ours.
_TYPES = {
    ("int32", 1): "int",
    ("int32", 3): "cctbx::miller::index<>",
    ("uint64", 1): "std::size_t",
    ("float64", 1): "double",
    ("float64", 3): "vec3<double>",
}
#: Names of the three parts of a column where each has one of its own.
_PARTS = {
    "miller_index": ("h", "k", "l"),
    "s1": ("s1_x", "s1_y", "s1_z"),
    "xyzcal.px": ("x_px", "y_px", "z_px"),
    "xyzcal.mm": ("x_mm", "y_mm", "phi"),
}


@attrs.frozen
class PredictedReflectionsFile:
    """Every reflection on the images: where it is, how much of it, its amplitude and its photons.

    The columns are those of a DIALS reflection table, and ``F`` and ``intensity``; docs/reference/truth.md has them.
    """

    name: ClassVar[str] = "predicted-reflections"
    summary: ClassVar[str] = "reflections with true places and photons, as .refl of DIALS, CSV or Parquet"
    flags: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = (".refl", ".csv", ".parquet")
    needs_reflections: ClassVar[bool] = True
    says_angles: ClassVar[bool] = True

    file: Path | None = option(
        "-refl",
        type=Path,
        output="truth",
        metavar="FILE",
        help="Write the reflections with their true places and photons, by the name's end as a DIALS reflection table "
        "(.refl), as .csv or as .parquet.",
    )

    def __attrs_post_init__(self) -> None:
        # Better now than when the images are rendered.
        if self.file is None:
            return
        suffix = self.file.suffix.lower()
        if suffix not in _SUFFIXES:
            raise UsageError(f"-refl: expected a name that ends in {', '.join(_SUFFIXES)}, got {str(self.file)!r}")
        if suffix == ".parquet":
            _pyarrow()

    def refuses(self, experiment: Experiment) -> str | None:
        """See `openbragg.TruthFormat`: a curved detector."""
        return "no reflections are predicted on a curved detector (-curved_det)" if experiment.detector.curved else None

    def write_truth(self, stream: BinaryIO, path: Path, truth: Truth) -> None:
        """See `openbragg.TruthFormat.write_truth`."""
        columns = columns_of(truth)
        suffix = path.suffix.lower()
        if suffix == ".refl":
            stream.write(reflection_table(columns, identifiers(truth)))
        elif suffix == ".csv":
            stream.write(csv(columns))
        else:
            stream.write(parquet(columns))


def columns_of(truth: Truth) -> Columns:
    """The columns of DIALS's reflection table, (reflections,) or (reflections, 3): px, mm, radians and angstroms."""
    import numpy as np

    found = truth.reflections()
    scan = truth.scans[0]
    start, width = float(scan.start), float(scan.range or 0.0)
    count = len(found.angle)
    frame = (found.angle - start) / width if width > 0.0 else np.full(count, 0.5)
    sides = np.array([list(map(float, panel.pixel_sides())) for panel in truth.laboratory.panels])
    sizes = np.array([float(panel.panel.pixel_size) for panel in truth.laboratory.panels])
    place = found.place * (sides / sizes[:, None])[found.panel]
    wavelengths = np.array(truth.wavelengths_of_images or [float(truth.experiment.beam.wavelength)] * len(truth.scans))
    return {
        "miller_index": found.indices,
        "id": found.still * np.int32(len(truth.lattices())) + found.lattice,
        "panel": found.panel.astype(np.uint64),
        "flags": np.full(count, _PREDICTED, dtype=np.uint64),
        "s1": found.ray @ dials_axes(truth.laboratory).T / _ANGSTROM(wavelengths[found.still])[:, None],
        "xyzcal.px": np.column_stack([found.pixel, frame]),
        "xyzcal.mm": np.column_stack([_MM(place), found.angle]),
        "d": _ANGSTROM(found.spacing),
        "partiality": found.partiality,
        "F": found.amplitude,
        "intensity": found.photons,
    }


def reflection_table(columns: Columns, names: list[str]) -> bytes:
    """DIALS's reflection table, as its own MessagePack."""
    import msgpack

    rows = len(columns["id"])
    data = {}
    for name, values in columns.items():
        width = 1 if values.ndim == 1 else values.shape[1]
        little = values.astype(values.dtype.newbyteorder("<"))
        data[name] = (_TYPES[values.dtype.name, width], (rows, little.tobytes()))
    table = {"identifiers": dict(enumerate(names)), "nrows": rows, "data": data}
    packed: bytes = msgpack.packb(("dials::af::reflection_table", 1, table))
    return packed


def csv(columns: Columns) -> bytes:
    """A line of names and one for each reflection; phi is in degrees."""
    flat = flat_columns(columns)
    lines = [",".join(flat)]
    lines += [",".join(map(repr, row)) for row in zip(*(values.tolist() for values in flat.values()), strict=True)]
    return ("\n".join(lines) + "\n").encode("ascii")


def parquet(columns: Columns) -> bytes:
    """The same columns as a Parquet file."""
    pyarrow = _pyarrow()
    memory = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(flat_columns(columns)), memory)
    return memory.getvalue()


def flat_columns(columns: Columns) -> Columns:
    """Columns of one number each; phi in degrees."""
    flat: Columns = {}
    for name, values in columns.items():
        parts = _PARTS.get(name)
        if parts is None:
            flat[name] = values
        else:
            flat.update({part: values[:, place] for place, part in enumerate(parts)})
    flat["phi"] = _DEGREES(flat["phi"])
    return flat


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            "-refl as Parquet needs pyarrow: pip install 'openbragg[truth]', or name a .csv or .refl file"
        ) from None
    return pyarrow


@hookimpl
def truth_formats() -> list[type[TruthFormat]]:
    """Offer the reflections."""
    return [PredictedReflectionsFile]
