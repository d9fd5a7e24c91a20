"""How many examples property tests draw.

``HYPOTHESIS_PROFILE=nightly``, or ``--hypothesis-profile=nightly``, makes it ten times as many.
"""

import os

from hypothesis import settings

#: A test may ask for a multiple of these numbers; no example has a time limit.
settings.register_profile("ci", max_examples=100, deadline=None)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
