"""The confidence interval of a proportion."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


def wilson(count: int, total: int) -> tuple[float, float]:
    """The lower and upper bound of the 95 % score interval of ``count`` out of ``total``, as fractions.

    It is right for small numbers too. For a total of 0 it is the whole range from 0 to 1.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22 (1927)
    209-212; method 3 of R. G. Newcombe, Stat. Med. 17 (1998) 857-872.
    """
    if not total:
        return 0.0, 1.0
    rate, square = count / total, _Z * _Z / total
    middle = rate + square / 2
    reach = _Z * sqrt(rate * (1 - rate) / total + square / (4 * total))
    return max(0.0, (middle - reach) / (1 + square)), min(1.0, (middle + reach) / (1 + square))
