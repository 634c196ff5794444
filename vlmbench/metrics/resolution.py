"""Computes the smallest difference that a number of samples can detect, before anything is measured.

``vlmbench run`` and ``report results`` print it for subsets, and ``tasks show`` for the whole task.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from vlmbench.metrics.base import CONFIDENCE

POWER = 0.8
"""The usual probability of finding a true difference."""
DIFFERING = 0.05
"""A typical share of differing answers between two releases, such as a model and its quantised version."""


def worst_half_width(n: int) -> float:
    """Half the width of Wilson's interval at a proportion of one half, its widest: z / (2 sqrt(n + z^2)).

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
        n: the number of samples.
        differing: d, the share of samples that one model answers rightly and the other wrongly.

    Returns:
        None if even a model that loses all differing samples would not be found.

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
    """Both numbers in a sentence: "±3.1 points at worst (95%); …"."""
    bound = f"±{worst_half_width(n):.1%}".removesuffix("%") + f" points at worst ({CONFIDENCE:.0%})"
    difference = detectable_difference(n)
    if difference is None:
        return f"{bound}; too few samples to tell apart two models that differ on {DIFFERING:.0%} of them"
    shown = f"{difference:.1%}".removesuffix("%")
    pair = f"two models that differ on {DIFFERING:.0%} of the samples"
    return f"{bound}; detects a difference of {shown} points between {pair} ({POWER:.0%} power)"
