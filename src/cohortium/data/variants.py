"""Names of genetic variants, ``chromosome:position:ref:alt``, in one form for all sites.

Two sites may give one variant with its alleles in the other order, or by the other strand. Of all
ways to write a variant the first in alphabetical order is taken, at each site by itself: nothing
has to be agreed upon. Where it has the alleles in the other order, a dosage d of one becomes 2 − d
of the other. A variant whose strands can not be told apart (A/T, C/G) stays as it is.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

# Positions are of a build of the genome, which a file may tell.
Build = Literal["NCBI36", "GRCh37", "GRCh38"]

_NAME = re.compile(r"(?:chr)?([0-9A-Za-z_.]+):([0-9]+):([ACGT]+):([ACGT]+)", re.IGNORECASE)
_CHROMOSOMES = {"23": "X", "24": "Y", "26": "MT", "M": "MT"}
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


class Variant(NamedTuple):
    """A variant's common name; whether its dosage must be turned; whether its strand is open."""

    name: str
    swapped: bool
    ambiguous: bool


def canonical_variant(name: str) -> Variant | None:
    """Return the form of a variant's name that all sites share, None where it is no such name.

    Chromosomes lose a leading "chr", are upper-case, and 23, 24, 26 and M are X, Y, MT and MT.
    Positions are of one genome build; that sites use the same one is theirs to ensure.
    """
    found = _NAME.fullmatch(name.strip())
    if found is None:
        return None
    chromosome, position, ref, alt = (part.upper() for part in found.groups())
    chromosome, position = _CHROMOSOMES.get(chromosome, chromosome), str(int(position))
    ways = [((ref, alt), False), ((alt, ref), True)]
    # The other strand of a longer allele begins elsewhere: such variants have their alleles' order
    # alone to differ in.
    if len(ref) == len(alt) == 1:
        complement = ref.translate(_COMPLEMENT), alt.translate(_COMPLEMENT)
        if complement == (alt, ref):
            return Variant(f"{chromosome}:{position}:{ref}:{alt}", swapped=False, ambiguous=True)
        ways += [(complement, False), (complement[::-1], True)]
    (first, second), swapped = min(ways)
    return Variant(f"{chromosome}:{position}:{first}:{second}", swapped, ambiguous=False)
