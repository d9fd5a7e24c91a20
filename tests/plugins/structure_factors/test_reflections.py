"""Reflection files: columns, intensities, Friedel pairs, what is missing, and what is no such file."""

import gzip
import tracemalloc
import zlib
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch

from corpora import traced
from crystal_files import CELL, WAVELENGTH, indices, mtz, reflection_cif
from openbragg import Crystal, Experiment, InputError, UsageError, structure_factors_of
from openbragg.testing import check_structure_factors
from openbragg_plugins.structure_factors.reflections import ReflectionFile
from openbragg_plugins.structure_factors.sources import content_of

HKL = indices()
F = np.linspace(1.0, 200.0, len(HKL)).astype(np.float32)
SHARED = Path(__file__).parents[4] / "shared" / "data"
FIELD = Path(__file__).parents[4] / "shared" / "field"


def table(factors: ReflectionFile) -> dict[tuple[int, ...], float]:
    listed = factors.listed()
    return {
        tuple(index): value for index, value in zip(listed.indices.tolist(), listed.amplitudes.tolist(), strict=True)
    }


def experiment() -> Experiment:
    cell = (*(length * 1e-10 for length in CELL[:3]), *np.radians(CELL[3:]).tolist())
    return Experiment(crystal=Crystal(cell=cell, cells=(5, 5, 5)))


@pytest.mark.parametrize("packed", [False, True])
def test_an_mtz_file_keeps_the_contract_and_knows_its_crystal(tmp_path: Path, packed: bool) -> None:
    path = mtz(tmp_path / "a.mtz", {"FREE": ("I", HKL[:, 0] * 0), "FP": ("F", F), "SIGFP": ("Q", F)})
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    factors = ReflectionFile(file=path, default_F=3.0, interpolate=False)
    known = table(factors)
    check_structure_factors(factors, experiment(), known=dict(list(known.items())[::40]), default=None)
    for place in range(0, len(HKL), 7):
        h, k, l = HKL[place].tolist()
        for mate in ((h, k, l), (-h, k, -l), (-h, -k, -l), (h, -k, l)):
            assert known[mate] == pytest.approx(float(F[place]), rel=1e-7)  # stored in single precision
    assert [known[0, k, 0] for k in (1, 3, 5)] == [0.0, 0.0, 0.0]
    crystal = factors.crystal()
    assert crystal.space_group == "P 1 21 1"
    assert crystal.cell == pytest.approx(experiment().crystal.cell, rel=1e-6)
    assert crystal.wavelength == pytest.approx(WAVELENGTH * 1e-10, rel=1e-6)
    assert crystal.notices == ()


def test_absences_stay_absent_whatever_the_default_and_what_is_missing_has_it(tmp_path: Path) -> None:
    values = F.copy()
    values[5] = np.nan
    factors = ReflectionFile(file=mtz(tmp_path / "a.mtz", {"FP": ("F", values)}), default_F=7.0, interpolate=False)
    missing = tuple(HKL[5].tolist())
    known = {(0, 1, 0): 0.0, (0, 3, 0): 0.0, missing: 7.0, (90, 0, 0): 7.0}
    check_structure_factors(factors, experiment(), known=known)


def test_friedel_mates_are_kept_apart_and_one_stands_in_for_a_missing_other(tmp_path: Path) -> None:
    minus = F + 5.0
    minus[3] = np.nan
    columns = {"F": ("F", F), "F(+)": ("G", F), "F(-)": ("G", minus.astype(np.float32))}
    factors = ReflectionFile(file=mtz(tmp_path / "a.mtz", columns))
    (notice,) = factors.crystal().notices
    assert "F(+),F(-) is taken, of F(+),F(-), F; -F_label chooses another" in notice
    known, asu = table(factors), gemmi.SpaceGroup("P 1 21 1").operations()
    for place in (2, 3, 40, 60):
        h, k, l = HKL[place].tolist()
        if asu.is_reflection_centric([h, k, l]):
            assert known[h, k, l] == known[-h, -k, -l]
        else:
            assert known[h, k, l] == known[-h, k, -l] == pytest.approx(float(F[place]))
            expected = float(F[place]) if place == 3 else float(minus[place])
            assert known[-h, -k, -l] == known[h, -k, l] == pytest.approx(expected)
    one = table(ReflectionFile(file=factors.path(), amplitudes="F"))
    assert all(one[-h, -k, -l] == value for (h, k, l), value in one.items())


