"""The h k l F table: the shared properties, its file, its duplicates, and what lies between whole indices."""

import gzip
import itertools
import math
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import openbragg
from openbragg import Crystal, Detector, Experiment, InputError, Miller, Simulation
from openbragg.testing import check_structure_factors
from openbragg_plugins.structure_factors.hkl import HklTable
from openbragg_plugins.structure_factors.hkl_text import read_hkl

RIGHT = math.pi / 2
CPU = torch.device("cpu")
#: Rounding of a value stored in float64.
EXACT = 1e-15

INDICES = st.tuples(*(st.integers(-12, 12) for _ in range(3)))
AMPLITUDES = st.floats(-1e4, 1e4)
TABLES = st.dictionaries(INDICES, AMPLITUDES, min_size=1, max_size=30)


def experiment(cells: int = 5) -> Experiment:
    return Experiment(crystal=Crystal(cell=(1e-8, 1e-8, 1e-8, RIGHT, RIGHT, RIGHT), cells=(cells, cells, cells)))


def arrays(table: dict[tuple[int, int, int], float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(list(table), dtype=np.int64), np.array(list(table.values()))


def amplitudes(plugin: HklTable, index: list[list[float]], cells: int = 5) -> torch.Tensor:
    """F at fractional indices, (points, 3)."""
    tables = plugin.prepare(experiment(cells), CPU, torch.float64)
    points = torch.tensor(index, dtype=torch.float64)
    return plugin.amplitude(Miller(*points.unbind(1)), Miller(*torch.ceil(points - 0.5).unbind(1)), tables)


def written(folder: Path, text: str) -> Path:
    path = folder / "table.hkl"
    path.write_text(text, encoding="latin-1")
    return path


@settings(max_examples=20, deadline=None)
@given(table=TABLES, default=AMPLITUDES, interpolate=st.booleans())
def test_any_table_keeps_the_contract_of_structure_factors(
    table: dict[tuple[int, int, int], float], default: float, interpolate: bool
) -> None:
    plugin = HklTable(reflections=arrays(table), default_F=default, interpolate=interpolate)
    check_structure_factors(plugin, experiment(), known=table, default=default)


def test_one_amplitude_for_all_keeps_the_contract_of_structure_factors() -> None:
    check_structure_factors(HklTable(default_F=7.5), experiment(), known={(1, 2, 3): 7.5}, default=7.5)


@settings(max_examples=25, deadline=None)
@given(table=TABLES)
def test_a_file_gives_what_python_gives(
    tmp_path_factory: pytest.TempPathFactory, table: dict[tuple[int, int, int], float]
) -> None:
    text = "".join(f"{h:4d} {k:+d}\t{l}  {amplitude!r}\n" for (h, k, l), amplitude in table.items())
    path = written(tmp_path_factory.mktemp("hkl"), text)
    index, amplitude = read_hkl(path)
    assert dict(zip(map(tuple, index.tolist()), amplitude.tolist(), strict=True)) == table
    check_structure_factors(HklTable(file=path), experiment(), known=table, default=0.0)


def test_blank_lines_windows_ends_and_indices_with_a_point_are_read(tmp_path: Path) -> None:
    index, amplitude = read_hkl(written(tmp_path, "\n 1.0 -2 3 4.5\r\n\n0 0 1 1e2"))
    assert index.tolist() == [[1, -2, 3], [0, 0, 1]]
    assert amplitude.tolist() == [4.5, 100.0]


@settings(max_examples=25, deadline=None)
@given(table=TABLES, pointed=st.sets(st.integers(0, 29)))
def test_indices_are_read_alike_with_a_point_and_without(
    tmp_path_factory: pytest.TempPathFactory, table: dict[tuple[int, int, int], float], pointed: set[int]
) -> None:
    rows = [
        " ".join(map(repr, (*map(float, place), amplitude) if number in pointed else (*place, amplitude)))
        for number, (place, amplitude) in enumerate(table.items())
    ]
    index, amplitude = read_hkl(written(tmp_path_factory.mktemp("hkl"), "\n".join(rows)))
    assert dict(zip(map(tuple, index.tolist()), amplitude.tolist(), strict=True)) == table


def test_lines_that_end_as_on_old_computers_are_read_however_many(tmp_path: Path) -> None:
    index, amplitude = read_hkl(written(tmp_path, "1 2 3 4\r" * 5000))
    assert index.tolist() == [[1, 2, 3]] * 5000
    assert amplitude.tolist() == [4.0] * 5000


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("1 2 3", "'1 2 3'"),
        ("1 2 3 4 5", "'1 2 3 4 5'"),
        ("1 2 3 strong", "'1 2 3 strong'"),
        ("1 2 3 nan", "'1 2 3 nan'"),
        ("1 2 3 inf", "'1 2 3 inf'"),
        ("1 2.5 3 10", "'1 2.5 3 10'"),
        ("1 2 nan 10", "'1 2 nan 10'"),
        ("1 2 1e12 10", "'1 2 1e12 10'"),
        ("! h k l F", "'! h k l F'"),
        ("1,2,3,4", "'1,2,3,4'"),
        ("\xff\xfe\x00", ""),
    ],
    ids=[
        "3 columns",
        "5 columns",
        "word",
        "nan F",
        "inf F",
        "half index",
        "nan index",
        "far",
        "comment",
        "csv",
        "bytes",
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str, shown: str) -> None:
    path = written(tmp_path, f"1 0 0 5\n\n{line}\n2 0 0 6\n")
    with pytest.raises(InputError) as caught:
        HklTable(file=path).prepare(experiment(), CPU, torch.float64)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 3: expected h k l F")
    assert message.endswith(shown)
    assert len(message.splitlines()) == 1


def test_comments_are_passed_over_or_refused_and_a_packed_table_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "# h k l F\n1 0 0 5 # the first\n  #\n\n2 0 0 6\n")
    indices, amplitudes = read_hkl(path)
    assert indices.tolist() == [[1, 0, 0], [2, 0, 0]] and amplitudes.tolist() == [5.0, 6.0]
    with pytest.raises(InputError, match=r"line 1: expected h k l F .* got '# h k l F'"):
        read_hkl(path, comments=False)
    with pytest.raises(InputError, match=r"line 3: expected h k l F .* got '2 0'"):
        read_hkl(written(tmp_path, "# h k l F\n1 0 0 5\n2 0 # 0 6\n"))
    packed = tmp_path / "table.hkl.gz"
    packed.write_bytes(gzip.compress(b"1 0 0 5\n"))
    assert read_hkl(packed)[1].tolist() == [5.0]


