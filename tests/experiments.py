"""Random experiments and plugins, every field of them, from the declarations of their options."""

from datetime import UTC
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from openbragg.errors import UsageError
from openbragg.model import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan
from openbragg.options import OptionSpec, option_spec
from openbragg_noise.detector import DetectorNoise
from openbragg_plugins.diffuse.gamma_sigma import GammaSigma
from openbragg_plugins.image_formats.labels import LabelsFile
from openbragg_plugins.image_formats.nxmx.format import NXmx
from openbragg_plugins.scenes.lattices import Lattices
from openbragg_plugins.scenes.twin import Twin
from openbragg_tracers.traces.command import Trace
from openbragg_tracers.traces.truth import Traces

_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_NUMBERS = _FINITE | st.floats(-1, 1) | st.floats(1e-12, 1e30)
#: Sizes of numbers in bits are among them.
_WHOLE = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 1000) | st.sampled_from([8, 16, 32, 64])
_WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
#: Names of files; some formats are told by their ends.
_FILES = (_WORDS | st.tuples(_WORDS, st.sampled_from([".refl", ".csv"])).map("".join)).map(Path)
#: Where not all words will do, an instant may be asked for.
_INSTANTS = st.datetimes(timezones=st.just(UTC)).map(lambda instant: instant.isoformat())
_VECTORS = st.tuples(_FINITE, _FINITE, _FINITE)
_ROWS = st.tuples(_VECTORS, _VECTORS, _VECTORS)
_SOURCES = st.lists(st.tuples(_FINITE, _FINITE, _FINITE, st.none() | st.floats(0, 9), st.none() | st.floats(1e-12, 1)))
_MASKS = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 99)).map(
    lambda drawn: np.random.default_rng(drawn[2]).random(drawn[:2]) < 0.5
)
_SELECTIONS = st.lists(st.sampled_from(["phi=3", "mosaic=all", " subpixel = 0 ", ""]), max_size=3).map(",".join)
#: Fields that hold what a file holds, and fields that are no options.
_OTHERS: dict[tuple[type, str], st.SearchStrategy[Any]] = {
    (Beam, "sources"): st.none() | _SOURCES.map(tuple),
    (Crystal, "reciprocal_vectors"): _ROWS,
    (Detector, "mask"): st.none() | _MASKS,
    (Detector, "implied_pivot"): st.sampled_from([None, "beam", "sample"]),
    (Detector, "gaps"): st.lists(
        st.tuples(*[st.integers(0, 99)] * 4).map(lambda edges: (*sorted(edges[:2]), *sorted(edges[2:]))), max_size=3
    ).map(tuple),
    (Detector, "layout"): st.lists(
        st.builds(
            Panel,
            pixels=st.tuples(st.integers(1, 1000), st.integers(1, 1000)),
            pixel_size=st.floats(1e-6, 1e-3),
            offset=_VECTORS,
            axes=_ROWS,
            slab=st.none() | st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
            name=st.text(max_size=5),
        ),
        max_size=3,
    ).map(tuple),
    # Of these some are of no use without others, or must go together.
    (DetectorNoise, "gain_stages"): st.just((40.0, 2.0)),
    (DetectorNoise, "gain_switches"): st.floats(1.0, 1e4).map(lambda signal: (signal,)),
    (DetectorNoise, "stage_electrons"): st.tuples(st.floats(0.0, 1e3), st.floats(0.0, 1e3)),
    (GammaSigma, "gamma"): st.tuples(st.floats(1e-10, 1e-8)) | st.tuples(*[st.floats(1e-10, 1e-8)] * 3),
    (GammaSigma, "sigma"): st.tuples(st.floats(0.0, 1e-10)) | st.tuples(*[st.floats(0.0, 1e-10)] * 3),
    (GammaSigma, "symmetry"): st.sampled_from(["", "P1", "P 4 2 2"]),
    (GammaSigma, "principal_axes"): st.tuples(*[st.integers(-3, 3).map(float)] * 9),
    (DetectorNoise, "point_spread"): st.sampled_from(["gauss", "fibre"]),
    (DetectorNoise, "point_spread_width"): st.floats(1e-6, 1e-3),
    (DetectorNoise, "dead_time"): st.floats(1e-9, 1e-6),
    (DetectorNoise, "module_calibration"): st.floats(1e-9, 1.0),
    (DetectorNoise, "hot_pixels"): st.floats(1e-9, 1.0),
    (DetectorNoise, "hot_current"): st.floats(1e-9, 1e9),
    (DetectorNoise, "dark_electrons"): st.none(),
    (DetectorNoise, "readout_electrons"): st.none(),
    (Lattices, "count"): st.integers(1, 1000),
    # There are as many as crystals.
    (Lattices, "weights"): st.none(),
    (Twin, "law"): st.sampled_from(["h,k,l", "-h,-k,l", "k,h,-l", "h,-h-k,-l", "1/2h+k,h,2l"]),
    (LabelsFile, "file"): st.none() | st.sampled_from(["a.npz", "b.npy", "c.bin"]).map(Path),
    # They are not put into blocks.
    (NXmx, "with_labels"): st.just(False),
    (Traces, "select"): _SELECTIONS,
    (Trace, "select"): _SELECTIONS,
}


def values(spec: OptionSpec, default: Any) -> st.SearchStrategy[Any]:
    """Whatever an option may be set to."""
    if spec.type is bool:
        single: st.SearchStrategy[Any] = st.booleans()
    elif spec.type is Path:
        single = _FILES
    elif spec.type is str:
        words = spec.rule.words if spec.rule is not None else ()
        single = st.sampled_from(words) if words else _WORDS if spec.rule is None else _WORDS | _INSTANTS
    else:
        single = _WHOLE if spec.type is int else _NUMBERS
    rule = spec.rule
    if rule is not None:
        single = single.filter(rule.accepts)
    length = spec.length if isinstance(spec.length, tuple) else (spec.length, spec.length)
    count = len(spec.components) or length[1]
    drawn = single
    if count > 1:
        element = st.none() | single if isinstance(default, tuple) and None in default else single
        drawn = st.tuples(*[element] * count)
    if spec.whole is not None:
        drawn = drawn.filter(spec.whole.accepts)
    if spec.words:
        drawn |= st.sampled_from(spec.words)
    if spec.several:
        return st.lists(drawn, max_size=3).map(tuple)
    return st.none() | drawn if default is None else drawn


def objects(cls: Any) -> st.SearchStrategy[Any]:
    """Objects of a class of options; each field is set, or left at its default where it is none."""
    fields = {}
    for attribute in attrs.fields(cls):
        spec = option_spec(attribute)
        if (cls, attribute.name) in _OTHERS:
            fields[attribute.name] = _OTHERS[cls, attribute.name]
        elif spec is not None:
            fields[attribute.name] = values(spec, attribute.default)
    return _made(cls, fields)


@st.composite
def _made(draw: st.DrawFn, cls: Any, fields: dict[str, st.SearchStrategy[Any]]) -> Any:
    """An object with fields that go together."""
    try:
        return cls(**{name: draw(strategy) for name, strategy in fields.items()})
    except UsageError as error:
        # What is wrong with a single option, its own rule says.
        if "expected one of them" not in str(error) and "expected a name that ends in" not in str(error):
            raise
        reject()


def experiments() -> st.SearchStrategy[Experiment]:
    """Experiments whose every field may be set."""
    parts = {"crystal": Crystal, "beam": Beam, "detector": Detector, "scan": Scan, "sampling": Sampling}
    return st.builds(Experiment, **{name: objects(cls) for name, cls in parts.items()})