def test_intensities_become_amplitudes_on_request_and_negative_ones_nothing(tmp_path: Path) -> None:
    intensity = (F * F).astype(np.float32)
    intensity[4] = -10.0
    path = mtz(tmp_path / "a.mtz", {"IMEAN": ("J", intensity)})
    with pytest.raises(InputError, match="intensities IMEAN become amplitudes with -from_intensities"):
        ReflectionFile(file=path).crystal()
    for factors in (ReflectionFile(file=path, from_intensities=True), ReflectionFile(file=path, intensities="IMEAN")):
        known = table(factors)
        assert known[tuple(HKL[4].tolist())] == 0.0
        assert known[tuple(HKL[9].tolist())] == pytest.approx(float(F[9]), rel=1e-6)
        assert "1 reflections of negative intensity" in " ".join(factors.crystal().notices)


@pytest.mark.parametrize(
    ("labels", "chosen"),
    [
        (("FP", "FC"), "FP"),
        (("FC_ALL", "FWT", "DELFWT"), "FC_ALL"),
        (("FWT", "F-model"), "F-model"),
        (("F_new", "FC"), "F_new"),
        (("FOBS", "F"), "F"),
    ],
)
def test_the_obvious_column_is_taken(tmp_path: Path, labels: tuple[str, ...], chosen: str) -> None:
    path = mtz(tmp_path / "a.mtz", dict.fromkeys(labels, ("F", F)))
    assert ReflectionFile(file=path).crystal().chosen["amplitudes"] == chosen


@pytest.mark.parametrize(
    ("labels", "options", "expected"),
    [
        (("F_one", "F_two"), {}, "which of F_one, F_two to take is not obvious"),
        (("FWT", "DELFWT"), {}, "no column is obviously the amplitudes: FWT, DELFWT"),
        (("FP",), {"amplitudes": "FX"}, "there is no column 'FX'; there are FP"),
        (("FP",), {"intensities": "FP"}, "'FP' holds no intensity but amplitude; use -F_label"),
        (("FP",), {"from_intensities": True}, "no column is obviously the intensities"),
        (("FP",), {"block": "one"}, "an MTZ file has no blocks"),
    ],
)
def test_a_column_that_is_not_obvious_is_refused_with_those_there_are(
    tmp_path: Path, labels: tuple[str, ...], options: dict[str, object], expected: str
) -> None:
    path = mtz(tmp_path / "a.mtz", dict.fromkeys(labels, ("F", F)))
    with pytest.raises(InputError) as caught:
        ReflectionFile(file=path, **options).crystal()
    assert str(caught.value).startswith(f"{path}: ") and expected in str(caught.value)


def test_two_ways_to_choose_a_column_are_refused() -> None:
    with pytest.raises(UsageError, match="-F_label and -from_intensities at once"):
        ReflectionFile(amplitudes="F", from_intensities=True)


def test_mmcif_gives_what_mtz_gives_and_blocks_have_names(tmp_path: Path) -> None:
    words = [f"{value:.3f}" for value in F]
    path = reflection_cif(tmp_path / "a.cif", {"F_meas_au": words, "F_calc_au": words, "status": ["o"] * len(words)})
    second = reflection_cif(tmp_path / "b.cif", {"F_meas_au": ["5"] * 3}, "second", path.read_text() + "\n")
    factors = ReflectionFile(file=path)
    known = table(factors)
    assert known[tuple(HKL[9].tolist())] == pytest.approx(float(words[9]))
    assert factors.crystal().wavelength == pytest.approx(WAVELENGTH * 1e-10)
    assert "F_meas_au is taken" in factors.crystal().notices[0]
    assert table(ReflectionFile(file=second)) == known
    assert max(table(ReflectionFile(file=second, block="second")).values()) == 5.0
    with pytest.raises(InputError, match="-block third: there is no such block; there are first, second"):
        ReflectionFile(file=second, block="third").crystal()


def test_friedel_pairs_of_mmcif_and_unknown_values(tmp_path: Path) -> None:
    items = {"pdbx_F_plus": ["10", "?", "30"], "pdbx_F_minus": ["11", "21", "."]}
    known = table(ReflectionFile(file=reflection_cif(tmp_path / "a.cif", items)))
    first, second, third = (tuple(index) for index in HKL[:3].tolist())
    assert {known[first], known[tuple(-index for index in first)]} <= {10.0, 11.0, 10.5}
    assert known[second] == 21.0
    assert known[third] == 30.0


