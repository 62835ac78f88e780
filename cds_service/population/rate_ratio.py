"""How two rates compare that were both counted: the exact interval of their ratio, right for small numbers too.

Given the sum of two counts of Poisson processes, one of them is binomial, and its exact interval (Clopper-Pearson) is
that of the ratio: J. Przyborowski and H. Wilenski, Homogeneity of results in testing samples from Poisson series,
Biometrika 31 (1940) 313-323; C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.
"""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p

_HALVINGS = 60  # a double has 53 bits
_NEGLIGIBLE = 1e-17


def ratio_interval(count: int, among: int, other: int, of: int, level: float) -> tuple[float, float]:
    """The bounds of the ratio of ``count`` among ``among`` to ``other`` of ``of``, at a confidence ``level``.

    The upper one is infinite if ``other`` is 0; without any count or any base the interval is all that can be.
    """
    if not among or not of:
        return 0.0, inf
    low, high = proportion_interval(count, count + other, level)
    scale = of / among
    return scale * low / (1 - low), scale * high / (1 - high) if high < 1 else inf


def proportion_interval(count: int, total: int, level: float) -> tuple[float, float]:
    """The bounds of the exact interval of ``count`` out of ``total``, as fractions; from 0 to 1 for a total of 0."""
    tail = (1 - level) / 2
    return _lower(count, total, tail), 1 - _lower(total - count, total, tail)


def _lower(count: int, total: int, tail: float) -> float:
    """The proportion at which so many or more are seen with the probability ``tail``."""
    if not count:
        return 0.0
    low, high = 0.0, count / total
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_least(count, total, middle) < tail:
            low = middle
        else:
            high = middle
    return low


def _at_least(count: int, total: int, proportion: float) -> float:
    """How probable ``count`` or more of ``total`` are, for a proportion below theirs, so that terms only fall."""
    ways = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
    term = exp(ways + count * log(proportion) + (total - count) * log1p(-proportion))
    odds = proportion / (1 - proportion)
    probability = 0.0
    for seen in range(count, total + 1):
        probability += term
        term *= (total - seen) / (seen + 1) * odds
        if term < _NEGLIGIBLE * probability:
            break
    return probability
