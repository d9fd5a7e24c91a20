"""A Simulation is one value: what it gives is the image, piece by piece; what evolves from it shares what it can."""

import json
from math import pi
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import openbragg
from command_line import SMALL, run
from openbragg import Beam, Crystal, Detector, Experiment, PluginError, Sampling, Scan, Simulation, UsageError

A = 1e-10
RIGHT = pi / 2
FACTORS = openbragg.plugin("structure_factors", "hkl", default_F=50.0)


def experiment(**crystal: Any) -> Experiment:
    given = {"cell": (30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7), "cells": (4, 4, 4), "misset": (0.1, 0.2, 0.3)}
    return Experiment(
        crystal=Crystal(**given | crystal),
        beam=Beam(wavelength=1.2 * A),
        detector=Detector(pixels=(6, 8), pixel_size=2e-3, distance=0.08),
        sampling=Sampling(oversample=2),
    )


def simulation(**crystal: Any) -> Simulation:
    return Simulation(experiment(**crystal), structure_factors=FACTORS, engine="eager", precision="double")


@attrs.frozen(eq=False)
class Counted:
    """Structure factors that count how often they are prepared."""

    name: ClassVar[str] = "counted"
    summary: ClassVar[str] = "for a test"
    flags: ClassVar[tuple[str, ...]] = ()
    calls: list[str] = attrs.field(factory=list)

    def prepare(self, experiment: Experiment, device: torch.device, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        self.calls.append("prepare")
        return (torch.tensor(50.0, dtype=dtype, device=device),)

    def amplitude(self, index: Any, nearest: Any, tables: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return tables[0].expand(index.h.shape)


CHANGES: dict[str, Any] = {
    "misset": lambda made: {"crystal": attrs.evolve(made.crystal, misset=(0.5, -0.2, 1.0))},
    "scan": lambda made: {"scan": Scan(start=0.3)},
    "mosaic": lambda made: {"crystal": attrs.evolve(made.crystal, mosaic_spread=0.02, mosaic_domains=3)},
    "cell": lambda made: {"crystal": attrs.evolve(made.crystal, cell=(31 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7))},
    "cells": lambda made: {"crystal": attrs.evolve(made.crystal, cells=(5, 3, 4))},
    "beam": lambda made: {"beam": attrs.evolve(made.beam, wavelength=1.1 * A, polarization=0.5)},
    "detector": lambda made: {"detector": attrs.evolve(made.detector, distance=0.09)},
    "sampling": lambda made: {"sampling": Sampling(oversample=1, region=(1, 5, 2, 4))},
    "shape": lambda made: {"lattice_shape": "gauss"},
    "convention": lambda made: {"convention": "xds"},
    "background": lambda made: {"backgrounds": [openbragg.plugin("backgrounds", "uniform", per_pixel=3.0)]},
    "no background": lambda made: {"backgrounds": ()},
    "precision": lambda made: {"precision": "mixed"},
    "quirks": lambda made: {"compat": "nanobragg", "scan": Scan(start=0.0, range=0.02, steps=2)},
}


@given(names=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3))
def test_what_evolves_is_what_is_made_anew(names: list[str]) -> None:
    evolved = simulation()
    evolved.layout()
    for name in names:
        evolved = evolved.evolve(**CHANGES[name](evolved.experiment))
        evolved.layout()
    fields = {field.name: getattr(evolved, field.name) for field in attrs.fields(Simulation) if field.init}
    anew = Simulation(**{name: value for name, value in fields.items() if name not in ("_prepared", "words")})
    # The metric of the lattice is that of another orientation: rounding.
    torch.testing.assert_close(
        evolved.photons(), anew.photons(), rtol=1e-5 if anew.precision == "mixed" else 1e-10, atol=0.0
    )
    assert set(evolved.notices) == set(anew.notices)
    assert evolved.choices == anew.choices


def test_tables_are_prepared_once_however_crystal_beam_and_detector_change() -> None:
    factors = Counted()
    first = Simulation(experiment(), structure_factors=factors, engine="eager")
    first.photons()
    for name in ("misset", "scan", "mosaic", "cell", "beam", "detector", "shape"):
        first = first.evolve(**CHANGES[name](first.experiment))
        first.photons()
    assert factors.calls == ["prepare"]
    first.evolve(precision="double").photons()
    assert factors.calls == ["prepare"] * 2


def test_without_backgrounds_nothing_is_laid_out_anew() -> None:
    first = simulation().evolve(**CHANGES["background"](None))
    whole = first.photons()
    alone = first.evolve(backgrounds=())
    torch.testing.assert_close(alone.photons() + first.background(), whole, rtol=1e-6, atol=0.0)
    assert alone.layout().plan.panels is first.layout().plan.panels
    again = alone.evolve(**CHANGES["background"](None))
    assert torch.equal(again.photons(), whole)


def test_another_orientation_lays_out_the_orientations_alone() -> None:
    first = simulation()
    turned = first.evolve(crystal=attrs.evolve(first.experiment.crystal, misset=(1.0, 0.0, 0.0)))
    first.layout()
    again = first.evolve(crystal=attrs.evolve(first.experiment.crystal, misset=(1.0, 0.0, 0.0)))
    assert torch.equal(turned.photons(), again.photons())
    plan, before = again.layout().plan, first.layout().plan
    assert plan.tables is before.tables and plan.panels is before.panels and plan.incident is before.incident
    assert again.layout().laboratory is first.layout().laboratory


def test_a_crystal_that_is_turned_by_hand_is_no_longer_said_to_be_at_random() -> None:
    first = simulation(misset="random", misset_seed=3)
    assert "random with seed 3" in first.choices["misset"]
    other = first.evolve(crystal=attrs.evolve(first.experiment.crystal, misset_seed=4))
    assert "random with seed 4" in other.choices["misset"]
    turned = other.evolve(crystal=attrs.evolve(first.experiment.crystal, misset=(1.0, 0.0, 0.0)))
    assert "misset" not in turned.choices


def test_pixels_are_those_of_the_image_with_their_gradients() -> None:
    spread = torch.tensor(0.02, dtype=torch.float64, requires_grad=True)
    made = simulation(mosaic_spread=spread, mosaic_domains=3).evolve(
        backgrounds=[openbragg.plugin("backgrounds", "uniform", per_pixel=2.0)]
    )
    image, slow, fast = made.photons(), [[5, 0], [2, 2]], [[7, 0], [3, 3]]
    # Each use has a graph of its own.
    found = made.pixels(slow, fast)
    assert torch.equal(found, image[slow, fast])
    (slope,) = torch.autograd.grad(found.sum(), spread)
    (expected,) = torch.autograd.grad(image[slow, fast].sum(), spread)
    assert float(slope) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("compat", ["", "nanobragg"])
def test_pixels_of_panels_masks_and_quirks_are_those_of_the_image(compat: str) -> None:
    mask = np.ones((9, 8), bool)
    mask[1, 2] = False
    panels = (
        openbragg.Panel(pixels=(4, 8), pixel_size=2e-3, offset=(0.08, 0.0, -0.008), slab=(0, 0)),
        openbragg.Panel(pixels=(4, 8), pixel_size=2e-3, offset=(0.08, 0.01, -0.008), slab=(5, 0)),
    )
    several = attrs.evolve(
        experiment(), detector=Detector(layout=panels, mask=mask), scan=Scan(start=0.0, range=0.1, steps=2)
    )
    made = Simulation(several, structure_factors=FACTORS, engine="eager", compat=compat)
    rows, columns = (places.reshape(-1) for places in np.indices((9, 8)))
    assert torch.equal(made.pixels(rows, columns).reshape(9, 8), made.photons())
    assert float(made.pixels([1], [2])) == 0.0


@pytest.mark.parametrize(
    ("places", "words"),
    [
        (([6], [0]), "pixel 6 0 (slow, fast) lies outside the image of 6 x 8"),
        (([0], [-1]), "pixel 0 -1 (slow, fast) lies outside"),
        (([0, 1], [0]), "expected whole numbers slow and fast"),
        (([0.5], [0]), "expected whole numbers slow and fast"),
    ],
)
def test_pixels_that_are_none_are_refused(places: Any, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        simulation().pixels(*places)
    assert words in str(refused.value)


NAMES = ("misset", "cell", "mosaic_spread", "distance", "rotation", "wavelength", "scan.start", "beam_centre")


def test_the_jacobian_is_what_differences_give() -> None:
    made = simulation(mosaic_spread=0.02, mosaic_domains=3)
    made = made.evolve(detector=attrs.evolve(made.experiment.detector, beam_centre=(8e-3, 6e-3)))
    places = ([1, 3, 5], [2, 4, 6])
    found = made.jacobian(NAMES, places)
    assert list(found) == list(NAMES)
    for name, derivative in found.items():
        part, _, field = (name if "." in name else f"{_part_of(name)}.{name}").partition(".")
        held = getattr(made.experiment, part)
        value = getattr(held, field)
        values = list(value) if isinstance(value, tuple) else [value]
        assert derivative.shape == ((3, len(values)) if isinstance(value, tuple) else (3,))
        for place, number in enumerate(values):
            # The square root of the rounding error, of the size of the number.
            step = (1e-4 if name == "mosaic_spread" else 1e-7) * (
                abs(number) if 0.0 < abs(number) < 1e-6 else max(abs(number), 1e-3)
            )
            ends = []
            for moved in (number + step, number - step):
                changed = [*values[:place], moved, *values[place + 1 :]]
                whole = tuple(changed) if isinstance(value, tuple) else moved
                ends.append(made.evolve(**{part: attrs.evolve(held, **{field: whole})}).pixels(*places))
            slope = (ends[0] - ends[1]) / (2.0 * step)
            column = derivative[:, place] if isinstance(value, tuple) else derivative
            scale = float(slope.abs().max()) + 1e-9 * float(ends[0].abs().max()) / step
            # A spread is rounded to single precision, as in the reference.
            tolerance = 2e-3 if name == "mosaic_spread" else 1e-4
            assert float((column - slope).abs().max()) <= tolerance * scale, (name, place)


def _part_of(name: str) -> str:
    for part, cls in (("crystal", Crystal), ("beam", Beam), ("detector", Detector)):
        if name in {field.name for field in attrs.fields(cls)}:
            return part
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("colour", "colour: expected a continuous parameter of the experiment: cell, misset"),
        ("size", "size: expected one of crystal.size, beam.size, detector.size"),
        ("flux", "flux: has no value to differentiate by; give it one"),
        ("crystal.wavelength", "expected a continuous parameter"),
    ],
)
def test_parameters_that_there_are_not_are_refused(name: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        simulation().jacobian(name, ([0], [0]))
    assert words in str(refused.value)


def test_counts_are_drawn_of_the_photons_and_the_seed() -> None:
    made = simulation()
    first = made.counts(seed=3)
    assert torch.equal(first, made.counts(seed=3, photons=made.photons()))
    assert not torch.equal(first, made.counts(seed=4))
    seeded = made.evolve(sampling=attrs.evolve(made.experiment.sampling, seed=3))
    assert torch.equal(first, seeded.counts())


def test_a_trace_is_of_the_pixel_of_the_image() -> None:
    made = simulation()
    assert float(made.trace(3, 4).value) == float(made.photons()[3, 4])


def test_structure_factors_may_be_a_file_or_a_name(tmp_path: Path) -> None:
    file = tmp_path / "table.hkl"
    file.write_text("0 0 1 5\n1 0 0 7\n")
    for chosen in (file, str(file)):
        assert Simulation(experiment(), structure_factors=chosen).structure_factors.name == "hkl"
    with pytest.raises(PluginError, match=r"unknown structure factors 'nosuch'.*no file of that name"):
        Simulation(experiment(), structure_factors="nosuch")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"engine": "fast"}, "engine: expected one of auto, eager, compiled, got 'fast'"),
        ({"precision": "half"}, "precision: expected one of auto, mixed, double, got 'half'"),
        ({"threads": 0}, "threads: expected 1 or more, got 0"),
        ({"cull": 2.0}, "cull: expected a number above 0 and below 1, got 2.0"),
        ({"device": "nosuch"}, "device 'nosuch' cannot be used"),
        ({"lattice_shape": 3}, "expected a lattice shape or the name of one, got 3"),
    ],
)
def test_wrong_parts_are_refused_when_they_are_given(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        Simulation(experiment(), **wrong)
    assert words in str(refused.value)


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_folder")
def test_python_does_the_whole_of_a_series_on_the_command_line_to_the_same_bytes() -> None:
    Path("by_flags").mkdir()
    Path("by_name").mkdir()
    flags = "-cell 50 60 70 -N 5 -default_F 100 -detpixels 8 -pixel 2 -distance 100 -oversample 1 -osc 1 -seed 3"
    files = "-expt by_flags/t.expt -refl by_flags/t.refl -record by_flags/r.json -nxmx by_flags/s.nxs"
    words = f"{flags} -images 5 {files}".split()
    assert run("simulate", *words).status == 0

    made = Simulation(
        Experiment(
            crystal=Crystal(cell=(5e-9, 6e-9, 7e-9, RIGHT, RIGHT, RIGHT), cells=(5, 5, 5)),
            detector=Detector(pixels=(8, 8), pixel_size=2e-3, distance=0.1),
            scan=Scan(range=pi / 180),
            sampling=Sampling(oversample=1, seed=3),
        ),
        structure_factors=openbragg.plugin("structure_factors", "hkl", default_F=100.0),
    )
    made.series(5).write("by_name/s.nxs", truth=("by_name/t.expt", "by_name/t.refl"), record="by_name/r.json")
    names = sorted(path.name for path in Path("by_flags").iterdir())
    assert names == sorted(path.name for path in Path("by_name").iterdir())
    for name in names:
        if name != "r.json" and not name.endswith(".jsonl"):
            assert Path("by_flags", name).read_bytes() == Path("by_name", name).read_bytes(), name
    records = [json.loads(Path(folder, "r.json").read_text().replace(folder, "")) for folder in ("by_flags", "by_name")]
    for record in records:
        del record["created"], record["arguments"]
        # What the flag -distance implies for conventions that let flags choose.
        del record["experiment"]["detector"]["implied_pivot"]
    assert records[0] == records[1]
    Path("again").mkdir()
    others = ("-nxmx", "again/s.nxs", "-expt", "again/t.expt", "-refl", "again/t.refl")
    again = run("simulate", "--from", "by_name/r.json", *others)
    assert again.status == 0 and "is not what" not in again.err


@pytest.mark.usefixtures("_folder")
def test_flags_and_python_make_the_same_files_of_one_image() -> None:
    assert run("simulate", *SMALL, "-seed", 1, "-floatfile", "a.bin", "-noisefile", "a.img").status == 0
    made = openbragg.from_flags([*SMALL, "-seed", "1"])
    made.write("b.img", floatfile="b.bin")
    assert Path("a.bin").read_bytes() == Path("b.bin").read_bytes()
    assert Path("a.img").read_bytes() == Path("b.img").read_bytes()


@pytest.mark.usefixtures("_folder")
def test_a_record_of_what_no_flag_says_is_repeated_from_python() -> None:
    mask = np.ones((6, 8), bool)
    mask[2, 3] = False
    masked = experiment()
    masked = attrs.evolve(masked, detector=attrs.evolve(masked.detector, mask=mask))
    said = Simulation(masked, structure_factors=FACTORS).write(floatfile="a.bin", record="r.json")
    assert any("-from cannot repeat it, for no flag says Detector.mask" in line for line in said)
    loaded = openbragg.load_run("r.json").simulation
    assert loaded.photons().numpy().tobytes() == Path("a.bin").read_bytes()
    refused = run("simulate", "--from", "r.json")
    assert refused.status == 1 and "openbragg.load_run" in refused.err


@pytest.mark.usefixtures("_folder")
@pytest.mark.parametrize(
    ("files", "settings", "words"),
    [
        (("a.xyz",), {}, "a.xyz: expected a name that ends in one of"),
        ((), {"colour": 3}, "colour: expected a flag of an image or truth format"),
        (("nosuch/a.img",), {}, "there is no folder"),
    ],
)
def test_files_that_cannot_be_are_refused_before_anything_is_rendered(
    files: tuple[str, ...], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(openbragg.OpenBraggError) as refused:
        simulation().write(*files, **settings)
    assert words in str(refused.value)
    assert list(Path().iterdir()) == []


ROWS: dict[str, tuple[Any, str, Any]] = {
    "sources": (Beam, "sources", [[-1.0, 0.0, 0.0, 1.0, 1.2e-10], [-1.0, 0.01, 0.0, 2.0, 1.1e-10]]),
    "short sources": (Beam, "sources", [[-1.0, 0.0, 0.0], [-1.0, 0.01, 0.0]]),
    "cell": (Crystal, "cell", [3e-9, 4e-9, 5e-9, 1.4, 1.6, 1.7]),
    "misset": (Crystal, "misset", [0.1, 0.2, 0.3]),
    "cells": (Crystal, "cells", [4.0, 4.0, 4.0]),
    "matrix": (Crystal, "reciprocal_vectors", [[2e8, 0.0, 0.0], [0.0, 2e8, 1e7], [0.0, 0.0, 2e8]]),
    "rotation": (Detector, "rotation", [0.1, 0.0, 0.2]),
    "beam centre": (Detector, "beam_centre", [6e-3, 8e-3]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", ROWS)
def test_rows_of_numbers_are_lists_arrays_or_tensors(rows: str) -> None:
    cls, field, values = ROWS[rows]
    part = cls.__name__.lower()
    images = []
    for kind in (list, np.array, lambda given: torch.tensor(given, dtype=torch.float64)):
        asked = attrs.evolve(getattr(experiment(), part), **{field: kind(values)})
        made = Simulation(attrs.evolve(experiment(), **{part: asked}), structure_factors=FACTORS, engine="eager")
        images.append(made.evolve(precision="double").photons())
    # What is worked out of arrays and of numbers may differ in the last bit, and fringes near 0 show it.
    for image in images[1:]:
        torch.testing.assert_close(image, images[0], rtol=1e-9, atol=1e-12 * float(images[0].max()))


def test_several_numbers_where_one_is_meant_are_refused() -> None:
    for wrong in ([0.1, 0.2, 0.3], np.array([0.1, 0.2]), torch.tensor([0.1, 0.2])):
        with pytest.raises(openbragg.InputError, match="mosaic_spread: expected one number, got"):
            experiment(mosaic_spread=wrong)


def test_backgrounds_alone_are_what_they_add() -> None:
    water = openbragg.plugin("backgrounds", "water", thickness=1e-4)
    made = simulation().evolve(backgrounds=water)
    alone = made.evolve(backgrounds=()).photons()
    torch.testing.assert_close(made.photons() - alone, made.background(), rtol=1e-9, atol=1e-9 * float(alone.max()))
    assert float(made.evolve(backgrounds=()).background().max()) == 0.0


def test_the_spacing_of_a_pixel_is_that_of_its_only_term() -> None:
    made = simulation().evolve(sampling=Sampling(oversample=1))
    vector = torch.stack([component.reshape(()) for component in made.trace(1, 2).terms.scattering])
    assert float(made.spacing()[1, 2]) == pytest.approx(1.0 / float(vector.norm()), rel=1e-12)
    gap = attrs.evolve(made.experiment.detector, gaps=((0, 3, 2, 2),))
    spacing = made.evolve(detector=gap).spacing()
    assert bool(spacing[2, :4].isnan().all()) and int(spacing.isnan().sum()) == 4


@pytest.mark.usefixtures("_folder")
def test_a_detector_by_name_is_recorded_as_such() -> None:
    for number, thickness in enumerate(({}, {"sensor_thickness": 3e-4})):
        detector = openbragg.detector_preset("eiger2-1m", **thickness, distance=0.1)
        region = Sampling(oversample=1, region=(10, 14, 10, 14))
        parts = {"detector": detector, "sampling": region}
        made = Simulation(attrs.evolve(experiment(), **parts), structure_factors=FACTORS, engine="eager")
        said = made.write(floatfile=f"{number}.bin", record=f"{number}.json")
        assert not any("cannot repeat" in line for line in said)
        again = run("simulate", "--from", f"{number}.json", "-floatfile", "again.bin")
        assert again.status == 0, again.err
        assert Path("again.bin").read_bytes() == Path(f"{number}.bin").read_bytes()


@pytest.mark.usefixtures("_folder")
def test_two_files_of_one_kind_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a\.refl and a\.csv are the same kind of file"):
        simulation().write(truth=("a.refl", "a.csv"))
