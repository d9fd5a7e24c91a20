"""A small mosaic crystal before a sensor of several layers, any field of which a test may change."""

from __future__ import annotations

from typing import Any

import torch

import openbragg
from openbragg import Beam, Crystal, Detector, Experiment, Sampling, Scan

A = 1e-10
SENSOR = {"sensor_thickness": 3e-4, "sensor_layers": 3, "attenuation_length": 2e-4}


def experiment(**changed: Any) -> Experiment:
    """A mosaic crystal turned in two steps before a sensor of three layers, with some fields changed by their names."""
    fields: dict[type, dict[str, Any]] = {
        Crystal: {
            "cell": (30 * A, 40 * A, 50 * A, 1.4, 1.6, 1.7),
            "cells": (5, 4, 3),
            "mosaic_spread": 0.02,
            "mosaic_domains": 3,
        },
        Beam: {"wavelength": 1.2 * A},
        Detector: {"pixels": (20, 24), "pixel_size": 2e-3, **SENSOR},
        Scan: {"start": 0.1, "range": 0.04, "steps": 2},
        Sampling: {"oversample": 2},
    }
    for name, value in changed.items():
        (cls,) = [cls for cls in fields if name in cls.__annotations__]
        fields[cls][name] = value
    parts = {cls.__name__.lower(): cls(**values) for cls, values in fields.items()}
    return Experiment(**parts)


def table(span: int, **options: Any) -> Any:
    """A table of amplitudes that differ, of all indices up to a limit."""
    index = torch.cartesian_prod(*[torch.arange(-span, span + 1)] * 3)
    amplitudes = 50.0 + (index * torch.tensor([1, 2, 3])).sum(dim=1).double() % 17
    return openbragg.plugin("structure_factors", "hkl", reflections=(index, amplitudes), **options)
