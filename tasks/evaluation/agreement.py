"""How far two judges agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa: agreement beyond what two judges with these habits would reach by chance.

    None: there is nothing to compare, or both always give the same answer, which chance explains.
    """
    if not pairs:
        return None
    observed = sum(one == two for one, two in pairs) / len(pairs)
    ones, twos = Counter(one for one, _ in pairs), Counter(two for _, two in pairs)
    chance = sum(ones[label] * twos[label] for label in ones) / len(pairs) ** 2
    return None if chance == 1 else (observed - chance) / (1 - chance)
