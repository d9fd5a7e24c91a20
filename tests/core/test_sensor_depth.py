"""Sensors known by name count photons at the mean depth at which they absorb them."""

import math

import pytest

from openbragg import detector_preset
from openbragg.model import Detector
from openbragg.model.sensor import resolve_sensor


@pytest.mark.parametrize("name", ["pilatus-6m", "pilatus3-2m-cdte", "eiger2-16m"])
@pytest.mark.parametrize("wavelength", [0.2e-10, 0.56e-10, 1.0e-10, 1.9e-10])
@pytest.mark.parametrize("obliquity", [1.0, 0.8])
def test_the_mean_depth_of_absorption_is_right_to_a_hundredth(name: str, wavelength: float, obliquity: float) -> None:
    """Exact: 1/mu - t / (exp(mu t) - 1), with the longer way of an oblique ray."""
    detector = detector_preset(name, wavelength)
    sensor = resolve_sensor(detector)
    if not sensor.absorbs:
        pytest.skip("its material is not tabulated there")
    path = float(sensor.absorption) / obliquity
    fronts = [number * float(sensor.step) for number in range(sensor.layers)]
    parts = [math.exp(-path * front) - math.exp(-path * (front + float(sensor.step))) for front in fronts]
    mean = sum(part * (front + float(sensor.offset)) for part, front in zip(parts, fronts, strict=True)) / sum(parts)
    thickness = float(detector.sensor_thickness)
    exact = 1.0 / path - thickness / math.expm1(path * thickness)
    assert mean == pytest.approx(exact, rel=0.01)
    assert sum(parts) == pytest.approx(-math.expm1(-path * thickness), rel=2e-4)


def test_a_thickness_without_a_count_stays_the_reference_s() -> None:
    sensor = resolve_sensor(Detector(sensor_thickness=3e-4))
    assert (sensor.layers, sensor.step, sensor.offset) == (2, 1.5e-4, 0.0)
