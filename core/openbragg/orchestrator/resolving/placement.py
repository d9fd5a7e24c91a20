"""Placing the detector: what the convention says, and where the reference program does not listen."""

from __future__ import annotations

import attrs

from openbragg.model import Detector
from openbragg.model.geometry import Laboratory
from openbragg.model.scalars import plain
from openbragg.orchestrator.finding.answers import check_laboratory
from openbragg.orchestrator.resolving.quirks import notice
from openbragg.orchestrator.resolving.resolve import Choices
from openbragg.roles import GeometryConvention

#: Two spots on a detector are one when they are closer than this part of a pixel.
_SAME_SPOT = 1e-3


def place_with_quirks(
    detector: Detector, convention: GeometryConvention, quirks: frozenset[str], choices: Choices
) -> Laboratory:
    """The laboratory, with the reference's two ways of not listening reproduced or noticed."""
    if detector.pivot is not None and detector.implied_pivot is None:
        detector = attrs.evolve(detector, implied_pivot=detector.pivot)
    if getattr(convention, "first_corner", None) is not None:
        # Protocols know no fields: only a convention that has this one can be given a first corner.
        deaf = attrs.evolve(convention, first_corner=None)  # type: ignore[misc]
        if "pix0-ignored" not in quirks:
            return _heard_first_corner(convention, detector, deaf.place(detector), choices)
        convention = deaf
    laboratory = _placed(detector, convention)
    _notice_idle_beam_centre(detector, convention, laboratory, choices)
    if detector.pivot is None:
        return laboratory
    without = convention.place(attrs.evolve(detector, pivot=None))
    if "pivot-ignored" in quirks:
        return without
    if _farthest_corner(laboratory, without) > 0.0:
        choices.notices.append(notice("pivot-ignored", f"it would pivot about the {without.pivot}"))
    return laboratory


def _placed(detector: Detector, convention: GeometryConvention) -> Laboratory:
    laboratory = convention.place(detector)
    check_laboratory(convention, laboratory, len(detector.panels()))
    return laboratory


def _heard_first_corner(
    convention: GeometryConvention, detector: Detector, without: Laboratory, choices: Choices
) -> Laboratory:
    """The laboratory with its first corner as given, and a notice where beam centre and distance say otherwise.

    Headers get the beam centre that follows, in place of the one that was overruled.
    """
    laboratory = _placed(detector, convention)
    centre = convention.beam_centre(detector, *laboratory.panels[0].beam_point(laboratory.beam))
    laboratory = attrs.evolve(laboratory, beam_centre=centre)
    apart = _farthest_corner(laboratory, without) / plain(without.panels[0].panel.pixel_size)
    if apart > 0.0:
        detail = f"{apart:.3g} pixels away" + (", so they disagree" if apart > 0.5 else "")
        choices.notices.append(notice("pix0-ignored", detail))
    return laboratory


def _notice_idle_beam_centre(
    detector: Detector, convention: GeometryConvention, laboratory: Laboratory, choices: Choices
) -> None:
    """Say when a beam centre was given and the beam is somewhere else, for the detector stands by its near point."""
    if not any(value is not None for value in detector.beam_centre) or any(map(plain, detector.rotation)):
        return
    real = convention.beam_centre(detector, *laboratory.panels[0].beam_point(laboratory.beam))
    asked = laboratory.beam_centre
    apart = max(abs(plain(one) - plain(other)) for one, other in zip(real, asked, strict=True))
    if apart > _SAME_SPOT * plain(detector.pixel_size) and plain(detector.twotheta) == 0.0:
        spot = " ".join(f"{plain(value) * 1000.0:g}" for value in real)
        choices.notices.append(f"the beam centre given does not place this detector: the beam is at {spot} mm")


def _farthest_corner(one: Laboratory, other: Laboratory) -> float:
    """Largest distance in metres between the first corners or axes' far ends of two placements of a detector."""
    farthest = 0.0
    for first, second in zip(one.panels, other.panels, strict=True):
        for slow, fast in ((0, 0), (0, first.panel.pixels[1]), (first.panel.pixels[0], 0)):
            corners = (
                frame.origin + (fast * frame.fast + slow * frame.slow) * plain(first.panel.pixel_size)
                for frame in (first, second)
            )
            here, there = corners
            farthest = max(farthest, float((here - there).detach().norm()))
    return farthest
