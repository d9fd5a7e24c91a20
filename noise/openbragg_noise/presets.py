"""Detectors by name: typical properties, to begin from. They describe no detector that exists."""

from __future__ import annotations

from typing import Any

#: Options of the detector's noise model in SI units, by the name of a preset; what one does not name is off.
PRESETS: dict[str, dict[str, Any]] = {
    # Every photon counts, and nothing else.
    "ideal": {},
    # Hybrid pixels of 0.172 mm that count, 20 bits deep.
    "pilatus": {
        "dead_time": 120e-9,
        "saturation": 1_048_575.0,
        "calibration": 0.01,
        "module_calibration": 0.005,
        "module": (195, 487),
        "dead_pixels": 1e-4,
        "hot_pixels": 1e-5,
        "hot_current": 100.0,
    },
    # Hybrid pixels of 0.075 mm that count, 16 bits deep a frame.
    "eiger": {
        "dead_time": 15e-9,
        "saturation": 65_535.0,
        "calibration": 0.01,
        "module_calibration": 0.005,
        "module": (514, 1030),
        "dead_pixels": 5e-5,
        "hot_pixels": 1e-5,
        "hot_current": 100.0,
    },
    # Hybrid pixels of 0.075 mm that integrate, read in keV: 12 counts for a photon of 12 keV.
    "jungfrau": {
        "gain": 12.0,
        "electrons_per_count": 278.0,
        "readout_electrons": 80.0,
        "saturation": 120_000.0,
        "calibration": 0.01,
        "module_calibration": 0.005,
        "module": (512, 1024),
        "dead_pixels": 1e-4,
    },
    # The same with its three gains: of the converter 41, 1.4 and 0.1 ADU/keV for photons of 12 keV.
    "jungfrau-gains": {
        "gain": 12.0,
        "electrons_per_count": 278.0,
        "gain_stages": (492.0, 16.8, 1.2),
        "gain_switches": (28.0, 800.0),
        "stage_electrons": (80.0, 400.0, 5_500.0),
        "saturation": 120_000.0,
        "calibration": 0.01,
        "module_calibration": 0.005,
        "module": (512, 1024),
        "dead_pixels": 1e-4,
    },
    # Hybrid pixels of 0.2 mm for bursts of X-ray lasers, which integrate and have three gains, read in keV.
    "agipd": {
        "gain": 12.0,
        "electrons_per_count": 278.0,
        "gain_stages": (90.0, 3.0, 0.75),
        "gain_switches": (40.0, 1_500.0),
        "stage_electrons": (320.0, 3_000.0, 10_000.0),
        "saturation": 120_000.0,
        "calibration": 0.01,
        "module_calibration": 0.005,
        "module": (512, 128),
        "dead_pixels": 1e-3,
    },
    # A phosphor on a fibre-optic taper on a CCD.
    "ccd-taper": {
        "point_spread": "fibre",
        "point_spread_width": 80e-6,
        "gain": 1.8,
        "gain_spread": 0.35,
        "electrons_per_count": 5.0,
        "readout_noise": 2.5,
        "dark_electrons": 0.5,
        "saturation": 65_535.0,
        "calibration": 0.01,
        "module_calibration": 0.01,
        "module": (1024, 1024),
        "hot_pixels": 2e-5,
        "hot_current": 50.0,
    },
    # A phosphor seen by a lens and a CCD: less light, and no light guided far aside.
    "ccd-lens": {
        "point_spread": "gauss",
        "point_spread_width": 50e-6,
        "gain": 0.8,
        "gain_spread": 0.8,
        "electrons_per_count": 2.0,
        "readout_noise": 4.0,
        "dark_electrons": 0.1,
        "saturation": 16_383.0,
        "calibration": 0.02,
        "dead_pixels": 1e-5,
        "hot_pixels": 5e-5,
        "hot_current": 20.0,
    },
}
