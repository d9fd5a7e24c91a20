"""Experiments and plugins become JSON and come back as they were, or not at all."""

import contextlib
import json
import math
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import experiments, objects
from openbragg import Beam, Crystal, Detector, Experiment, InputError, Panel, Sampling, Scan, option, plugin
from openbragg.cli.registry import load_registry
from openbragg.orchestrator.records.packing import pack_bits, unpack_bits
from openbragg.orchestrator.records.serialise import from_plain, to_plain
from openbragg.orchestrator.resolving.resolve import resolve_scan

if TYPE_CHECKING:
    from fractions import Fraction

CELL = (5e-9, 6e-9, 7e-9, 1.5, 1.6, 1.7)
MODEL = Experiment(crystal=Crystal(cell=CELL))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["number", "path", "mapping", "packed_bits", "shape", "default", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def through_json(thing: Any, where: str = "") -> Any:
    """An object written to JSON text and read back."""
    return from_plain(type(thing), json.loads(json.dumps(to_plain(thing), allow_nan=False)), where)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value within a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for step, inner in steps for place in places(inner, (*way, step)))]


def changed(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at a place."""
    if not way:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = changed(value[way[0]], way[1:], new) if way[1:] else new
    return copy


def plain(experiment: Experiment = MODEL) -> Any:
    return json.loads(json.dumps(to_plain(experiment)))


@given(experiments())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_an_experiment_comes_back_as_it_was_to_the_last_bit(experiment: Experiment) -> None:
    back = through_json(experiment)
    assert back == experiment
    # Equal numbers may differ in the sign of a zero; their text does not.
    assert repr(back) == repr(experiment)


def test_every_field_of_an_experiment_is_written() -> None:
    written = plain()
    for name, cls in (
        ("crystal", Crystal),
        ("beam", Beam),
        ("detector", Detector),
        ("scan", Scan),
        ("sampling", Sampling),
    ):
        assert list(written[name]) == [attribute.name for attribute in attrs.fields(cls)]


@pytest.mark.parametrize(
    "cls", [pytest.param(found.cls, id=f"{found.role.hook} {found.name}") for found in load_registry(()).found]
)
@given(data=st.data())
# Of some plugins few numbers drawn at random go together.
@settings(max_examples=settings().max_examples // 4, suppress_health_check=[HealthCheck.filter_too_much])
def test_every_plugin_comes_back_with_its_options(cls: Any, data: st.DataObject) -> None:
    made = data.draw(objects(cls))
    back = through_json(made)
    assert type(back) is cls
    assert attrs.asdict(back) == attrs.asdict(made)


def test_tensors_come_back_as_plain_numbers_of_the_same_value() -> None:
    vectors = torch.tensor([[1e8, 0.1, 0.2], [0.3, 2e8, 0.4], [0.5, 0.6, 3e8]], dtype=torch.float64, requires_grad=True)
    single = torch.tensor(0.1, dtype=torch.float32, requires_grad=True)
    made = Experiment(
        crystal=Crystal(reciprocal_vectors=vectors, fudge=single, cells=torch.tensor([3.5, 4.0, 5.0])),
        beam=Beam(wavelength=torch.tensor(1e-10, dtype=torch.float64, requires_grad=True)),
        detector=Detector(rotation=torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)),
    )
    back = through_json(made)
    assert back.crystal.reciprocal_vectors == tuple(map(tuple, vectors.tolist()))
    assert back.crystal.fudge == float(single.detach())
    assert back.crystal.cells == (3.5, 4.0, 5.0)
    assert back.beam.wavelength == 1e-10
    assert back.detector.rotation == (0.1, 0.2, 0.3)


def test_the_reflections_of_a_table_come_back_as_numbers() -> None:
    index, amplitude = np.array([[0, 0, 1], [1, -2, 3]]), torch.tensor([0.1, 7.0], dtype=torch.float64)
    made = plugin("structure_factors", "hkl", reflections=(index, amplitude))
    back = through_json(made)
    assert back.reflections == (((0, 0, 1), (1, -2, 3)), (0.1, 7.0))


@attrs.frozen
class Inner:
    numbers: tuple[float, ...] = ()


@attrs.frozen(eq=False)
class Odd:
    """What a plugin of a third party may hold."""

    name: ClassVar[str] = "odd"
    table: Path | None = option("-table", type=Path, default=Path("a table"), help="A file.")
    image: Path | None = option("-image", type=Path, output="photons", negations=("-noimage",), help="A file or none.")
    lengths: Any = option("-lengths", length=(1, 4), default=(1.0,), help="Some numbers.")
    anything: Any = None
    inner: Inner = attrs.field(factory=Inner)
    optional: Inner | None = None
    several: tuple[Inner, ...] = ()
    fraction: "Fraction | None" = None
    _private: int = 3
    later: int = attrs.field(init=False, default=5)


ANYTHING = [
    None,
    True,
    "word",
    -0.0,
    math.inf,
    -math.inf,
    1 << 60,
    Path("a/b"),
    (1, (2.5, None), ("x",)),
    {"a": (1, 2), "b": {"c": Path("d")}},
    {},
]


@pytest.mark.parametrize("value", ANYTHING, ids=repr)
def test_a_field_that_may_hold_anything_holds_the_same_again(value: Any) -> None:
    back = through_json(Odd(anything=value))
    assert back.anything == value
    assert repr(back.anything) == repr(value)


def test_nan_comes_back_as_nan() -> None:
    assert math.isnan(through_json(Odd(anything=math.nan)).anything)


@pytest.mark.parametrize("value", [Path("x y"), False, None], ids=repr)
def test_a_file_that_may_be_turned_off_is_a_path_or_off(value: Any) -> None:
    assert through_json(Odd(image=value)).image == value


def test_objects_within_a_plugin_come_back() -> None:
    made = Odd(inner=Inner((1.5, 2.5)), optional=Inner(), several=(Inner((1.0,)), Inner()), private=7, lengths=(1, 2))
    back = through_json(made)
    assert attrs.asdict(back) == attrs.asdict(made)
    assert isinstance(back.several[0], Inner)


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, 1j, Inner(), np.array([1j]), [[[object()]]]], ids=lambda value: type(value).__name__
)
def test_what_cannot_be_written_is_refused_with_its_field(value: Any) -> None:
    with pytest.raises(InputError, match=r"^shape odd\.anything: "):
        to_plain(Odd(anything=value), "shape odd")


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InputError, match="nested too deeply"):
        to_plain(Odd(anything=endless))


def test_a_default_that_cannot_be_written_is_left_to_the_class() -> None:
    marker = object()

    @attrs.frozen
    class Marked:
        field: Any = marker

    assert through_json(Marked()).field is marker
    with pytest.raises(InputError, match="field"):
        to_plain(Marked(object()))


#: A place in an experiment, what stands there in its stead, and the whole line.
WRONG = [
    ("beam.wavelength", "x", "experiment.beam.wavelength: expected a number above 0, got 'x'"),
    ("beam.wavelength", -1, "experiment.beam.wavelength: expected a number above 0, got -1"),
    ("beam.wavelength", None, "experiment.beam.wavelength: expected a number above 0, got None"),
    ("beam.wavelength", True, "experiment.beam.wavelength: expected a number above 0, got True"),
    ("beam.wavelength", [1e-10], "experiment.beam.wavelength: expected a number above 0, got (1e-10,)"),
    ("beam.wavelength", {"number": "inf"}, "experiment.beam.wavelength: expected a number above 0, got inf"),
    ("beam.wavelength", 10**400, "experiment.beam.wavelength: expected a number above 0"),
    ("beam.wavelength", {"a": 1}, "experiment.beam.wavelength: expected a plain value, got an object"),
    ("beam.round_divergence", 1, "experiment.beam.round_divergence: expected true or false, got 1"),
    ("beam.divergence_range", [1], "experiment.beam.divergence_range: expected 2 values, got (1,)"),
    ("beam.divergence_range", [None, "x"], "experiment.beam.divergence_range[1]: expected a number of 0 or more"),
    ("beam.sources", "list.txt", "experiment.beam: Beam.sources: expected rows of x, y, z, weight and wavelength"),
    ("beam.sources", [[1, 2, 3, 4, 5, 6]], "experiment.beam: Beam.sources: expected rows"),
    ("beam.sources", [[1, "2"]], "experiment.beam: Beam.sources: expected rows"),
    ("beam.sources", {"number": "inf"}, "experiment.beam: Beam.sources: expected rows"),
    ("crystal.cell", [1, 2, 3], "experiment.crystal: Crystal.cell: expected 6 numbers"),
    ("crystal.cell", None, "experiment.crystal: Crystal: give a unit cell or the reciprocal vectors"),
    ("crystal.reciprocal_vectors", "a.mat", "experiment.crystal: Crystal.reciprocal_vectors: expected three rows"),
    ("crystal.reciprocal_vectors", [[1, 0, 0], [0, 1, 0]], "Crystal.reciprocal_vectors: expected three rows"),
    ("crystal.reciprocal_vectors", [[1, 0], [0, 1], [0, 0]], "Crystal.reciprocal_vectors: expected three rows"),
    ("crystal.misset", "Random", "experiment.crystal.misset: expected a finite number, got 'Random'"),
    ("crystal.misset", [0.1, 0.2], "experiment.crystal: Crystal.misset: expected 3 angles or 'random', got 2"),
    ("crystal.cells", [1, None, 1], "experiment.crystal.cells[1]: expected a number above 0, got None"),
    ("crystal.mosaic_seed", 1.5, "experiment.crystal.mosaic_seed: expected a whole number of 64 bits, got 1.5"),
    ("crystal.mosaic_seed", 1 << 63, "experiment.crystal.mosaic_seed: expected a whole number of 64 bits"),
    ("detector.pivot", "corner", "experiment.detector.pivot: expected one of beam, sample, got 'corner'"),
    ("detector.implied_pivot", 3, "experiment.detector.implied_pivot: expected a word, got 3"),
    ("detector.mask", [[True]], "experiment.detector: Detector.mask: expected booleans"),
    ("detector.mask", "mask.img", "experiment.detector: Detector.mask: expected booleans"),
    ("detector.mask", {"packed_bits": "!", "shape": [1]}, "experiment.detector.mask: packed_bits are damaged"),
    ("detector.layout", [{}], "experiment.detector.layout[0]: the key pixels is missing"),
    ("detector.layout", "panels", "experiment.detector.layout: expected a list, got 'panels'"),
    ("sampling.region", [0, 1, 2], "experiment.sampling.region: expected 4 values"),
    ("sampling.region", [0, 1, 2, 2.5], "experiment.sampling.region[3]: expected a whole number, got 2.5"),
    ("scan", None, "experiment.scan: expected an object with the keys of a Scan, got None"),
    ("scan", [1, 2], "experiment.scan: expected an object"),
    ("beam.colour", 1, "experiment.beam: unknown key 'colour'"),
    ("beam.\x1b[31m\n", 1, r"experiment.beam: unknown key '\x1b[31m\n'"),
]


@pytest.mark.parametrize(("place", "value", "line"), WRONG, ids=[f"{row[0]!a} {row[1]!r:.30}" for row in WRONG])
def test_a_wrong_value_is_one_line_that_names_its_place(place: str, value: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        from_plain(Experiment, changed(plain(), tuple(place.split(".")), value), "experiment")
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("way", [way for way in places(plain()) if way and isinstance(way[-1], str)], ids=str)
def test_a_missing_key_is_refused_by_name(way: tuple[str, ...]) -> None:
    written = plain()
    holder = written
    for step in way[:-1]:
        holder = holder[step]
    del holder[way[-1]]
    with pytest.raises(InputError, match=f": the key {way[-1]} is missing$"):
        from_plain(Experiment, written, "experiment")


@given(st.data())
@settings(max_examples=2 * settings().max_examples)
def test_whatever_stands_anywhere_there_is_an_experiment_or_one_line(data: st.DataObject) -> None:
    written = plain(
        Experiment(crystal=Crystal(cell=CELL), detector=Detector(layout=(Panel(pixels=(1, 2), pixel_size=1),)))
    )
    way = data.draw(st.sampled_from(places(written)))
    try:
        made = from_plain(Experiment, changed(written, way, data.draw(JSON)), "experiment")
    except InputError as error:
        line = str(error)
        assert line.startswith("experiment")
        assert len(line.splitlines()) == 1
        assert len(line) < 300
    else:
        assert through_json(made) == made


def test_values_nested_beyond_reason_are_refused() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(InputError, match="nested too deeply"):
        from_plain(Odd, {**to_plain(Odd()), "anything": deep})


def test_an_error_of_a_plugins_own_class_is_the_fault_of_the_values() -> None:
    @attrs.frozen
    class Picky:
        value: int = attrs.field()

        @value.validator
        def _check(self, attribute: Any, value: int) -> None:
            raise ZeroDivisionError("not\nthis one")

    with pytest.raises(InputError, match="not"):
        from_plain(Picky, {"value": 1}, "picky")


@given(st.lists(st.integers(0, 12), min_size=1, max_size=3), st.integers(0, 99))
def test_bits_come_back_as_they_were(shape: list[int], seed: int) -> None:
    array = np.random.default_rng(seed).random(shape) < 0.3
    packed = json.loads(json.dumps(pack_bits(array)))
    back = unpack_bits(**{"packed": packed["packed_bits"], "shape": packed["shape"]})
    assert back.shape == array.shape
    assert back.dtype == bool
    assert (back == array).all()


def test_a_mask_of_a_large_detector_takes_little_room() -> None:
    mask = np.ones((4000, 4000), dtype=bool)
    mask[1000:1020] = False
    assert len(json.dumps(pack_bits(mask))) < 10_000


@pytest.mark.parametrize(
    "shape", [[3], [5], [1, 4], [4, 5], [15], [0], [], [-2, -2], [2.0, 2], [True, 4], "22", None, [1] * 9]
)
def test_bits_of_another_shape_are_refused(shape: Any) -> None:
    packed = pack_bits(np.ones((2, 2, 4), dtype=bool))["packed_bits"]
    with pytest.raises(ValueError):
        unpack_bits(packed, shape)


@pytest.mark.parametrize("packed", ["", "AAAA", "eJw=", "é", 5, None, [], "eJxjAAAAAQAB?"])
def test_damaged_bits_are_refused(packed: Any) -> None:
    with pytest.raises(ValueError):
        unpack_bits(packed, [2, 2])


def test_bits_that_inflate_beyond_their_shape_are_refused_before_they_do() -> None:
    bomb = pack_bits(np.zeros(1 << 28, dtype=bool))["packed_bits"]
    tracemalloc.start()
    try:
        for shape in ([8], [1 << 20], [1 << 40]):
            with pytest.raises(ValueError):
                unpack_bits(bomb, shape)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(bomb)
    finally:
        tracemalloc.stop()


@given(objects(Scan))
def test_a_resolved_scan_resolves_to_itself(scan: Scan) -> None:
    """So that a record, which holds what was resolved, means the same when it is rendered."""
    with contextlib.suppress(InputError):  # steps beyond all numbers
        once = resolve_scan(scan)
        assert resolve_scan(once) == once
