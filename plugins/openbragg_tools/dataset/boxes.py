"""Boxes of spots in the forms that programs for training read: COCO's JSON and YOLO's text."""

from __future__ import annotations

import json
from collections.abc import Iterator
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

    An image's id is the number of its shot, of a set with several images a shot that number times how many there are,
    and its own in the shot, from 0. A box is x, y, width and height in pixels.

    Raises
    ------
    InputError
        When it cannot be written.
    """
    slow, fast = images.array("counts", 0).shape[-2:]
    rows, boxes = _boxes(images)
    several = images.images or 1
    annotations = [
        {
            "id": place + 1,
            "image_id": several * int(rows["shot"][place]) + int(rows["image"][place]),
            "category_id": 1,
            "bbox": box.tolist(),
            "area": int(rows["spot_pixels"][place]),
            "iscrowd": 0,
        }
        for place, box in enumerate(boxes)
    ]
    described = {
        "images": [
            {"id": several * shot + image, "width": fast, "height": slow, "file_name": name}
            for shot, image, name in _names(images)
        ],
        "categories": [{"id": 1, "name": _SPOT}],
        "annotations": annotations,
    }
    write_text(file, json.dumps(described) + "\n")
    return len(boxes)


def write_yolo(folder: Path, images: Images) -> int:
    """Write a text file for each image with a line for each spot, and return how many lines there are.

    A line is the category 0, and the middle's x and y, width and height, as parts of the image's.

    Raises
    ------
    InputError
        When a file cannot be written.
    """
    slow, fast = images.array("counts", 0).shape[-2:]
    rows, boxes = _boxes(images)
    middles = (boxes[:, :2] + boxes[:, 2:] / 2.0) / (fast, slow)
    parts = np.concatenate([middles, boxes[:, 2:] / (fast, slow)], axis=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from None
    for shot, image, name in _names(images):
        here = (rows["shot"] == shot) & (rows["image"] == image)
        lines = ["0 " + " ".join(f"{value:.6f}" for value in row) + "\n" for row in parts[here]]
        write_text(folder / f"{name}.txt", "".join(lines))
    return len(boxes)


def _names(images: Images) -> Iterator[tuple[int, int, str]]:
    """Shot, image in it, and name of every image."""
    for shot in images.table("shots")["shot"].tolist():
        for image in range(images.images or 1):
            yield shot, image, f"shot-{shot:08d}" + ("" if images.images is None else f"-{image:05d}")


def _boxes(images: Images) -> tuple[dict[str, Any], np.ndarray[Any, np.dtype[Any]]]:
    """The reflections that have a spot, and of each x, y, width and height."""
    rows = images.table("reflections")
    seen = rows["spot_pixels"] > 0
    rows = {name: column[seen] for name, column in rows.items()}
    left, right, top, bottom = (rows[f"box_{side}"].astype(np.int64) for side in ("left", "right", "top", "bottom"))
    return rows, np.stack([left, top, right - left + 1, bottom - top + 1], axis=1)
