"""Numbers about two images: known answers, symmetries, peaks, resampling, and the shades of the pictures."""

import io
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from openbragg import write_png
from openbragg_tools.compare.comparison import compare_images, correlation
from openbragg_tools.compare.peaks import BRIGHTEST, PeakMatch, find_peaks, match_peaks
from openbragg_tools.compare.previews import common_scales, difference_colours, grey
from openbragg_tools.compare.resampling import resample

Values = NDArray[np.float64]

#: Sums of some tens of terms round by a few units in the last of 16 digits each.
ROUNDING = 1e-13

#: What an example takes on a busy machine says nothing about it.
unhurried = settings(deadline=None)

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)
PHOTONS = st.floats(0.0, 1e6, width=32)


@st.composite
def images(draw: st.DrawFn, count: int = 1) -> list[Values]:
    """Some images of one shape."""
    shape = draw(SHAPES)
    return [draw(hnp.arrays(np.float64, shape, elements=PHOTONS)) for _ in range(count)]


def spots(
    places: list[tuple[float, float]], shape: tuple[int, int] = (60, 50), heights: list[float] | None = None
) -> Values:
    """Gaussian spots of a standard deviation of one pixel."""
    slow, fast = np.indices(shape)
    image = np.zeros(shape)
    for (down, right), height in zip(places, heights or [100.0] * len(places), strict=True):
        image += height * np.exp(-((slow - down) ** 2 + (fast - right) ** 2) / 2.0)
    return image


PLACES = [(10.0, 12.0), (10.0, 30.0), (25.0, 20.0), (40.0, 8.0), (45.0, 41.0)]


# --- correlation, differences, sums


@unhurried
@given(images())
def test_an_image_is_like_itself(pair: list[Values]) -> None:
    (image,) = pair
    found = compare_images(image, image.copy())
    assert (found.correlation, found.rmse, found.largest.difference) == (1.0, 0.0, 0.0)
    assert found.first_sum == found.second_sum
    assert found.peaks.matched == found.peaks.sought == min(found.peaks.first, BRIGHTEST)
    assert found.peaks.largest_offset in (None, 0.0)


def test_numbers_of_a_small_pair_are_those_of_a_calculation_by_hand() -> None:
    found = compare_images(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 8]], dtype=np.uint16), origin=(10, 20))
    assert (found.first_sum, found.second_sum, found.ratio) == (10.0, 14.0, 1.4)
    assert (found.mse, found.rmse) == (4.0, 2.0)
    # Deviations -1.5 -0.5 0.5 1.5 and -2.5 -1.5 -0.5 4.5: products sum to 11, squares to 5 and 29.
    assert found.correlation == pytest.approx(11.0 / math.sqrt(5.0 * 29.0), rel=ROUNDING)
    largest = found.largest
    assert (largest.difference, largest.slow, largest.fast, largest.first, largest.second) == (4.0, 11, 21, 4.0, 8.0)


def test_the_largest_difference_counts_in_both_directions() -> None:
    found = compare_images(np.array([[5.0, 1.0]]), np.array([[2.0, 3.0]]))
    assert (found.largest.difference, found.largest.slow, found.largest.fast) == (-3.0, 0, 0)


@unhurried
@given(images(2))
def test_exchanging_the_images_changes_signs_only(pair: list[Values]) -> None:
    first, second = pair
    there, back = compare_images(first, second), compare_images(second, first)
    assert there.correlation == back.correlation
    assert there.rmse == back.rmse
    assert there.largest.difference == -back.largest.difference
    assert (there.largest.slow, there.largest.fast) == (back.largest.slow, back.largest.fast)
    assert (there.first_sum, there.second_sum) == (back.second_sum, back.first_sum)
    assert (there.peaks.first, there.peaks.second) == (back.peaks.second, back.peaks.first)


