"""Fisher's exact test for two counts, one-sided: is the second rate higher by more than chance?

Exact for small counts, where the usual approximations are wrong, and small enough to stand here
instead of a statistics library.
"""

from __future__ import annotations

from math import exp, lgamma


def more_often(hits_before: int, before: int, hits_after: int, after: int) -> float:
    """Probability that chance alone gives at least hits_after, were both rates the same.

    before and after are how many were looked at; hits are how many of them counted.
    """
    hits, whole = hits_before + hits_after, before + after
    most = min(hits, after)
    logarithms = [
        _choose(after, count) + _choose(before, hits - count) - _choose(whole, hits)
        for count in range(max(hits_after, hits - before), most + 1)
    ]
    return min(1.0, sum(exp(logarithm) for logarithm in logarithms))


def _choose(of: int, count: int) -> float:
    """The logarithm of the number of ways to take count out of `of`."""
    return lgamma(of + 1) - lgamma(count + 1) - lgamma(of - count + 1)
