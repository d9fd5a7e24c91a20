"""The noise of a detector: each component against its closed form, and all of them together."""

import math
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openbragg import InputError, OpenBraggError, Readout, ReadoutNoiseModel
from openbragg.testing import check_noise_model
from openbragg_noise.detector import DetectorNoise
from openbragg_noise.photon_statistics import binomial
from openbragg_noise.presets import PRESETS

# Seeds are fixed; a mean may stray five standard errors, which chance does once in two million trials. So may a
# variance: its standard error is that of a normal deviate's, times what heavier tails of few photons add.
SIGMAS = 5.0
SHAPE = (400, 500)
PIXELS = SHAPE[0] * SHAPE[1]


def counts(level: float, *, seed: int = 3, shape: tuple[int, int] = SHAPE, **options: Any) -> torch.Tensor:
    return DetectorNoise(**options).counts(torch.full(shape, level, dtype=torch.float64), seed)


def readout(shape: tuple[int, int], region: tuple[int, int, int, int] | None = None, exposure: float = 1.0) -> Readout:
    region = region or (0, shape[1] - 1, 0, shape[0] - 1)
    return Readout(shape=shape, region=region, pixel_size=1e-4, exposure=exposure)


def check_moments(drawn: torch.Tensor, mean: float, variance: float) -> None:
    """Of independent equal pixels."""
    number = drawn.numel()
    assert float(drawn.mean()) == pytest.approx(mean, abs=SIGMAS * math.sqrt(variance / number) + 1e-12)
    scatter = float(((drawn - drawn.mean()) ** 2).std())
    assert float(drawn.var()) == pytest.approx(variance, abs=SIGMAS * scatter / math.sqrt(number) + 1e-12)


def correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.reshape(-1), other.reshape(-1)]))[0, 1])


def test_an_ideal_detector_counts_photons() -> None:
    check_noise_model(DetectorNoise())


@pytest.mark.parametrize("level", [0.0, 0.7, 30.0, 4000.0])
@pytest.mark.parametrize(
    ("options", "mean", "variance"),
    [
        ({}, lambda n: n, lambda n: n),
        ({"gain": 7.0}, lambda n: 7 * n, lambda n: 49 * n),
        # Of counts that scatter by more than half a count, rounding adds a twelfth.
        ({"readout_noise": 3.0}, lambda n: n, lambda n: n + 9 + 1 / 12),
        ({"readout_electrons": 30.0, "electrons_per_count": 10.0}, lambda n: n, lambda n: n + 9 + 1 / 12),
        ({"dark_current": 5.0}, lambda n: n + 5, lambda n: n + 5),
        ({"dark_electrons": 50.0}, lambda n: n + 50, lambda n: n + 50),
        ({"dark_current": 50.0, "electrons_per_count": 4.0, "gain": 9.0}, lambda n: 9 * n + 50, None),
        ({"pedestal": 12.0}, lambda n: n + 12, lambda n: n),
        ({"gain": 50.0, "gain_spread": 0.8}, lambda n: 50 * n, lambda n: 2500 * n * 1.64 + (n > 0) / 12),
        ({"gain": 40.0, "calibration": 0.03}, lambda n: 40 * n, lambda n: 1600 * (n * 1.0009 + n * n * 9e-4)),
    ],
)
def test_a_component_has_its_mean_and_its_variance(level: float, options: Any, mean: Any, variance: Any) -> None:
    if variance is None:
        # Electrons by Poisson's law, four of them a count; rounded.
        check_moments(counts(level, **options), mean(level), 81 * level + 50 / 4 + 1 / 12)
    else:
        rounding = 1 / 12 if "calibration" in options and level > 1 else 0.0
        check_moments(counts(level, **options), mean(level), variance(level) + rounding)


@pytest.mark.parametrize("level", [2.0, 300.0, 2e4])
def test_all_components_together_have_their_mean_and_variance(level: float) -> None:
    options = {
        "gain": 4.0,
        "gain_spread": 0.5,
        "electrons_per_count": 2.0,
        "calibration": 0.02,
        "dark_current": 20.0,
        "readout_noise": 3.0,
        "pedestal": 10.0,
    }
    light = 16 * (1.0004 * (level * 1.25 + level**2) - level**2)
    check_moments(counts(level, **options), 4 * level + 30, light + 20 / 2 + 9 + 1 / 12)


