"""Hardy–Weinberg equilibrium: are there as many heterozygotes as an allele's frequency lets expect?

Far fewer or more point to faults of genotyping, or to samples of several populations.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Probabilities that differ by rounding alone count as equal.
_ROUNDING = 1e-9


def exact_test(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return each variant's p-value of the exact test of Hardy–Weinberg equilibrium.

    ``counts``, of shape (variants, 3), says how many samples have 0, 1 and 2 alternative alleles.
    The p-value is the probability, given the allele counts, of a number of heterozygotes that is
    as likely as the one found, or less likely (Wigginton, Cutler and Abecasis 2005, Am J Hum Genet
    76:887; PLINK's ``--hardy``). It is 1 where one allele alone was found, or none.
    """
    distinct, places = np.unique(np.asarray(counts, np.int64), axis=0, return_inverse=True)
    total = distinct.sum(axis=1)
    rare = distinct[:, 1] + 2 * np.minimum(distinct[:, 0], distinct[:, 2])
    whole_numbers = np.arange(1, (int(total.max()) if total.size else 0) + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(whole_numbers))])
    found = np.ones(len(distinct))
    # One distribution for all variants of the same allele counts.
    alleles, groups = np.unique(np.stack([total, rare], axis=1), axis=0, return_inverse=True)
    order = np.argsort(groups.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(groups.ravel(), minlength=len(alleles)))
    for (samples, count), rows in zip(alleles, np.split(order, ends[:-1]), strict=True):
        if count == 0:
            continue
        heterozygous = np.arange(count % 2, count + 1, 2)
        homozygous = (count - heterozygous) // 2
        logarithm = (
            heterozygous * np.log(2.0)
            - log_factorial[homozygous]
            - log_factorial[heterozygous]
            - log_factorial[samples - heterozygous - homozygous]
        )
        likely = np.exp(logarithm - logarithm.max())
        ordered = np.sort(likely)
        below = np.concatenate([[0.0], np.cumsum(ordered)])
        own = likely[distinct[rows, 1] // 2] * (1 + _ROUNDING)
        found[rows] = below[np.searchsorted(ordered, own, side="right")] / below[-1]
    return np.minimum(found[places.ravel()], 1.0)