@pytest.mark.parametrize("text", ["", "\n\n  \n", "# nothing\n"], ids=["empty", "blank", "comment"])
def test_a_file_without_reflections_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match="no reflections in the file") as caught:
        read_hkl(path)
    assert str(caught.value) == f"{path}: no reflections in the file"


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.hkl", tmp_path):
        with pytest.raises(InputError) as caught:
            read_hkl(path)
        assert str(caught.value).startswith(f"cannot read {path}: ")


def test_reflections_too_far_apart_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, "0 0 0 1\n-900000 900000 900000 1\n")
    with pytest.raises(InputError) as caught:
        HklTable(file=path).prepare(experiment(), CPU, torch.float64)
    assert str(caught.value) == f"{path}: 2 reflections spread from [-900000, 0, 0] to [0, 900000, 900000]"


@pytest.mark.parametrize("dump", [None, "absent.dump"])
def test_nothing_to_look_up_is_refused(tmp_path: Path, dump: str | None) -> None:
    plugin = HklTable(dump=None if dump is None else tmp_path / dump)
    wanted = "no structure factors: give a table with -hkl, or one amplitude with -default_F"
    with pytest.raises(InputError) as caught:
        Simulation(experiment(), structure_factors=plugin).layout()
    assert str(caught.value) == plugin.nothing() == wanted


def test_nothing_to_look_up_is_a_notice_where_a_background_scatters() -> None:
    whole = attrs.evolve(experiment(), detector=Detector(pixels=(4, 4)))
    uniform = openbragg.plugin("backgrounds", "uniform", per_pixel=1.0)
    made = Simulation(whole, structure_factors=HklTable(), backgrounds=[uniform]).layout()
    assert [line for line in made.choices.notices if "only the background is rendered" in line] == [
        "only the background is rendered; no structure factors: "
        "give a table with -hkl, or one amplitude with -default_F"
    ]


def test_a_table_a_dump_an_amplitude_or_its_gradient_is_something_to_look_up(tmp_path: Path) -> None:
    dump = tmp_path / "table.dump"
    table = written(tmp_path, "1 2 3 4\n")
    HklTable(file=table, dump=dump).prepare(experiment(), CPU, torch.float64)
    sought = torch.tensor(0.0, requires_grad=True)
    reflections = arrays({(1, 2, 3): 4.0})
    plugins = [HklTable(file=table), HklTable(dump=dump), HklTable(default_F=1.0), HklTable(default_F=sought)]
    assert [plugin.nothing() for plugin in (*plugins, HklTable(reflections=reflections))] == [None] * 5


@settings(max_examples=25, deadline=None)
@given(lines=st.lists(st.tuples(INDICES, AMPLITUDES), min_size=1, max_size=20), twice=INDICES)
def test_the_last_of_equal_reflections_counts(
    lines: list[tuple[tuple[int, int, int], float]], twice: tuple[int, int, int]
) -> None:
    lines = [(twice, 1.25), *lines, (twice, 7.75)]
    index, amplitude = np.array([line[0] for line in lines]), np.array([line[1] for line in lines])
    plugin = HklTable(reflections=(index, amplitude), interpolate=False)
    known = dict(lines)
    found = amplitudes(plugin, [list(map(float, place)) for place in known])
    assert found.tolist() == pytest.approx(list(known.values()), rel=EXACT)


