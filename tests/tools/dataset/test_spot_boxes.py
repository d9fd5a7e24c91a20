"""Which pixels a spot covers."""

import numpy as np

from openbragg_tools.dataset.labels import Labels
from openbragg_tools.dataset.spots import find_spots, in_boxes

PLACES = np.array([[10.5, 8.5], [25.3, 20.6]])


def image(*spots):
    """Gaussian spots: (fast, slow, photons, width)."""
    rows, columns = np.mgrid[:32, :40] + 0.5
    made = np.zeros((32, 40))
    for fast, slow, photons, width in spots:
        profile = np.exp(-((columns - fast) ** 2 + (rows - slow) ** 2) / (2 * width**2))
        made += photons * profile / profile.sum()
    return made


def test_spots_are_the_pixels_above_a_part_of_their_top():
    photons = image((10.5, 8.5, 1000.0, 1.5), (25.3, 20.6, 200.0, 1.0))
    found = find_spots(photons, PLACES, np.array([1000.0, 200.0]), Labels(peak=0.1))
    rows, columns = np.mgrid[:32, :40] + 0.5
    # exp(-r^2 / 2 s^2) is a tenth at r = s sqrt(2 ln 10).
    first = (columns - 10.5) ** 2 + (rows - 8.5) ** 2 <= 1.5**2 * 2 * np.log(10)
    assert np.array_equal(found.covered == 0, first)
    assert found.pixels.tolist() == [first.sum(), (found.covered == 1).sum()]
    lit = np.argwhere(found.covered == 1)
    (top, left), (bottom, right) = lit.min(axis=0) - 1, lit.max(axis=0) + 1
    assert found.box[1].tolist() == [left, right, top, bottom]
    assert found.photons[1] == photons[top : bottom + 1, left : right + 1].sum()


def test_the_stronger_of_two_spots_has_their_common_pixels():
    photons = image((10.5, 8.5, 1000.0, 1.5), (12.5, 8.5, 900.0, 1.5))
    places = np.array([[12.5, 8.5], [10.5, 8.5]])
    found = find_spots(photons, places, np.array([900.0, 1000.0]), Labels())
    assert found.covered[8, 10] == 1 and found.pixels.sum() == (found.covered >= 0).sum()


def test_a_reflection_that_no_pixel_samples_has_no_spot_and_a_box_at_its_place():
    photons = image((10.5, 8.5, 1000.0, 1.5))
    found = find_spots(photons, PLACES, np.array([1000.0, 500.0]), Labels())
    assert found.pixels[1] == 0 and found.box[1].tolist() == [24, 26, 19, 21]


def test_spots_at_the_edge_and_none_at_all():
    edge = find_spots(image((0.2, 31.8, 100.0, 1.0)), np.array([[0.2, 31.8]]), np.array([100.0]), Labels())
    assert edge.box[0, 0] == 0 and edge.box[0, 3] == 31 and edge.pixels[0] > 0
    none = find_spots(image(), np.zeros((0, 2)), np.zeros(0), Labels())
    assert none.box.shape == (0, 4) and (none.covered == -1).all()
    assert in_boxes(np.ones((3, 4)), np.array([[0, 3, 0, 2], [1, 1, 2, 2]])).tolist() == [12.0, 1.0]
