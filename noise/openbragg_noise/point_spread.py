"""Point spread: what of the light of a pixel reaches its neighbours, and its convolution with an image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

#: Full width at half maximum of a Gaussian, in standard deviations.
_GAUSS_WIDTH = 2.0 * math.sqrt(2.0 * math.log(2.0))
#: The same of the fibre's profile (r^2 + g^2)^(-3/2), in g.
_FIBRE_WIDTH = 2.0 * math.sqrt(2.0 ** (2.0 / 3.0) - 1.0)

#: What a profile can be.
PROFILES = ("gauss", "fibre")


def spread(image: torch.Tensor, profile: str, width: float) -> torch.Tensor:
    """An image with each pixel's light spread over its neighbours; what goes over the edge is lost.

    Parameters
    ----------
    image
        (slow, fast), float64.
    profile
        ``gauss``, or ``fibre``: g / 2 pi (r^2 + g^2)^(-3/2), the light that a fibre-optic face at the depth g collects
        from a point, which falls off so slowly that a bright spot lights up the image around it.
    width
        Full width at half maximum, in pixels.

    Returns
    -------
    The convolution with the profile, which is integrated over each pixel as if the light came from the middle of its
    own; nothing wraps around.
    """
    import torch

    sizes = [_transform_length(2 * pixels - 1) for pixels in image.shape]
    shares = pixel_shares(sizes, profile, width, image.device)
    convolved: torch.Tensor = torch.fft.irfft2(torch.fft.rfft2(image, s=sizes) * torch.fft.rfft2(shares), s=sizes)
    # Where there is no light, rounding leaves some.
    return convolved[: image.shape[0], : image.shape[1]].clamp(min=0.0)


def pixel_shares(sizes: Sequence[int], profile: str, width: float, device: torch.device) -> torch.Tensor:
    """The shares of a pixel's light that pixels get, by their distance from it, of the shape `sizes`.

    Distances along an axis are in the order of a discrete Fourier transform: 0, 1, 2, ..., -2, -1.
    """
    import torch

    slow, fast = (
        (torch.arange(size, dtype=torch.float64, device=device) + size // 2) % size - size // 2 for size in sizes
    )
    if profile == "gauss":
        scale = width / _GAUSS_WIDTH * math.sqrt(2.0)
        along_slow, along_fast = (
            0.5 * (torch.erf((place + 0.5) / scale) - torch.erf((place - 0.5) / scale)) for place in (slow, fast)
        )
        return along_slow[:, None] * along_fast[None, :]
    depth = width / _FIBRE_WIDTH

    def below(down: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
        """Integral of the profile over 0 to `down` and 0 to `across`."""
        away = (down * down + across * across + depth * depth).sqrt()
        return torch.atan2(down * across, depth * away) / (2.0 * math.pi)

    slow, fast = slow[:, None], fast[None, :]
    high, low = slow + 0.5, slow - 0.5
    right, left = fast + 0.5, fast - 0.5
    return (below(high, right) - below(high, left)) - (below(low, right) - below(low, left))


def _transform_length(least: int) -> int:
    """The smallest even length of small prime factors, which transform quickly, that is at least so much."""
    length = least + least % 2
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 2