def test_flicker_is_one_factor_for_all_of_an_image_and_another_for_the_next() -> None:
    drawn = torch.stack([counts(1e6, seed=seed, shape=(40, 40), flicker=0.02) for seed in range(800)])
    factors = drawn.mean(dim=(1, 2)) / 1e6
    # The mean of 1600 pixels of a million photons strays 2.5e-5, a thousandth of the flicker.
    check_moments(factors, 1.0, 0.02**2)
    # Within an image only photon statistics are left.
    assert float(drawn.var(dim=(1, 2)).mean() / drawn.mean()) == pytest.approx(1.0, abs=SIGMAS * math.sqrt(2 / 1.28e6))


def test_dark_current_grows_with_the_exposure_and_read_out_noise_does_not() -> None:
    dark = torch.zeros(SHAPE, dtype=torch.float64)
    for exposure in (0.5, 8.0):
        model = DetectorNoise(dark_current=6.0)
        check_moments(model.read_out(dark, 5, readout(SHAPE, exposure=exposure)), 6 * exposure, 6 * exposure)
        model = DetectorNoise(readout_noise=6.0)
        check_moments(model.read_out(dark, 5, readout(SHAPE, exposure=exposure)), 0.0, 36 + 1 / 12)


@pytest.mark.parametrize("kind", ["paralyzable", "nonparalyzable"])
@pytest.mark.parametrize("pile", [0.0, 1e-5, 0.01, 0.3, 0.9])
def test_a_dead_time_leaves_the_counts_of_renewal_theory(kind: str, pile: float) -> None:
    dead_time = 120e-9
    level = pile / dead_time  # photons in a second
    drawn = counts(level, dead_time=dead_time, dead_time_kind=kind)
    if kind == "paralyzable":
        mean = level * math.exp(-pile)
        variance = mean * (1 - 2 * pile * math.exp(-pile))
    else:
        mean, variance = level / (1 + pile), level / (1 + pile) ** 3
    check_moments(drawn, mean, variance)


def test_a_dead_time_agrees_with_photons_one_after_the_other() -> None:
    # A counter in plain Python, 2000 dead times long: the ends of the exposure matter by a part in 2000.
    generator = torch.Generator().manual_seed(8)
    length, rate, runs = 2000.0, 0.5, 400
    seen: dict[str, list[int]] = {"paralyzable": [], "nonparalyzable": []}
    for _ in range(runs):
        gaps = torch.empty(1400, dtype=torch.float64).exponential_(rate, generator=generator)
        times = [time for time in gaps.cumsum(0).tolist() if time < length]
        seen["paralyzable"].append(sum(now - before > 1.0 for before, now in zip([-9.0, *times], times, strict=False)))
        free, number = -9.0, 0
        for time in times:
            if time > free:
                free, number = time + 1.0, number + 1
        seen["nonparalyzable"].append(number)
    for kind, found in seen.items():
        model = DetectorNoise(dead_time=1 / length, dead_time_kind=kind)
        drawn = model.counts(torch.full((100, 100), rate * length, dtype=torch.float64), 1)
        walked = torch.tensor(found, dtype=torch.float64)
        error = SIGMAS * float(walked.std()) / math.sqrt(runs) + 1.0
        assert float(drawn.mean()) == pytest.approx(float(walked.mean()), abs=error)
        assert float(drawn.var()) == pytest.approx(float(walked.var()), rel=SIGMAS * math.sqrt(2 / runs))


@pytest.mark.parametrize(("trials", "chance"), [(4, 0.45), (12, 0.3), (1000, 0.009), (40, 0.4)])
def test_binomial_deviates_follow_their_law(trials: int, chance: float) -> None:
    # Small means are drawn from balls in cells, of which many share one when there are few cells; the last is torch's.
    number = 200_000
    drawn = binomial(
        torch.full((number,), float(trials), dtype=torch.float64),
        torch.full((number,), chance, dtype=torch.float64),
        torch.Generator().manual_seed(7),
    )
    seen = torch.bincount(drawn.long(), minlength=trials + 1).double()
    law = [math.comb(trials, count) * chance**count * (1.0 - chance) ** (trials - count) for count in range(trials + 1)]
    expected = number * torch.tensor(law, dtype=torch.float64)
    common = expected > 20.0
    deviation = float(((seen - expected) ** 2 / expected)[common].sum())
    # Chi squared of as many numbers, within five standard deviations.
    assert deviation < float(common.sum()) + SIGMAS * math.sqrt(2.0 * float(common.sum()))
    assert drawn.max() <= trials


