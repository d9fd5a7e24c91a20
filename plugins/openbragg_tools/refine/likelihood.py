"""How likely counts are, given what is expected."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
#: Expected photons and variance of read-out together are taken to be at least this.
_LEAST = 1e-2


@attrs.frozen
class Likelihood:
    """Photons with the variance that is expected of them, and that of the read-out.

    The deviance is that of a Poisson distribution to whose counts and mean the variance of the read-out is added, in
    photons squared: its slope by the mean m is -2 (d - m) / (m + r^2), that of least squares whose weights follow the
    model. Without read-out it is the Poisson distribution's own; where counts are many, a Gaussian's of that variance.

    Attributes
    ----------
    readout
        Standard deviation of the read-out, in photons.
    freedom
        Degrees of freedom of Student's t, which bears pixels that neither explains; None for none of that.
    """

    readout: float = 0.0
    freedom: float | None = None

    def variance(self, expected: Array) -> Array:
        """Of counts, in photons squared."""
        made: Array = np.maximum(expected + self.readout**2, _LEAST)
        return made

    def deviations(self, counts: Array, expected: Array) -> Array:
        """Z of each pixel: its residual over the standard deviation."""
        made: Array = (counts - expected) / np.sqrt(self.variance(expected))
        return made

    def weights(self, counts: Array, expected: Array) -> Array:
        """Weights of residuals in the normal equations, in 1/photons squared."""
        weights = 1.0 / self.variance(expected)
        if self.freedom is not None:
            squared = (counts - expected) ** 2 * weights
            weights = weights * (self.freedom + 1.0) / (self.freedom + squared)
        return weights

    def losses(self, counts: Array, expected: Array) -> Array:
        """The deviance of each pixel: about Z squared.

        Where next to nothing is expected, or less, as under a plane of background that sinks below 0, it goes on as a
        Gaussian's of the least variance, so that its slope is that of the weights there too.
        """
        shifted = counts + self.readout**2
        variance = self.variance(expected)
        whole = np.maximum(shifted, _LEAST)
        losses = 2.0 * (shifted * (np.log(whole) - np.log(variance)) - (shifted - variance))
        below = expected + self.readout**2 - variance
        losses += below * (below - 2.0 * (shifted - variance)) / variance
        if self.freedom is not None:
            losses = (self.freedom + 1.0) * np.log1p(np.maximum(losses, 0.0) / self.freedom)
        made: Array = losses
        return made
