"""A graphics card computes what the CPU does, without waiting for it and in memory that is bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import openbragg
from command_line import run
from mosaic_model import A, experiment, table
from openbragg import Beam, Crystal, Detector, Experiment, Panel, Sampling, Scan, Simulation
from openbragg.engine import devices

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]

FLAT = openbragg.plugin("structure_factors", "hkl", default_F=50.0)
LAYOUT = (
    Panel(pixels=(7, 9), pixel_size=2e-3, offset=(0.0, 0.0, 0.0), axes=((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))),
    Panel(pixels=(8, 5), pixel_size=2e-3, offset=(0.02, 0.03, 0.0), axes=((-1.0, 0, 0), (0, -1.0, 0), (0, 0, 1.0))),
)
SOURCES = ((-1.0, 0.001, 0.0, 1.0, 1.2 * A), (-1.0, -0.001, 0.0, 3.0, 1.21 * A))
#: Of the gradient in mixed precision, as a part of it: terms of both signs cancel in it.
MIXED = 2e-5


OWN = {f"oversample_{factor}": True for factor in ("capture", "polarization", "solid_angle")}
MODELS: dict[str, Callable[..., Simulation]] = {
    "square": lambda **how: openbragg.Simulation(experiment(), structure_factors=FLAT, **how),
    "gauss": lambda **how: openbragg.Simulation(
        experiment(cells=(2, 4, 3), fudge=0.01), structure_factors=table(4), lattice_shape="gauss", **how
    ),
    "round": lambda **how: openbragg.Simulation(
        experiment(water=2e-8, sources=SOURCES, curved=True, resolution_limit=4 * A),
        structure_factors=table(4),
        lattice_shape="round",
        **how,
    ),
    "tophat": lambda **how: openbragg.Simulation(
        experiment(fudge=0.001, pixels=(None, None), layout=LAYOUT, **OWN),
        structure_factors=FLAT,
        lattice_shape="tophat",
        **how,
    ),
    "interpolated": lambda **how: openbragg.Simulation(
        experiment(cells=(2, 4, 3), fudge=0.01),
        structure_factors=table(4, interpolate=True),
        lattice_shape="gauss",
        **how,
    ),
    "latch": lambda **how: openbragg.Simulation(
        experiment(cells=(2, 2, 2)), structure_factors=table(4, interpolate=True), compat=["interpolation-latch"], **how
    ),
    "region and mask": lambda **how: openbragg.Simulation(
        experiment(region=(3, 17, 5, 13), mask=np.random.default_rng(2).random((20, 24)) < 0.3),
        structure_factors=FLAT,
        backgrounds=[openbragg.plugin("backgrounds", "water", thickness=1e-4)],
        **how,
    ),
    "running product": lambda **how: openbragg.Simulation(
        experiment(**OWN), structure_factors=FLAT, compat=["running-product"], **how
    ),
}


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("precision", ["mixed", "double"])
@pytest.mark.parametrize("model", MODELS)
def test_it_gives_the_image_of_the_cpu(model: str, precision: str, engine: str) -> None:
    here = MODELS[model](precision="double", engine="eager").rendering()
    there = MODELS[model](precision=precision, engine=engine, device="cuda").rendering()
    fuses = engine == "compiled" and model != "running product"
    assert there.use.compiled == fuses, there.choices.notices
    tolerance = 1e-10 if precision == "double" else 1e-6
    for mine, other in zip(there.images, here.images, strict=True):
        assert mine.is_cuda
        assert float(other.max()) > 0.0
        assert float((mine.cpu() - other).abs().max()) < tolerance * float(other.max())


def test_code_is_made_once_for_all_images_of_a_model() -> None:
    first = MODELS["square"](engine="compiled", device="cuda").rendering()
    again = MODELS["square"](engine="compiled", device="cuda").rendering()
    assert torch.equal(first.images[0], again.images[0])
    assert again.use.preparing < 0.5 * first.use.preparing or again.use.preparing < 1.0


@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("model", ["square", "round", "interpolated"])
def test_nothing_is_moved_or_waited_for_from_block_to_block(
    model: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "MOST_EVALUATIONS", 1 << 11)
    monkeypatch.setattr(devices, "MOST_TERMS", 1 << 13)
    calls = 0

    def strict(done: int, total: int) -> None:
        """From the first block's end to the last one's, torch refuses whatever makes the CPU wait."""
        nonlocal calls
        calls += 1
        torch.cuda.set_sync_debug_mode("error" if done < total else "default")

    try:
        MODELS[model](engine=engine, device="cuda").rendering(strict)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert calls > 3


@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_memory_does_not_grow_with_the_number_of_terms(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MOST_EVALUATIONS", 1 << 14)
    monkeypatch.setattr(devices, "MOST_TERMS", 1 << 18)
    peaks = []
    for pixels, domains in ((128, 8), (128, 64), (512, 64)):
        made = experiment(pixels=(pixels, pixels), pixel_size=4e-4, mosaic_domains=domains)
        openbragg.Simulation(made, structure_factors=FLAT, engine=engine, device="cuda").rendering()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        openbragg.Simulation(made, structure_factors=FLAT, engine=engine, device="cuda").rendering()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    image = 512 * 512 * 6  # and two marks a pixel
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[2] < 1.5 * peaks[1] + image


def parameter(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.parametrize("precision", ["mixed", "double"])
def test_gradients_are_those_of_the_cpu(precision: str, engine: str, interpolate: bool) -> None:
    names = {
        "a": 20 * A, "b": 25 * A, "c": 30 * A, "alpha": 1.4, "misset": 0.1, "spread": 0.01, "phi": 0.1,
        "wavelength": 1.0 * A, "fluence": 1e29, "distance": 0.1, "beam x": 0.0031, "rotation": 0.01,
    }  # fmt: skip
    factors = table(12, interpolate=interpolate)
    weights = torch.rand(12, 11, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def gradients(**how: Any) -> dict[str, torch.Tensor]:
        p = {name: parameter(value) for name, value in names.items()}
        made = Experiment(
            crystal=Crystal(
                cell=(p["a"], p["b"], p["c"], p["alpha"], 1.5, 1.7),
                misset=(p["misset"], 0.2, 0.3),
                cells=(5, 4, 3),
                mosaic_spread=p["spread"],
                mosaic_domains=4,
            ),
            beam=Beam(wavelength=p["wavelength"], fluence=p["fluence"]),
            detector=Detector(
                pixels=(12, 11),
                pixel_size=5e-4,
                distance=p["distance"],
                beam_centre=(p["beam x"], 0.0033),
                rotation=(p["rotation"], 0.02, 0.03),
            ),
            scan=Scan(start=p["phi"], range=pi / 180, steps=3),
            sampling=Sampling(oversample=2),
        )
        rendering = openbragg.Simulation(made, structure_factors=factors, **how).rendering()
        assert rendering.use.compiled == (how["engine"] == "compiled"), rendering.choices.notices
        image = rendering.images[0]
        found = torch.autograd.grad((image * weights.to(image.device)).sum(), list(p.values()))
        return dict(zip(p, found, strict=True))

    here = gradients(engine="eager", precision="double")
    there = gradients(engine=engine, precision=precision, device="cuda")
    tolerance = 1e-8 if precision == "double" else MIXED
    for name, expected in here.items():
        assert float(expected) != 0.0, name
        torch.testing.assert_close(there[name], expected, rtol=tolerance, atol=0.0, msg=name)


def test_what_is_culled_is_within_its_bound() -> None:
    model = experiment(cells=(20, 20, 20), mosaic_domains=20, oversample=1, pixels=(64, 64), pixel_size=6e-4)
    whole = (
        openbragg.Simulation(model, structure_factors=FLAT, engine="eager", precision="double").rendering().images[0]
    )
    made = openbragg.Simulation(
        model, structure_factors=FLAT, engine="eager", precision="double", device="cuda", cull=1e-4
    ).rendering()
    (culled,) = made.culled
    assert culled.evaluated < culled.pairs
    assert float((made.images[0].cpu() - whole).abs().max()) <= 1e-4 * float(whole.max())


WORDS = "-cell 50 60 70 80 90 100 -N 5 -default_F 100 -detpixels 32 -pixel 2 -oversample 2 -osc 1 -phisteps 2".split()


def test_the_command_line_writes_the_same_files_and_its_record_names_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("simulate", *WORDS, "-floatfile", "here.bin").status == 0
    finished = run(
        "simulate", *WORDS, "-floatfile", "there.bin", "-noisefile", "noise.img", "-seed", 3, "-device", "cuda",
        *("-record", "record.json", "--timings", "timings.json"),
    )  # fmt: skip
    assert finished.status == 0, finished.err
    here, there = (np.fromfile(name, dtype="<f4") for name in ("here.bin", "there.bin"))
    assert float(np.abs(here - there).max()) < 1e-6 * float(here.max())
    record = json.loads(Path("record.json").read_text())
    assert torch.cuda.get_device_name() in json.dumps(record)
    assert json.loads(Path("timings.json").read_text())["peak_device_memory_bytes"] > 0
    repeated = openbragg.load_run("record.json").simulation.evolve(device="cuda").rendering()
    assert np.array_equal(repeated.images[0].cpu().numpy().reshape(-1), there)


def test_a_trace_and_a_series_are_computed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = run("trace", *WORDS, "--pixel", 9, 11, "-precision", "double")
    there = run("trace", *WORDS, "--pixel", 9, 11, "-precision", "double", "-device", "cuda")
    assert there.status == 0, there.err
    assert len(there.out.splitlines()) == len(here.out.splitlines()) > 20
    finished = run("simulate", *WORDS, "--images", 3, "-nonoise", "-floatfile", "image_###.bin", "-device", "cuda")
    assert finished.status == 0, finished.err
    assert len(list(tmp_path.glob("image_*.bin"))) == 3