@settings(max_examples=25, deadline=None)
@given(
    coefficients=st.lists(st.floats(-1.0, 1.0), min_size=64, max_size=64),
    point=st.tuples(*(st.floats(-2.0, 1.99) for _ in range(3))),
)
def test_interpolation_is_exact_for_cubics(coefficients: list[float], point: tuple[float, float, float]) -> None:
    cubic = np.array(coefficients).reshape(4, 4, 4)
    index = np.array(list(itertools.product(range(-4, 5), repeat=3)))
    values = np.polynomial.polynomial.polyval3d(*index.T.astype(float), cubic)
    plugin = HklTable(reflections=(index, values), interpolate=True)
    wanted = np.polynomial.polynomial.polyval3d(*point, cubic)
    # Values reach 85^3 at the corners of the neighbourhood, each rounded at 1e-16 of itself, with weights below 2.
    assert float(amplitudes(plugin, [list(point)])[0]) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_table_far_from_the_origin_is_looked_up_exactly(dtype: torch.dtype, interpolate: bool) -> None:
    far = np.array([500_003, -700_001, 90_007])
    index = far + np.array(list(itertools.product(range(-4, 5), repeat=3)))
    values = np.arange(1.0, len(index) + 1.0)
    plugin = HklTable(reflections=(index, values), interpolate=interpolate)
    tables = plugin.prepare(experiment(), CPU, dtype)
    places = Miller(*torch.from_numpy(np.vstack([index, far * [1, 1, -1], 0 * far]).astype(float).T))
    found = plugin.amplitude(places, places, tables)
    assert found.tolist() == [*values.tolist(), 0.0, 0.0]


def test_an_index_that_is_no_number_is_looked_up_within_the_table() -> None:
    index = np.array(list(itertools.product(range(-1, 2), repeat=3)))
    plugin = HklTable(reflections=(index, np.ones(len(index))), interpolate=False)
    tables = plugin.prepare(experiment(), CPU, torch.float32)
    places = Miller(*torch.tensor([[math.nan, math.inf, -math.inf, 1e300, 0.0]] * 3, dtype=torch.float64))
    found = plugin.amplitude(places, places, tables).tolist()
    assert found[1:] == [0.0, 0.0, 0.0, 1.0]
    assert found[0] in (0.0, 1.0)


def test_without_interpolation_the_nearest_reflection_counts() -> None:
    index = np.array(list(itertools.product(range(-4, 5), repeat=3)))
    plugin = HklTable(reflections=(index, index @ np.array([1.0, 10.0, 100.0])), interpolate=False)
    found = amplitudes(plugin, [[0.4, -0.4, 1.0], [0.6, 0.5, -0.5], [0.0, 1.49, 0.51]])
    # A half belongs to the lower index, as in the reference.
    assert found.tolist() == [100.0, -99.0, 110.0]


def test_few_cells_are_interpolated_unless_told_otherwise() -> None:
    index = np.array(list(itertools.product(range(-4, 5), repeat=3)))
    reflections = (index, index[:, 0].astype(float))
    point = [[0.25, 0.0, 0.0]]

    def found(cells: int, interpolate: bool | None) -> float:
        return float(amplitudes(HklTable(reflections=reflections, interpolate=interpolate), point, cells)[0])

    assert found(2, None) == pytest.approx(0.25)
    assert found(3, None) == 0.0
    assert found(2, False) == 0.0
    assert found(3, True) == pytest.approx(0.25)


def test_where_the_table_lacks_a_neighbour_the_nearest_reflection_counts() -> None:
    index = np.array(list(itertools.product(range(-4, 5), repeat=3)))
    plugin = HklTable(reflections=(index, index[:, 0].astype(float)), default_F=50.0, interpolate=True)
    found = amplitudes(plugin, [[3.3, 0.0, 0.0], [-3.3, 0.0, 0.0], [4.7, 0.0, 0.0], [0.3, 0.0, 0.0]])
    assert found.tolist() == pytest.approx([3.0, -3.0, 50.0, 0.3])


def test_gradients_reach_the_amplitudes_and_the_default() -> None:
    strengths = torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True)
    default = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    plugin = HklTable(reflections=([[0, 0, 1], [0, 0, 2]], strengths), default_F=default, interpolate=False)
    amplitudes(plugin, [[0, 0, 1], [0, 0, 1], [0, 0, 2], [9, 9, 9]]).sum().backward()  # type: ignore[no-untyped-call]
    assert strengths.grad is not None
    assert default.grad is not None
    assert strengths.grad.tolist() == [2.0, 1.0]
    assert float(default.grad) == 1.0
