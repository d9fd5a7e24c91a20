"""Gains and pedestals of single pixels and modules, and gains that switch, in the noise of a detector."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import command_line
from openbragg import OpenBraggError, Readout, detector_description, read_image
from openbragg.testing import check_expectation, check_pixels_independent, check_seeds
from openbragg_noise.detector import DetectorNoise
from openbragg_noise.presets import PRESETS
from openbragg_noise.stages import stage_of

# Seeds are fixed; a mean or a variance may stray five standard errors, as in test_detector.py.
SIGMAS = 5.0
SHAPE = (300, 400)
STAGES: dict[str, Any] = {
    "gain": 10.0,
    "electrons_per_count": 2.0,
    "gain_stages": (40.0, 2.0, 0.25),
    "gain_switches": (30.0, 900.0),
    "stage_electrons": (6.0, 90.0, 600.0),
}


def counts(level: float, *, shape: tuple[int, int] = SHAPE, seed: int = 3, **options: Any) -> torch.Tensor:
    return DetectorNoise(**options).counts(torch.full(shape, level, dtype=torch.float64), seed)


def check_moments(drawn: torch.Tensor, mean: float, variance: float) -> None:
    """Of independent equal pixels."""
    number = drawn.numel()
    assert float(drawn.mean()) == pytest.approx(mean, abs=SIGMAS * math.sqrt(variance / number))
    scatter = float(((drawn - drawn.mean()) ** 2).std())
    assert float(drawn.var()) == pytest.approx(variance, abs=SIGMAS * scatter / math.sqrt(number))


def saved(folder: Path, name: str, values: Any) -> Path:
    np.save(folder / name, values)
    return folder / f"{name}.npy"


@pytest.mark.parametrize(("level", "stage"), [(4.0, 0), (200.0, 1), (5000.0, 2)])
def test_each_stage_has_its_noise_and_its_steps(level: float, stage: int) -> None:
    # A step of 10/40, 5 and 40 counts, of which rounding adds a twelfth of the square; and that to whole counts, which
    # adds nothing where the steps are whole.
    noise, step = (3.0, 45.0, 300.0)[stage], (0.25, 5.0, 40.0)[stage]
    rounding = step**2 / 12 + (1 / 12 if stage == 0 else 0.0)
    check_moments(counts(level, **STAGES), 10 * level, 100 * level + noise**2 + rounding)


def test_a_pixel_switches_by_its_light_and_its_dark_current() -> None:
    settings = DetectorNoise(**STAGES).settings()
    charges = 10.0 * torch.tensor([0.0, 29.99, 30.0, 899.0, 900.0, 1e6], dtype=torch.float64)
    stages = stage_of(charges, settings)
    assert stages is not None
    assert stages.tolist() == [0, 0, 1, 1, 2, 2]
    # Without light a dark current of 40 photons' worth brings all pixels to the second stage, whose steps are of 5.
    drawn = counts(0.0, dark_current=400.0, **STAGES)
    assert bool((drawn % 5 == 0).all())


def test_counts_go_on_smoothly_where_the_gain_switches() -> None:
    for level in (29.0, 30.0, 31.0, 890.0, 900.0, 910.0):
        drawn = counts(level, **STAGES)
        spread = math.sqrt(100 * level + 300**2)
        assert float(drawn.mean()) == pytest.approx(10 * level, abs=SIGMAS * spread / math.sqrt(drawn.numel()))


def test_without_noise_of_their_own_stages_have_that_of_the_read_out() -> None:
    options = {**STAGES, "stage_electrons": None, "readout_noise": 7.0}
    check_moments(counts(200.0, **options), 2000.0, 20_000 + 49 + 25 / 12)


def test_switching_detectors_keep_the_contract_of_a_noise_model() -> None:
    def mean(level: float) -> float:
        return 10.0 * level

    def variance(level: float) -> float:
        stage = sum(level >= limit for limit in STAGES["gain_switches"])
        step = (0.25, 5.0, 40.0)[stage]
        return 100.0 * level + 1.0 + step**2 / 12 + (1 / 12 if stage == 0 else 0.0)

    model = DetectorNoise(**{**STAGES, "stage_electrons": (2.0, 2.0, 2.0)}, pedestal=100.0)
    levels = (7.0, 200.0, 3e4, 1.1e6)
    check_expectation(model, mean=lambda level: mean(level) + 100.0, variance=variance, levels=levels)
    check_pixels_independent(model, variance=variance)
    check_seeds(model)


def test_a_gain_map_multiplies_each_pixel_s_light(tmp_path: Path) -> None:
    gains = np.ones(SHAPE)
    gains[:, 200:] = 1.5
    drawn = counts(50.0, gain=20.0, gain_map=saved(tmp_path, "gains", gains))
    check_moments(drawn[:, :200], 1000.0, 20_000.0)
    check_moments(drawn[:, 200:], 1500.0, 45_000.0)
    same = counts(50.0, gain=20.0)
    torch.testing.assert_close(drawn, same * torch.from_numpy(gains), rtol=0.0, atol=0.0)


def test_stages_may_have_maps_of_their_own(tmp_path: Path) -> None:
    gains = np.ones((3, *SHAPE))
    gains[1], gains[2] = 1.1, 0.8
    pedestals = np.zeros((3, *SHAPE))
    pedestals[1], pedestals[2] = 15.0, -20.0
    options = {**STAGES, "gain_map": saved(tmp_path, "gains", gains)}
    options["pedestal_map"] = saved(tmp_path, "pedestals", pedestals)
    check_moments(counts(200.0, **options), 2200.0 + 15.0, 121 * 200.0 + 45.0**2 + 25 / 12)
    check_moments(counts(5000.0, **options), 40_000.0 - 20.0, 64 * 5000.0 + 300.0**2 + 1600 / 12)


def test_pedestals_and_dark_currents_of_pixels_add_to_those_of_all(tmp_path: Path) -> None:
    pedestal, dark = np.full(SHAPE, -3.0), np.zeros(SHAPE)
    dark[:150] = 25.0
    options = {"pedestal": 40.0, "pedestal_map": saved(tmp_path, "pedestal", pedestal)}
    options["dark_map"] = saved(tmp_path, "dark", dark)
    drawn = counts(0.0, dark_current=5.0, **options)
    check_moments(drawn[:150], 67.0, 30.0)
    check_moments(drawn[150:], 42.0, 5.0)


def test_maps_of_a_region_are_those_of_the_whole_image(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    files = {
        "gain_map": saved(tmp_path, "gains", draw.uniform(0.5, 2.0, SHAPE)),
        "pedestal_map": saved(tmp_path, "pedestals", draw.uniform(-5.0, 5.0, SHAPE)),
    }
    model = DetectorNoise(gain=100.0, module=(100, 100), module_gains=tuple(range(1, 13)), **files)
    part = (slice(90, 140), slice(150, 260))
    region = Readout(shape=SHAPE, region=(150, 259, 90, 139), pixel_size=1e-4, exposure=1.0)
    photons = torch.full(SHAPE, 1e10, dtype=torch.float64)
    # Of so many photons the noise is a hundred-thousandth.
    whole, few = model.counts(photons, 1)[part], model.read_out(photons[part], 1, region)
    torch.testing.assert_close(few, whole, rtol=1e-4, atol=0.0)


def test_each_module_has_its_gain() -> None:
    gains = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    drawn = counts(1e8, module=(150, 150), module_gains=gains)
    means = [
        [float(drawn[row : row + 150, column : column + 150].mean()) for column in (0, 150, 300)] for row in (0, 150)
    ]
    assert [round(mean / 1e8, 3) for line in means for mean in line] == list(gains)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gain_stages": (1.0, 5.0), "gain_switches": (3.0,)}, "falling gains"),
        ({"gain_stages": (5.0, 1.0), "gain_switches": (3.0, 4.0)}, "expected 1 growing"),
        ({"gain_stages": (5.0, 1.0)}, "expected 1 growing"),
        (
            {"gain_stages": (5.0, 1.0), "gain_switches": (3.0,), "stage_electrons": (1.0, 2.0, 3.0)},
            "expected 2 numbers",
        ),
        ({"gain_switches": (3.0,)}, "without -gain_stages"),
        ({"module": (3, 3)}, "-module_calibration or -module_gains"),
    ],
)
def test_stages_that_cannot_be_are_refused(options: Any, said: str) -> None:
    with pytest.raises(OpenBraggError, match=said):
        DetectorNoise(**options)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((3, 3)), "expected 300 x 400 numbers, got 3 x 3"),
        (np.full(SHAPE, np.nan), "expected finite numbers of 0 or more"),
        (np.full(SHAPE, -1.0), "expected finite numbers of 0 or more"),
        (np.array("words"), "expected whole or floating-point numbers"),
    ],
)
def test_maps_that_cannot_be_are_refused_in_a_line(values: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(OpenBraggError, match=said) as caught:
        counts(1.0, gain_map=saved(tmp_path, "gains", values))
    assert "\n" not in str(caught.value)
    with pytest.raises(OpenBraggError, match="expected a number for each of 1 x 1 modules"):
        counts(1.0, module_gains=(1.0, 2.0))
    with pytest.raises(OpenBraggError, match="cannot read"):
        counts(1.0, dark_map=tmp_path / "absent.npy")


def test_maps_of_any_image_format_and_stages_are_given_on_the_command_line(tmp_path: Path) -> None:
    np.save(tmp_path / "photons.npy", np.full((30, 30), 1e4, dtype=np.float32))
    np.full((30, 30), 2.0, dtype=np.float32).tofile(tmp_path / "gains.bin")
    stages = "-gain 3 -gain_stages 40 2 -gain_switches 30 -stage_electrons 1 2 -module_pixels 30 30 -module_gains 0.5"
    finished = command_line.run(
        *("noise", tmp_path / "photons.npy", "-noise", "detector", *stages.split()),
        *("-gain_map", tmp_path / "gains.bin", "-seed", "1", "-noisefile", tmp_path / "counts.img", "-adc", "0"),
    )
    assert finished.status == 0, finished.err
    found = read_image(tmp_path / "counts.img").pixels
    # The mean of 900 pixels of ten thousand photons strays by 3e-4.
    assert found.mean() == pytest.approx(3e4, rel=2e-3)


def test_a_jungfrau_by_name_switches_its_gain() -> None:
    description = detector_description("jungfrau-4m")
    assert description is not None
    (preset,) = description.noise["detector"].values()
    assert PRESETS[preset]["gain_stages"][0] > PRESETS[preset]["gain_stages"][-1]
    # Where it has not switched, a keV is the same as with one gain.
    few = {preset: counts(5.0, preset=preset, dead_pixels=0.0, shape=(50, 50)) for preset in ("jungfrau", preset)}
    torch.testing.assert_close(few["jungfrau"], few[preset], rtol=0.0, atol=1.0)


def test_a_map_of_another_detector_is_refused_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rendered(*_: Any) -> None:
        raise AssertionError("the image was rendered")

    monkeypatch.setattr("openbragg.orchestrator.job.Job.render", rendered)
    gains = saved(tmp_path, "gains", np.ones((3, 3)))
    words = ("simulate", *command_line.SMALL, "-noisefile", tmp_path / "noise.img", "-gain_map", gains)
    finished = command_line.run(*words)
    assert (finished.status, finished.out) == (1, "")
    (line,) = finished.complaints()
    assert line.startswith("openbragg: error: -gain_map ") and "got 3 x 3" in line
    with pytest.raises(AssertionError, match="was rendered"):
        command_line.run(*words[:-2])