def test_a_dead_time_needs_an_exposure_of_many() -> None:
    model = DetectorNoise(dead_time=1e-6)
    with pytest.raises(InputError, match="an exposure of 1e-05 s is too short for a dead time of 1000 ns"):
        model.read_out(torch.ones(4, 4), 1, readout((4, 4), exposure=1e-5))


def test_calibration_errors_are_those_of_the_pixel_in_every_image_and_of_the_detector() -> None:
    bright = 1e10
    first, second = (counts(bright, seed=seed, calibration=0.03) / bright for seed in (1, 2))
    # Photon statistics stray 1e-5 of it.
    assert float((first - second).abs().max()) < 1e-4
    check_moments(first, 1.0, 0.03**2)
    other = counts(bright, calibration=0.03, detector_seed=2) / bright
    assert abs(correlation(first, other)) < SIGMAS / math.sqrt(PIXELS)


def test_calibration_errors_of_modules_are_the_same_all_over_a_module() -> None:
    options = {"module_calibration": 0.05, "module": (30, 70)}
    found = counts(1e12, shape=(95, 210), **options) / 1e12
    modules = [found[slow : slow + 30, fast : fast + 70] for slow in range(0, 95, 30) for fast in range(0, 210, 70)]
    assert len(modules) == 12
    assert all(float(module.std()) < 1e-5 for module in modules)
    errors = torch.stack([module.mean() for module in modules])
    assert len({round(float(error), 5) for error in errors}) == 12
    assert 0.02 < float(errors.std()) < 0.09  # of 12 deviates, a wide net
    whole = counts(1e12, module_calibration=0.05, shape=(95, 210)) / 1e12
    assert float(whole.std()) < 1e-5 < abs(float(whole.mean()) - 1)


def test_module_errors_have_their_rms() -> None:
    found = counts(1e12, shape=(200, 250), module_calibration=0.05, module=(1, 1)) / 1e12
    check_moments(found, 1.0, 0.05**2)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.4, 1.0])
def test_dead_pixels_are_that_part_and_read_nothing(part: float) -> None:
    drawn = counts(1e4, dead_pixels=part, pedestal=100.0)
    number = int((drawn == 0).sum())
    assert number == pytest.approx(part * PIXELS, abs=SIGMAS * math.sqrt(part * (1 - part) * PIXELS))


def test_hot_pixels_are_that_part_and_have_their_current() -> None:
    drawn = counts(0.0, hot_pixels=0.2, hot_current=900.0)
    hot = drawn[drawn > 0]
    assert hot.numel() == pytest.approx(0.2 * PIXELS, abs=SIGMAS * math.sqrt(0.16 * PIXELS))
    check_moments(hot, 900.0, 900.0)


def test_bad_pixels_are_the_same_in_all_images_and_more_of_them_keep_those_there_were() -> None:
    one, two = (counts(1e4, seed=seed, dead_pixels=0.01) == 0 for seed in (1, 2))
    assert torch.equal(one, two)
    more = counts(1e4, dead_pixels=0.05) == 0
    assert bool(more[one].all()) and int(more.sum()) > int(one.sum())
    assert not torch.equal(one, counts(1e4, dead_pixels=0.01, detector_seed=9) == 0)
    hot = counts(0.0, hot_pixels=0.01, hot_current=1e4) > 0
    assert not torch.equal(one, hot)


@pytest.mark.parametrize("saturation", [1, 99.5, 65535])
def test_nothing_is_counted_beyond_saturation_and_all_below_is_left(saturation: float) -> None:
    free = counts(saturation, shape=(50, 50), readout_noise=1.0, pedestal=5.0)
    clipped = counts(saturation, shape=(50, 50), readout_noise=1.0, pedestal=5.0, saturation=saturation)
    # Counts are whole, whatever is said.
    most = math.floor(saturation)
    assert torch.equal(clipped, free.clamp(max=most))
    assert float(clipped.max()) == most
    assert float(free.max()) > saturation


@pytest.mark.parametrize("profile", ["gauss", "fibre"])
def test_point_spread_before_photons_leaves_them_independent(profile: str) -> None:
    shape = (300, 300)
    drawn = counts(100.0, shape=shape, point_spread=profile, point_spread_width=2e-4)
    inner = drawn[50:-50, 50:-50]
    assert abs(correlation(inner[1:], inner[:-1])) < SIGMAS / math.sqrt(inner.numel())
    # As many come in as go out, but for the fibre's tails over the edge.
    assert float(inner.var() / inner.mean()) == pytest.approx(1.0, abs=SIGMAS * math.sqrt(2 / inner.numel()))