@unhurried
@given(images(2), st.integers(0, 1000))
def test_the_order_of_the_pixels_does_not_matter(pair: list[Values], seed: int) -> None:
    first, second = (image.ravel() for image in pair)
    order = np.random.default_rng(seed).permutation(first.size)
    there = compare_images(first.reshape(1, -1), second.reshape(1, -1))
    shuffled = compare_images(first[order].reshape(1, -1), second[order].reshape(1, -1))
    assert shuffled.rmse == pytest.approx(there.rmse, rel=ROUNDING)
    assert abs(shuffled.largest.difference) == abs(there.largest.difference)
    assert shuffled.first_sum == pytest.approx(there.first_sum, rel=ROUNDING)


@unhurried
@given(images(), st.floats(0.25, 4.0), st.floats(-100.0, 100.0))
def test_correlation_is_blind_to_scale_and_offset(pair: list[Values], scale: float, offset: float) -> None:
    (image,) = pair
    # Deviations that drown in the rounding of their mean correlate with nothing.
    assume(np.ptp(image) > 1e-3 * (1.0 + image.max()))
    assert correlation(image, scale * image + offset) == pytest.approx(1.0, abs=1e-9)
    assert correlation(image, -scale * image + offset) == pytest.approx(-1.0, abs=1e-9)


@unhurried
@given(images(), st.floats(0.25, 4.0))
def test_the_ratio_of_sums_is_that_of_the_scale(pair: list[Values], scale: float) -> None:
    (image,) = pair
    assume(image.sum() > 0.0)
    assert compare_images(image, scale * image).ratio == pytest.approx(scale, rel=ROUNDING)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e38])
def test_very_small_and_very_large_values_correlate_like_others(size: float) -> None:
    first, second = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 1.0, 5.0]])
    found = compare_images(first * size, second * size)
    assert found.correlation == pytest.approx(correlation(first, second), rel=ROUNDING)
    assert found.rmse / size == pytest.approx(math.sqrt(2.0), rel=ROUNDING)


def test_constant_images_correlate_only_when_they_are_equal() -> None:
    # 0.1 summed and divided again is not 0.1, and yet this image is constant.
    flat, ramp = np.full((3, 3), 0.1), np.arange(9.0).reshape(3, 3)
    assert correlation(flat, flat.copy()) == 1.0
    assert correlation(flat, 2.0 * flat) is None
    assert correlation(flat, ramp) is None
    assert correlation(ramp, flat) is None


def test_there_is_no_ratio_to_an_empty_image() -> None:
    found = compare_images(np.zeros((2, 2)), np.ones((2, 2)))
    assert found.ratio is None and (found.first_sum, found.second_sum) == (0.0, 4.0)
    assert compare_images(np.full((1, 1), 1e-300), np.full((1, 1), 1e30)).ratio is None


# --- peaks


def test_peaks_are_found_where_spots_were_put_the_brightest_first() -> None:
    heights = [100.0, 300.0, 200.0, 250.0, 150.0]
    found = find_peaks(spots(PLACES, heights=heights))
    expected = np.array(PLACES)[np.argsort(heights)[::-1]]
    # The spots' tails reach each other's windows by less than exp(-20).
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_shift_by_a_pixel_is_an_offset_of_a_pixel() -> None:
    image = spots(PLACES)
    found = match_peaks(image, np.roll(image, 1, axis=1), 1.5)
    assert (found.first, found.second, found.sought, found.matched) == (5, 5, 5, 5)
    assert found.median_offset == pytest.approx(1.0, abs=1e-9)
    assert found.largest_offset == pytest.approx(1.0, abs=1e-9)
    assert found.median_shift == pytest.approx((0.0, 1.0), abs=1e-9)


@unhurried
@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_a_shift_by_part_of_a_pixel_is_seen_in_its_direction(slow: float, fast: float) -> None:
    moved = [(down + slow, right + fast) for down, right in PLACES]
    found = match_peaks(spots(PLACES), spots(moved), 1.5)
    assert found.matched == len(PLACES) and found.median_shift is not None
    # Five by five pixels cut a spot's tails off.
    np.testing.assert_allclose(found.median_shift, (slow, fast), rtol=0.1, atol=1e-9)


def test_peaks_further_apart_than_the_distance_do_not_match() -> None:
    image = spots(PLACES)
    moved = np.roll(image, 2, axis=0)
    assert match_peaks(image, moved, 1.9) == PeakMatch(5, 5, 5, 0, None, None, None)
    assert match_peaks(image, moved, 2.1).matched == 5