def wrong_files(folder: Path) -> dict[str, bytes]:
    """Files that are no reflections, though they come as such."""
    good = mtz(folder / "good.mtz", {"FP": ("F", F)}).read_bytes()
    cif = reflection_cif(folder / "good.cif", {"F_meas_au": ["5", "6"]}).read_bytes()
    header = good.rindex(b"VERS MTZ")
    bad_index = bytearray(good)
    bad_index[80:84] = np.float32(0.5).tobytes()
    nan_index = bytearray(good)
    nan_index[80:84] = np.float32(np.nan).tobytes()
    far_index = bytearray(good)
    far_index[80:84] = np.float32(9000).tobytes()
    infinite = bytearray(good)
    infinite[92:96] = np.float32(np.inf).tobytes()
    return {
        "cut.mtz": good[: len(good) // 2],
        "no_header.mtz": good[:header],
        "noise.mtz": bytes(range(256)) * 9,
        "noise_after_name.mtz": b"MTZ " + bytes(range(256)) * 9,
        "empty.mtz": b"",
        "blank.mtz": b" \n",
        "many.mtz": good.replace(b"NCOL        4", b"NCOL 90000004"),
        "place.mtz": good[:4] + (2**31 - 10).to_bytes(4, "little") + good[8:],
        "half.mtz": bytes(bad_index),
        "nan.mtz": bytes(nan_index),
        "far.mtz": bytes(far_index),
        "infinite.mtz": bytes(infinite),
        "no_cell.mtz": good.replace(b"CELL ", b"XELL ").replace(b"DCELL", b"XCELL"),
        "no_group.mtz": good.replace(b"SYMINF", b"XYMINF").replace(b"SYMM ", b"XYMM "),
        "gzip.mtz": b"\x1f\x8b" + bytes(range(100)),
        "cut_gzip.mtz": gzip.compress(good)[:200],
        "cut.cif": cif[: cif.index(b"_refln.F_meas_au") + 4],
        "no_cell.cif": cif.replace(b"_cell.length_a", b"_cell.length_x"),
        "no_group.cif": cif.replace(b"_symmetry.space_group_name_H-M", b"_symmetry.x"),
        "other_group.cif": cif.replace(b"'P 1 21 1'", b"'Q 99'"),
        "cubic.cif": cif.replace(b"'P 1 21 1'", b"'I 2 3'"),
        "flat.cif": cif.replace(b"103.0", b"0.0"),
        "word.cif": cif.replace(b" 6\n", b" six\n"),
        "infinite.cif": cif.replace(b" 6\n", b" inf\n"),
        "no_amplitudes.cif": cif.replace(b"_refln.F_meas_au", b"_refln.phase_calc"),
        "no_index.cif": cif.replace(b"_refln.index_l", b"_refln.index_x"),
        "unknown.cif": cif.replace(b" 6\n", b" ?\n").replace(b" 5\n", b" ?\n"),
        "text.cif": b"_refln.index_h\ndata_\nloop_\n_refln.index_h\n",
        "model.mtz": b"CRYST1   12.000   15.000   18.000  90.00  90.00  90.00 P 1\nATOM\n",
    }


def test_files_that_are_no_reflections_are_one_line_each(tmp_path: Path) -> None:
    for name, content in wrong_files(tmp_path).items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            ReflectionFile(file=path).prepare(experiment(), torch.device("cpu"), torch.float64)
        line = str(caught.value)
        assert str(path) in line and "\n" not in line and len(line) < len(str(path)) + 250, (name, line)
        assert "openbragg-" not in line.replace(str(path), ""), (name, line)
    with pytest.raises(InputError, match="cannot read"):
        ReflectionFile(file=tmp_path).crystal()
    with pytest.raises(InputError, match="name one with -hkl"):
        ReflectionFile().crystal()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize(
    ("name", "column", "group"),
    [("5e5z.mtz", "FP", "P 1 21 1"), ("6GUS.mtz", "FMODEL", "I 41"), ("4aap-sf-subset.cif", "F_meas_au", "P 32 2 1")],
)
def test_real_files_are_read(name: str, column: str, group: str) -> None:
    factors = ReflectionFile(file=SHARED / name)
    assert factors.crystal().chosen["amplitudes"] == column
    assert factors.crystal().space_group == group
    assert len(table(factors)) > factors.listed().unique


def by_hand(table: dict[tuple[int, ...], float], index: tuple[int, int, int]) -> tuple[float, float]:
    """Amplitudes of h k l and of -h -k -l."""
    h, k, l = index
    return table[h, k, l], table[-h, -k, -l]


@pytest.mark.parametrize(
    ("amplitude", "difference"),
    [("F", "DANO"), ("FP", "DANO"), ("F_peak", "DANO_peak"), ("F-obs", "DANO-obs"), ("FPH1", "DPH1"), ("F_a", "odd")],
)
def test_anomalous_differences_are_used(tmp_path: Path, amplitude: str, difference: str) -> None:
    dano = (0.2 * F).astype(np.float32)
    dano[40] = np.nan
    columns = {amplitude: ("F", F), "SIGF": ("Q", F), difference: ("D", dano), "SIGD": ("Q", F)}
    path = mtz(tmp_path / "a.mtz", columns)
    factors = ReflectionFile(file=path)
    assert factors.crystal().chosen["amplitudes"] == f"{amplitude},{difference}"
    known = table(factors)
    acentric = [place for place in (30, 40, 60, 100) if HKL[place].all()]
    assert len(acentric) >= 3
    for place in acentric:
        half = 0.0 if place == 40 else 0.1 * float(F[place])
        plus, minus = by_hand(known, tuple(HKL[place].tolist()))
        assert plus == pytest.approx(float(F[place]) + half, rel=1e-6)
        assert minus == pytest.approx(float(F[place]) - half, rel=1e-6)
    (h, k, l) = next(tuple(index) for index in HKL.tolist() if index[1] == 0)
    assert known[h, k, l] == known[-h, -k, -l]
    # By its name the mean is taken alone, and a notice has the difference.
    alone = ReflectionFile(file=path, amplitudes=amplitude)
    assert len(set(by_hand(table(alone), tuple(HKL[60].tolist())))) == 1
    assert f"-F_label {amplitude},{difference} takes their difference along" in " ".join(alone.crystal().notices)
    assert table(ReflectionFile(file=path, amplitudes=f"{amplitude},{difference}")) == known


def test_a_difference_of_no_amplitude_is_noticed_and_is_no_amplitude(tmp_path: Path) -> None:
    path = mtz(tmp_path / "a.mtz", {"DANO": ("D", F), "SIGD": ("Q", F), "FP": ("F", F), "X": ("R", F), "D2": ("D", F)})
    factors = ReflectionFile(file=path)
    assert factors.crystal().chosen["amplitudes"] == "FP,DANO"  # its name says so
    assert "the differences D2 belong to no amplitudes" in factors.crystal().notices[0]
    with pytest.raises(InputError, match="'DANO' holds differences; there are FP,DANO"):
        ReflectionFile(file=path, amplitudes="DANO").crystal()


def test_the_anomalous_columns_of_a_refinement_are_found(tmp_path: Path) -> None:
    names = ("F-obs", "F-obs-filtered", "F-model", "F-calc")
    columns = {
        f"{name}({sign})": ("G", (F + 10 * number + (sign == "-")).astype(np.float32))
        for number, name in enumerate(names)
        for sign in "+-"
    }
    maps = {"2FOFCWT": ("F", F), "FOFCWT": ("F", F), "ANOM": ("F", F)}
    path = mtz(tmp_path / "a.mtz", {**maps, **columns})
    factors = ReflectionFile(file=path)
    assert factors.crystal().chosen["amplitudes"] == "F-obs(+),F-obs(-)"
    plus, minus = by_hand(table(factors), tuple(HKL[60].tolist()))
    assert (plus, minus) == pytest.approx((float(F[60]), float(F[60]) + 1.0), rel=1e-6)
    filtered = {label: value for label, value in columns.items() if "F-obs(" not in label}
    found = ReflectionFile(file=mtz(tmp_path / "b.mtz", {**filtered, **maps})).crystal()
    assert found.chosen["amplitudes"] == "F-obs-filtered(+),F-obs-filtered(-)"
    # Measured amplitudes come before calculated ones that are paired.
    calculated = {label: value for label, value in columns.items() if "model" in label}
    found = ReflectionFile(file=mtz(tmp_path / "c.mtz", {**calculated, "FP": ("F", F)})).crystal()
    assert found.chosen["amplitudes"] == "FP"


def placed(path: Path, order: tuple[str, ...], extra: dict[str, tuple[str, np.ndarray]]) -> Path:
    """An MTZ file whose columns come in an order."""
    made = gemmi.Mtz(with_base=False)
    made.spacegroup = gemmi.SpaceGroup("P 1 21 1")
    made.add_dataset("crystal").wavelength = WAVELENGTH
    made.set_cell_for_all(gemmi.UnitCell(*CELL))
    known = {**{name: ("H", HKL[:, axis]) for axis, name in enumerate("HKL")}, **extra}
    for label in order:
        made.add_column(label, known[label][0])
    made.set_data(np.column_stack([known[label][1] for label in order]).astype(np.float32))
    made.write_to_file(str(path))
    return path


def test_indices_may_stand_in_any_columns(tmp_path: Path) -> None:
    columns = {"FP": ("F", F), "FREE": ("I", F)}
    first = placed(tmp_path / "a.mtz", ("H", "K", "L", "FP", "FREE"), columns)
    for number, order in enumerate([("FP", "H", "K", "L", "FREE"), ("L", "FREE", "H", "FP", "K")]):
        assert table(ReflectionFile(file=placed(tmp_path / f"{number}.mtz", order, columns))) == table(
            ReflectionFile(file=first)
        )


def test_observations_without_batch_headers_are_refused(tmp_path: Path) -> None:
    twice = np.concatenate([HKL, HKL])
    values = np.concatenate([F, F])
    for label, kind in (("M/ISYM", "Y"), ("BATCH", "B")):
        path = mtz(tmp_path / "a.mtz", {"I": ("J", values), label: (kind, np.ones(len(values)))}, twice)
        with pytest.raises(InputError, match=rf"unmerged \(column {label}\): merge them first"):
            ReflectionFile(file=path, from_intensities=True).crystal()
    path = mtz(tmp_path / "b.mtz", {"FP": ("F", values)}, twice)
    with pytest.raises(InputError, match=r"unmerged \(476 observations of 238\): merge them first"):
        ReflectionFile(file=path).crystal()
    # TRUNCATE says which mates were measured, in a merged file.
    merged = {"F": ("F", F), "SIGF": ("Q", F), "DANO": ("D", 0 * F), "SIGDANO": ("Q", F), "ISYM": ("Y", F * 0)}
    assert ReflectionFile(file=mtz(tmp_path / "c.mtz", merged)).crystal().chosen["amplitudes"] == "F,DANO"


def test_a_packed_file_is_unpacked_in_one_pass_and_within_bounds(tmp_path: Path) -> None:
    # Noise does not pack, so the file is as long as what it holds; each further member begins anew.
    noise = np.random.default_rng(1).bytes(1 << 20)
    path = tmp_path / "a.mtz.gz"
    path.write_bytes(gzip.compress(noise, 1) + gzip.compress(b"and more", 9) + bytes(512))
    assert content_of(path) == noise + b"and more"
    # Zeros are a thousandth packed: refused long before they are all there.
    zeros = zlib.compressobj(9, wbits=31)
    path.write_bytes(b"".join(zeros.compress(bytes(1 << 20)) for _ in range(60)) + zeros.flush())
    with traced():
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(InputError, match=r"unpacks to more than \d+ bytes"):
            content_of(path)
        assert tracemalloc.get_traced_memory()[1] - before < 3 * (1 << 24) + 200 * path.stat().st_size
    path.write_bytes(gzip.compress(noise, 1)[:-9])
    with pytest.raises(InputError, match="ends too early"):
        content_of(path)


@pytest.mark.skipif(not FIELD.is_dir(), reason="the files of the field are not here")
def test_f_and_dano_of_the_field() -> None:
    plus, minus = by_hand(table(ReflectionFile(file=FIELD / "f_dano.mtz")), (3, 1, 2))
    assert (plus, minus) == pytest.approx((114.37447 + 22.874893 / 2, 114.37447 - 22.874893 / 2), rel=1e-6)


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file"),
        (b"CrystFEL stream format 2.3\n", "a CrystFEL stream"),
        (b"CrystFEL unit cell file version 1.0\na = 1 A\n", "a CrystFEL cell file"),
        (b"!OUTPUT_FILE=INTEGRATE.HKL\n", "take XDS_ASCII.HKL"),
        (b" NREFLECTION=  100\n ANOMALOUS=FALSE\n INDEX 1 0 0 FOBS= 3\n", "a CNS reflection file"),
        (b"TITL x\nCELL 0.7 10 11 12 90 90 90\n", "instructions of SHELX"),
        (b"<!DOCTYPE html>\n<html>", "a page of the web"),
        (b"1 2 3 4.5 0.1\n", "a table of 5 columns"),
        (b"BZh91AY", "packed by bzip2"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, beginning: bytes, expected: str) -> None:
    for name in ("a.hkl", "a.mtz", "a.pdb"):
        path = tmp_path / name
        path.write_bytes(beginning)
        with pytest.raises(InputError) as caught:
            structure_factors_of(path).prepare(experiment(), torch.device("cpu"), torch.float64)
        assert expected in str(caught.value) and str(path) in str(caught.value), name
