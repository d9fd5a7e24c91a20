"""Boxes of spots in the forms that programs for training read: COCO's JSON and YOLO's text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openbragg import InputError
from openbragg.commands import write_text

if TYPE_CHECKING:
    from openbragg_tools.dataset.reading import Images

#: What a box is of, the only category.
_SPOT = "spot"


def write_coco(file: Path, images: Images) -> int:
    """Write the boxes of all spots as one JSON file, and return how many there are.

    An image's id is the number of its shot; a box is x, y, width and height in pixels.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    slow, fast = images.array("counts", 0).shape
    numbers = images.table("shots")["shot"].tolist()
    rows, boxes = _boxes(images)
    annotations = [
        {
            "id": place + 1,
            "image_id": int(rows["shot"][place]),
            "category_id": 1,
            "bbox": box.tolist(),
            "area": int(rows["spot_pixels"][place]),
            "iscrowd": 0,
        }
        for place, box in enumerate(boxes)
    ]
    described = {
        "images": [{"id": one, "width": fast, "height": slow, "file_name": f"shot-{one:08d}"} for one in numbers],
        "categories": [{"id": 1, "name": _SPOT}],
        "annotations": annotations,
    }
    write_text(file, json.dumps(described) + "\n")
    return len(boxes)


def write_yolo(folder: Path, images: Images) -> int:
    """Write a text file for each shot with a line for each spot, and return how many lines there are.

    A line is the category 0, and the middle's x and y, width and height, as parts of the image's.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    slow, fast = images.array("counts", 0).shape
    rows, boxes = _boxes(images)
    middles = (boxes[:, :2] + boxes[:, 2:] / 2.0) / (fast, slow)
    parts = np.concatenate([middles, boxes[:, 2:] / (fast, slow)], axis=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    for number in images.table("shots")["shot"].tolist():
        lines = ["0 " + " ".join(f"{value:.6f}" for value in row) + "\n" for row in parts[rows["shot"] == number]]
        write_text(folder / f"shot-{number:08d}.txt", "".join(lines))
    return len(boxes)


def _boxes(images: Images) -> tuple[dict[str, Any], np.ndarray[Any, np.dtype[Any]]]:
    """The reflections that have a spot, and of each x, y, width and height."""
    rows = images.table("reflections")
    seen = rows["spot_pixels"] > 0
    rows = {name: column[seen] for name, column in rows.items()}
    left, right, top, bottom = (rows[f"box_{side}"].astype(np.int64) for side in ("left", "right", "top", "bottom"))
    return rows, np.stack([left, top, right - left + 1, bottom - top + 1], axis=1)