@pytest.mark.parametrize("profile", ["gauss", "fibre"])
def test_point_spread_after_photons_correlates_them_as_the_profile_does(profile: str) -> None:
    from openbragg_noise.point_spread import pixel_shares

    options = {"point_spread": profile, "point_spread_width": 2e-4, "point_spread_order": "after", "gain": 100.0}
    shape = (400, 400)
    drawn = counts(50.0, shape=shape, **options)
    inner = drawn[60:-60, 60:-60]
    # The autocorrelation of white noise that a profile is convolved with is that of the profile.
    shares = pixel_shares((801, 801), profile, 2.0, torch.device("cpu"))
    wanted = torch.fft.irfft2(torch.fft.rfft2(shares).abs() ** 2, s=(801, 801))
    number = inner.numel()
    variance = 1e4 * 50.0 * float(wanted[0, 0])
    # Neighbours are not independent: as many pixels count as one as the profile correlates.
    together = float((wanted / wanted[0, 0]).square().sum())
    assert float(inner.var()) == pytest.approx(variance, rel=SIGMAS * math.sqrt(2 * together / number))
    for lag in (1, 2, 4):
        found = correlation(inner[lag:], inner[:-lag])
        error = SIGMAS * math.sqrt(together / number)
        assert found == pytest.approx(float(wanted[lag, 0] / wanted[0, 0]), abs=error)
        assert correlation(inner[:, lag:], inner[:, :-lag]) == pytest.approx(found, abs=2 * error)


COMPONENTS: dict[str, dict[str, Any]] = {
    "read-out": {"readout_noise": 500.0},
    "dark": {"dark_current": 1e5},
    "hot": {"hot_pixels": 0.1, "hot_current": 1e5},
}


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_draws_the_same_whatever_the_others_are(name: str) -> None:
    others = {key: value for other, made in COMPONENTS.items() if other != name for key, value in made.items()}
    several = {**others, "calibration": 0.05, "flicker": 0.1, "gain": 3.0, "gain_spread": 0.4, "dead_time": 1e-7}
    alone = counts(0.0, **COMPONENTS[name])
    added = counts(40.0, **several, **COMPONENTS[name]) - counts(40.0, **several)
    # Each is rounded by itself.
    assert float((added - alone).abs().max()) <= 1.0
    assert float(alone.std()) > 100.0


def test_photons_are_the_same_whatever_is_added_to_them() -> None:
    photons = counts(40.0)
    for options in (*COMPONENTS.values(), {"detector_seed": 4}, {"dead_pixels": 0.5, "detector_seed": 3}):
        with_others = counts(40.0, **options)
        rest = with_others - (counts(0.0, **options) if "dead_pixels" not in options else 0.0)
        same = (rest - photons).abs() <= 1.0
        if "dead_pixels" in options:
            same |= with_others == 0.0
        assert bool(same.all())
    assert not torch.equal(photons, counts(40.0, seed=4))


def test_one_seed_gives_components_deviates_that_do_not_correlate() -> None:
    drawn = {
        "photons": counts(1e4),
        "dark": counts(0.0, dark_current=1e4),
        "read-out": counts(0.0, readout_noise=100.0),
        "calibration": counts(1e10, calibration=0.1),
        "gain": counts(1e4, gain_spread=0.5, gain=100.0) - 100.0 * counts(1e4),
    }
    names = list(drawn)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            assert abs(correlation(drawn[one], drawn[other])) < SIGMAS / math.sqrt(PIXELS), (one, other)


ALL: dict[str, Any] = {
    "flicker": 0.02,
    "point_spread": "fibre",
    "point_spread_width": 1e-4,
    "dead_time": 1e-7,
    "gain": 1.8,
    "gain_spread": 0.3,
    "electrons_per_count": 5.0,
    "calibration": 0.02,
    "module_calibration": 0.02,
    "module": (7, 9),
    "dark_current": 3.0,
    "readout_noise": 2.0,
    "pedestal": 20.0,
    "saturation": 500.0,
    "dead_pixels": 0.02,
    "hot_pixels": 0.02,
    "hot_current": 500.0,
}