def test_a_peak_matches_the_nearest_and_no_two_match_the_same() -> None:
    first, second = np.zeros((9, 40)), np.zeros((9, 40))
    first[4, 10] = first[4, 13] = 10.0
    second[4, 12] = 10.0
    found = match_peaks(first, second, 3.0)
    assert (found.first, found.second, found.matched) == (2, 1, 1)
    assert found.median_shift == (0.0, -1.0)


def test_only_the_brightest_are_sought_among_all() -> None:
    image = np.zeros((100, 100))
    places = [(slow, fast) for slow in range(2, 98, 8) for fast in range(2, 98, 8)]
    heights = np.linspace(100.0, 200.0, len(places))
    for (slow, fast), height in zip(places, heights, strict=True):
        image[slow, fast] = height
    turned = np.where(image > 0.0, 300.0 - image, 0.0)
    found = match_peaks(image, turned, 0.5)
    assert (found.first, found.second, found.sought, found.matched) == (144, 144, BRIGHTEST, BRIGHTEST)


PLATEAUS = {
    "two pixels": ([(5, 5), (5, 6)], 1),
    "a block": ([(5, 5), (5, 6), (6, 5), (6, 6)], 1),
    "a V": ([(5, 5), (6, 6), (5, 7)], 1),
    "a U": ([(5, 5), (6, 5), (7, 6), (6, 7), (5, 7)], 1),
    "two apart": ([(5, 5), (5, 8)], 2),
    "in the corner": ([(0, 0), (0, 1)], 1),
    "across the last row": ([(19, 3), (19, 4), (19, 5)], 1),
}


@pytest.mark.parametrize("name", PLATEAUS)
def test_a_plateau_is_one_peak_at_its_middle(name: str) -> None:
    members, count = PLATEAUS[name]
    image = np.zeros((20, 20))
    image[tuple(np.transpose(members))] = 65535.0
    found = find_peaks(image)
    assert len(found) == count
    np.testing.assert_allclose(found.mean(axis=0), np.mean(members, axis=0))


def test_a_ledge_is_no_peak() -> None:
    image = np.zeros((20, 20))
    image[5, 5:10] = 60.0
    image[5, 10] = 100.0
    np.testing.assert_allclose(find_peaks(image), [[5.0, (8 * 60.0 + 9 * 60.0 + 10 * 100.0) / 220.0]])


def test_each_pixel_near_a_plateau_weighs_once() -> None:
    image = np.zeros((40, 40))
    image[5, 5:7] = 100.0
    image[5, 3:5] = 20.0, 40.0
    np.testing.assert_allclose(find_peaks(image), [[5.0, (3 * 20.0 + 4 * 40.0 + 5 * 100.0 + 6 * 100.0) / 260.0]])


def test_peaks_stand_two_deviations_above_the_mean() -> None:
    # A part f of the pixels being 1 and the others 0, a 1 does so when f + 2 sqrt(f (1 - f)) < 1, which is f < 1/5.
    sixth, quarter = np.zeros((24, 24)), np.zeros((24, 24))
    sixth[::2, ::3] = quarter[::2, ::2] = 1.0
    assert len(find_peaks(sixth)) == 12 * 8
    assert len(find_peaks(quarter)) == 0


# Of the second the mean rounds to less than each value, and the square of the difference to 0.
@pytest.mark.parametrize("value", [0.1, 1e-200])
def test_a_constant_image_has_no_peaks(value: float) -> None:
    assert find_peaks(np.full((5, 7), value)).shape == (0, 2)


@unhurried
@given(images())
def test_peaks_turn_with_the_image(pair: list[Values]) -> None:
    (image,) = pair
    # Sums in another order round differently; a pixel at the very level could fall on either side.
    upright, turned = find_peaks(np.rint(image)), find_peaks(np.rint(image).T)
    assert sorted(map(tuple, upright.round(6))) == sorted(map(tuple, turned[:, ::-1].round(6)))


