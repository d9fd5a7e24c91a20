"""How many examples property tests draw, and where compiled code is kept.

``HYPOTHESIS_PROFILE=nightly``, or ``--hypothesis-profile=nightly``, makes it ten times as many.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

#: A test may ask for a multiple of these numbers; no example has a time limit.
settings.register_profile("ci", max_examples=100, deadline=None)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the user has compiled does not decide how tests compute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBRAGG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