def test_everything_at_once_keeps_the_contract_and_comes_again() -> None:
    one, two = (counts(100.0, **ALL) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(one, one.round()) and float(one.max()) == 500.0
    assert isinstance(DetectorNoise(**ALL), ReadoutNoiseModel)


@given(data=st.data())
def test_a_part_of_the_detector_has_the_pixels_of_the_whole(data: st.DataObject) -> None:
    slow, fast = data.draw(st.tuples(st.integers(2, 30), st.integers(2, 30)))
    first_fast, first_slow = data.draw(st.integers(0, fast - 1)), data.draw(st.integers(0, slow - 1))
    last_fast, last_slow = data.draw(st.integers(first_fast, fast - 1)), data.draw(st.integers(first_slow, slow - 1))
    model = DetectorNoise(calibration=0.1, module_calibration=0.1, module=(5, 3), dead_pixels=0.2)
    light = torch.full((slow, fast), 1e14, dtype=torch.float64)
    whole = model.read_out(light, 1, readout((slow, fast)))
    region = readout((slow, fast), (first_fast, last_fast, first_slow, last_slow))
    part = model.read_out(light[region.part()], 2, region)
    # Photons of another seed stray by 1e-7.
    assert torch.allclose(part, whole[region.part()], rtol=1e-5)


@given(
    level=st.floats(0.0, 1e6),
    preset=st.sampled_from(sorted(PRESETS)),
    seed=st.integers(-(2**63), 2**63 - 1),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_every_preset_gives_whole_counts_up_to_its_saturation(
    level: float, preset: str, seed: int, shape: tuple[int, int]
) -> None:
    model = DetectorNoise(preset=preset, pedestal=100.0)
    drawn = model.counts(torch.full(shape, level), seed)
    assert drawn.shape == shape and drawn.dtype == torch.float64
    assert torch.equal(drawn, drawn.round())
    assert float(drawn.max()) <= model.settings().saturation
    assert torch.equal(drawn, model.counts(torch.full(shape, level), seed))


def test_no_two_presets_are_alike() -> None:
    made = [DetectorNoise(preset=name).settings() for name in PRESETS]
    assert all(one != other for place, one in enumerate(made) for other in made[:place])
    assert {"ideal", "pilatus", "eiger", "jungfrau", "ccd-taper", "ccd-lens"} <= set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_given_wins_over_the_preset_and_the_rest_is_the_preset_s(preset: str) -> None:
    plain = DetectorNoise(preset=preset).settings()
    given_too = DetectorNoise(preset=preset, gain=17.0, saturation="inf").settings()
    assert given_too == attrs.evolve(plain, gain=17.0, saturation=math.inf)


def test_a_unit_that_is_given_replaces_the_preset_s_value_in_the_other() -> None:
    settings = DetectorNoise(preset="jungfrau", readout_noise=5.0).settings()
    assert (settings.readout_noise, settings.readout_electrons) == (5.0, 0.0)
    settings = DetectorNoise(preset="ccd-taper", dark_current=0.0).settings()
    assert (settings.dark_current, settings.dark_electrons) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preset": "pilates"}, "expected one of ideal, pilatus"),
        ({"gain": 0.0}, "DetectorNoise.gain: expected a number above 0, got 0.0"),
        ({"readout_noise": -1.0}, "DetectorNoise.readout_noise: expected a number of 0 or more"),
        ({"dead_pixels": 1.5}, "DetectorNoise.dead_pixels: expected from 0 to 100 %, in Python from 0 to 1"),
        ({"saturation": 0.0}, "DetectorNoise.saturation: expected a number above 0"),
        ({"flicker": math.nan}, "DetectorNoise.flicker"),
        ({"module": (0, 5)}, "DetectorNoise.module: expected a whole number above 0"),
        ({"point_spread": "disc"}, "DetectorNoise.point_spread: expected one of none, gauss, fibre"),
        ({"point_spread_width": 1e-4}, "point spread width is of no use without -psf"),
        ({"point_spread_order": "after"}, "point spread order is of no use without -psf"),
        ({"dead_time_kind": "paralyzable"}, "dead time kind is of no use without -dead_time"),
        ({"module": (5, 5)}, "module is of no use without -module_calibration"),
        ({"hot_pixels": 0.1}, "hot pixels is of no use without -hot_current"),
        ({"hot_current": 0.1}, "hot current is of no use without -hot_pixels"),
        (
            {"dark_current": 1.0, "dark_electrons": 1.0},
            "-dark_current and -dark_electrons are the same thing in two units",
        ),
        ({"readout_noise": 1.0, "readout_electrons": 1.0}, "-readout_noise and -readout_electrons are the same"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(options: Any, text: str) -> None:
    with pytest.raises(OpenBraggError, match=text) as refused:
        DetectorNoise(**options)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(("word", "profile"), [("gauss", "gauss"), ("fibre", "fibre"), ("fiber", "fibre")])
def test_a_point_spread_without_a_width_is_noisify_s(word: str, profile: str) -> None:
    light = torch.zeros(15, 15, dtype=torch.float64)
    light[7, 7] = 1e9
    found, spelled, other = (
        DetectorNoise(point_spread=name, point_spread_width=width).counts(light, 1)
        for name, width in ((word, None), (profile, 46e-6), (profile, 47e-6))
    )
    assert torch.equal(found, spelled)
    assert not torch.equal(found, other)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_photons_that_are_no_numbers_are_refused(value: float) -> None:
    light = torch.ones(3, 3)
    light[1, 1] = value
    with pytest.raises(InputError, match="an expected number of photons is not a finite number"):
        DetectorNoise().counts(light, 1)


def test_gaps_stay_what_they_are_and_give_no_light() -> None:
    light = torch.full((20, 20), 50.0, dtype=torch.float64)
    light[:, 8:10] = -1.0
    drawn = DetectorNoise(**ALL).counts(light, 1)
    assert bool((drawn[:, 8:10] == -1.0).all())
    dark = light.clamp(min=0.0)
    seen = torch.ones(20, 20, dtype=torch.bool)
    seen[:, 8:10] = False
    assert torch.equal(drawn[seen], DetectorNoise(**ALL).counts(dark, 1)[seen])


def test_light_spreads_as_far_on_panels_of_larger_pixels() -> None:
    """The same width is half as many pixels where they are twice as large."""
    light = torch.zeros((20, 11), dtype=torch.float64)
    light[5, 5] = light[15, 5] = 1e8
    model = DetectorNoise(point_spread="gauss", point_spread_width=4e-4)
    readout = Readout(
        shape=(20, 11),
        region=(0, 10, 0, 19),
        pixel_size=1e-4,
        exposure=1.0,
        slabs=((0, 10, 0, 9), (0, 10, 10, 19)),
        pixel_sizes=(1e-4, 2e-4),
    )
    found = model.read_out(light, 1, readout)
    small, large = (float(found[row, 5]) for row in (5, 15))
    middle = [math.erf(side / 4e-4 * math.sqrt(math.log(2.0))) ** 2 for side in (1e-4, 2e-4)]
    assert small == pytest.approx(1e8 * middle[0], rel=1e-3)
    assert large == pytest.approx(1e8 * middle[1], rel=1e-3)


def test_light_does_not_spread_from_panel_to_panel() -> None:
    light = torch.zeros((20, 12), dtype=torch.float64)
    light[9, 6] = 1e7
    model = DetectorNoise(point_spread="fibre", point_spread_width=3e-4)
    whole = Readout(shape=(20, 12), region=(0, 11, 0, 19), pixel_size=1e-4, exposure=1.0)
    two = attrs.evolve(whole, slabs=((0, 11, 0, 9), (0, 11, 10, 19)))
    assert float(model.read_out(light, 1, whole)[10:].sum()) > 1e6
    found = model.read_out(light, 1, two)
    assert float(found[10:].sum()) == 0.0
    alone = model.read_out(light[:10], 1, attrs.evolve(whole, shape=(10, 12), region=(0, 11, 0, 9)))
    # Of the same expectation other deviates, for there are others before them.
    assert torch.allclose(found[:10], alone, rtol=0.05, atol=200.0)
    # A region that has a part of one panel, and nothing of the other.
    part = attrs.evolve(two, region=(2, 9, 5, 9))
    assert part.panels() == (((slice(0, 5), slice(0, 8)), 1e-4),)
    assert model.read_out(light[part.part()], 1, part).shape == (5, 8)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_components_are_drawn_on_a_gpu_too() -> None:
    model = DetectorNoise(**ALL)
    light = torch.full((64, 64), 100.0, device="cuda")
    drawn = model.counts(light, 3)
    assert drawn.device.type == "cuda"
    assert torch.equal(drawn, model.counts(light, 3))