@unhurried
@given(images())
def test_centroids_lie_within_the_image(pair: list[Values]) -> None:
    (image,) = pair
    found = find_peaks(image)
    assert np.isfinite(found).all()
    assert (found >= 0.0).all() and (found <= np.array(image.shape) - 1.0).all()


# --- resampling


@unhurried
@given(images(), SHAPES)
def test_resampling_keeps_the_sum(pair: list[Values], shape: tuple[int, int]) -> None:
    (image,) = pair
    found = resample(image, shape)
    assert found.shape == shape
    assert found.min() >= 0.0
    assert found.sum() == pytest.approx(image.sum(), rel=ROUNDING)


@unhurried
@given(images(), st.integers(1, 5), st.integers(1, 5))
def test_resampling_to_whole_multiples_and_back_changes_nothing(pair: list[Values], slow: int, fast: int) -> None:
    (image,) = pair
    fine = resample(image, (image.shape[0] * slow, image.shape[1] * fast))
    np.testing.assert_allclose(fine, np.kron(image, np.full((slow, fast), 1.0 / (slow * fast))), rtol=ROUNDING)
    np.testing.assert_allclose(resample(fine, (image.shape[0], image.shape[1])), image, rtol=ROUNDING)


def test_whole_pixels_that_merge_are_added_up() -> None:
    np.testing.assert_array_equal(resample(np.arange(16.0).reshape(4, 4), (2, 2)), [[10.0, 18.0], [42.0, 50.0]])


def test_pixels_that_are_divided_give_their_part() -> None:
    np.testing.assert_allclose(resample(np.array([[3.0, 6.0, 9.0]]), (1, 2)), [[6.0, 12.0]], rtol=ROUNDING)
    np.testing.assert_allclose(resample(np.array([[4.0], [8.0]]), (3, 1)), [[8 / 3], [4.0], [16 / 3]], rtol=ROUNDING)


# --- pictures


def test_pictures_have_one_scale_and_the_signs_have_colours() -> None:
    first, second = np.zeros((10, 10)), np.zeros((10, 10))
    first[2, 3], second[2, 3] = 10.0, 5.0
    first[7, 7], second[7, 7] = 5.0, 10.0
    scales = common_scales(first, second)
    shades, colours = (grey(first, scales), grey(second, scales)), difference_colours(first, second, scales)
    assert shades[0][2, 3] == shades[1][7, 7] < shades[0][7, 7] == shades[1][2, 3] < shades[0][0, 0] == 255
    less, more = colours[2, 3].tolist(), colours[7, 7].tolist()
    assert less[2] > less[0] and more[0] > more[2]
    assert colours[0, 0].tolist() == [255, 255, 255]


def test_the_brighter_image_sets_the_scale_of_both() -> None:
    ramp = np.tile(np.arange(100.0), (10, 1))
    for first, second in ((ramp, 2.0 * ramp), (2.0 * ramp, ramp)):
        scales = common_scales(first, second)
        darkest = sorted(int(grey(image, scales).min()) for image in (first, second))
        assert darkest[0] == 0 and 120 < darkest[1] < 135


@unhurried
@given(images(2))
def test_pictures_can_be_drawn_of_any_two_images(pair: list[Values]) -> None:
    first, second = pair
    scales = common_scales(first, second)
    assert scales.white < scales.black and scales.full_colour > 0.0
    for shades in (grey(first, scales), grey(second, scales), difference_colours(first, second, scales)):
        stream = io.BytesIO()
        write_png(stream, shades)
        np.testing.assert_array_equal(np.asarray(Image.open(stream)), shades)


def test_a_few_bright_pixels_do_not_hide_the_rest() -> None:
    image = np.tile(np.arange(100.0), (100, 1))
    image[0, :5] = 1e9
    assert common_scales(image, image).black < 200.0


def test_a_single_pixel_that_differs_is_seen() -> None:
    first, second = np.zeros((100, 100)), np.zeros((100, 100))
    second[50, 60] = 1.0
    scales = common_scales(first, second)
    assert grey(second, scales)[50, 60] == 0
    assert difference_colours(first, second, scales)[50, 60].tolist() != [255, 255, 255]
