"""What a number of samples can tell, before anything is measured."""

from __future__ import annotations

import math
from statistics import NormalDist

from vlmbench.metrics.base import CONFIDENCE

POWER = 0.8
"""The usual chance with which a true difference should be found."""
DIFFERING = 0.05
"""A share of differing answers as a retrained or quantised model's: two releases are much alike."""


def worst_half_width(n: int) -> float:
    """Half of Wilson's interval of a proportion of one half, where it is widest: z / (2 sqrt(n + z^2)).

    >>> round(worst_half_width(1000), 4)
    0.0309
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return z / (2 * math.sqrt(n + z * z))


def detectable_difference(n: int, differing: float = DIFFERING) -> float | None:
    """The smallest true difference of two accuracies on the same n samples that McNemar's test usually finds.

    Source: R. J. Connor, "Sample size for testing differences in proportions for the paired-sample design",
    Biometrics 43 (1987): z_a sqrt(d / n) + z_b sqrt((d - x^2) / n) = x, solved for x.

    Args:
        n: samples.
        differing: d, the share of them that one model has right and the other wrong.

    Returns:
        None where even a model that loses all of the differing samples would not be found.

    >>> round(detectable_difference(1000), 3)
    0.02
    """
    normal = NormalDist()
    significant = normal.inv_cdf((1 + CONFIDENCE) / 2) * math.sqrt(differing / n)
    found = normal.inv_cdf(POWER) ** 2 / n
    root = math.sqrt(max(0.0, significant**2 - (1 + found) * (significant**2 - found * differing)))
    difference = (significant + root) / (1 + found)
    return difference if difference <= differing else None


def resolution_text(n: int) -> str:
    """Both in a sentence: "±3.1 points at worst (95%); …"."""
    bound = f"±{worst_half_width(n):.1%}".removesuffix("%") + f" points at worst ({CONFIDENCE:.0%})"
    difference = detectable_difference(n)
    if difference is None:
        return f"{bound}; too few to tell apart two models that differ on {DIFFERING:.0%} of the samples"
    shown = f"{difference:.1%}".removesuffix("%")
    return (
        f"{bound}; of two models that differ on {DIFFERING:.0%} of the samples, {shown} points show ({POWER:.0%} power)"
    )
