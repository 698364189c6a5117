"""The best of several models, chosen without telling which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cohortium.mpc import SecretTensor, concatenate
from cohortium.mpc.functions import compare, table


def best(scores: SecretTensor, preference: Sequence[int]) -> SecretTensor:
    """Return 1 at the place of the largest score, 0 elsewhere, as bits of the scores' shape (M,).

    Of equal scores the first in ``preference``, an order of all places, counts as the best. Five
    rounds: every pair is compared, and the one without a defeat is looked up.
    """
    count = scores.shape[0]
    order = np.asarray(preference)
    first, second = np.triu_indices(count, 1)
    pairs = scores[order[first]] - scores[order[second]]
    # Of each pair, whether the earlier one is beaten.
    beaten = compare(pairs, [0.0])[0][0]
    defeats = []
    for place in np.argsort(order):
        lost = beaten[np.flatnonzero(first == place)].sum()
        won = beaten[np.flatnonzero(second == place)]
        defeats.append((lost - won.sum() + won.shape[0]).reshape(1))
    entries = (np.arange(count) == 0).astype(np.float64)
    return table(concatenate(defeats).with_bound(count), entries, 0)[0]
