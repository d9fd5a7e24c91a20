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

    away = [torch.arange(size, device=device) for size in sizes]
    # The profile is even: its shares are worked out for one quarter, and looked up for the others.
    away = [torch.minimum(place, size - place) for place, size in zip(away, sizes, strict=True)]
    edges = [torch.arange(size // 2 + 2, dtype=torch.float64, device=device) - 0.5 for size in sizes]
    if profile == "gauss":
        scale = width / _GAUSS_WIDTH * math.sqrt(2.0)
        along_slow, along_fast = (
            0.5 * torch.erf(edge / scale).diff()[place] for edge, place in zip(edges, away, strict=True)
        )
        return along_slow[:, None] * along_fast[None, :]
    depth = width / _FIBRE_WIDTH
    down, across = edges[0][:, None], edges[1][None, :]
    distance = (down * down + across * across + depth * depth).sqrt()
    # The integral of the profile from the middle to a corner.
    corners = torch.atan2(down * across, depth * distance) / (2.0 * math.pi)
    quarter = corners.diff(dim=0).diff(dim=1)
    return quarter[away[0]][:, away[1]]


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
