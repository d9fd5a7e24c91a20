"""What options of scenes must be."""

from __future__ import annotations

from openbragg import NOT_NEGATIVE, Rule

#: A part of a crystal.
PART_OF_WHOLE = Rule("a number from 0 to 1", lambda value: NOT_NEGATIVE.accepts(value) and value <= 1.0)
