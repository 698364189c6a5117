"""Builds of the human genome: what a VCF file's header says, and what variants' positions allow.

Positions of one build mean other places in another, so all sites of a study must use the same one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cohortium.data.cohort import Cohort
from cohortium.data.variants import Build, canonical_variant
from cohortium.data.wording import shown, some
from cohortium.errors import FeatureError

# Lengths of chromosomes 1 to 22: NCBI assemblies GCF_000001405.12, .13 and .26.
_LENGTHS = {
    "NCBI36 (hg18)": (
        247249719, 242951149, 199501827, 191273063, 180857866, 170899992, 158821424, 146274826,
        140273252, 135374737, 134452384, 132349534, 114142980, 106368585, 100338915, 88827254,
        78774742, 76117153, 63811651, 62435964, 46944323, 49691432,
    ),
    "GRCh37 (hg19)": (
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022,
        141213431, 135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753,
        81195210, 78077248, 59128983, 63025520, 48129895, 51304566,
    ),
    "GRCh38 (hg38)": (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636,
        138394717, 133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345,
        83257441, 80373285, 58617616, 64444167, 46709983, 50818468,
    ),
}  # fmt: skip
_LONG: dict[Build, str] = {
    "NCBI36": "NCBI36 (hg18)",
    "GRCh37": "GRCh37 (hg19)",
    "GRCh38": "GRCh38 (hg38)",
}
_NAMES = {
    "NCBI36 (hg18)": re.compile(r"ncbi_?36|hg18|(?<![a-z])b(uild)?_?36", re.IGNORECASE),
    "GRCh37 (hg19)": re.compile(r"grch_?37|hg19|hs37|v37|(?<![a-z])b(uild)?_?37", re.IGNORECASE),
    "GRCh38 (hg38)": re.compile(r"grch_?38|hg38|hs38|v38|(?<![a-z])b(uild)?_?38", re.IGNORECASE),
}
_REFERENCE = re.compile(r"^##(?:reference|assembly)=(.+)$", re.MULTILINE)
_CONTIG = re.compile(r"^##contig=<(.+)>\s*$", re.MULTILINE)
_FIELD = re.compile(r'(\w+)=("[^"]*"|[^,]*)')


def header_note(header: str, names: Iterable[str]) -> str:
    """Return in words which build a VCF file's header tells, and whether its variants can be of it.

    It is told by the name of the reference or of a contig's assembly, or by contigs' lengths.
    """
    told, builds = _told(header)
    listed = some(sorted(builds))
    if len(builds) > 1:
        return f"the header contradicts itself on the genome build: {listed}"
    if builds:
        note = f"genome build {listed}, says the header"
        possible = builds.issubset(possible_builds(names))
        return note if possible else f"{note}, but there are positions beyond its chromosomes' ends"
    if told:
        return f"the header's reference is {shown(told[0])}: a genome build not known here"
    return "the header names no genome build"


def header_build(header: str) -> Build | None:
    """Return the build that a VCF file's header tells, None where it tells none or several."""
    _, builds = _told(header)
    found: list[Build] = [build for build in _LONG if _LONG[build] in builds]
    return found[0] if len(found) == 1 else None


def build_in_words(build: Build) -> str:
    """Return both names of a build."""
    return _LONG[build]


def check_build(cohort: Cohort, build: Build) -> None:
    """Raise FeatureError where a cohort's variants are of another build than the one stated.

    Its file says so, or positions lie beyond the ends of that build's chromosomes.
    """
    if cohort.build is not None and cohort.build != build:
        said = f"its header says {_LONG[cohort.build]}"
    elif _LONG[build] not in possible_builds(cohort.features):
        said = "it has positions beyond the ends of that one's chromosomes"
    else:
        return
    raise FeatureError(
        f"{cohort.source} is not of the study's genome build, {_LONG[build]}: {said}.",
        remedy="Lift the file over to the study's build (CrossMap, Picard LiftoverVcf or bcftools "
        "+liftover, say), or correct features.build in the study file.",
    )


def _told(header: str) -> tuple[list[str], set[str]]:
    """Return what names of references a header gives, and the builds that it tells."""
    told = [found.strip() for found in _REFERENCE.findall(header)]
    builds: set[str] = set()
    for contig in _CONTIG.findall(header):
        fields = {key: value.strip('"') for key, value in _FIELD.findall(contig)}
        told += [fields["assembly"]] if "assembly" in fields else []
        builds |= _of_length(fields.get("ID", ""), fields.get("length", ""))
    builds |= {build for build, name in _NAMES.items() if any(name.search(each) for each in told)}
    return told, builds


def _of_length(chromosome: str, length: str) -> set[str]:
    place = chromosome.lower().removeprefix("chr")
    if not (place.isdecimal() and length.isdecimal() and 1 <= int(place) <= 22):
        return set()
    return {build for build, known in _LENGTHS.items() if known[int(place) - 1] == int(length)}


def possible_builds(names: Iterable[str]) -> tuple[str, ...]:
    """Return the builds whose chromosomes 1 to 22 are long enough for all of the variants."""
    furthest: dict[int, int] = {}
    for name in names:
        variant = canonical_variant(name)
        if variant is None:
            continue
        chromosome, position, *_ = variant.name.split(":")
        if chromosome.isdecimal() and 1 <= int(chromosome) <= 22:
            place = int(chromosome) - 1
            furthest[place] = max(furthest.get(place, 0), int(position))
    return tuple(
        build
        for build, lengths in _LENGTHS.items()
        if all(position <= lengths[place] for place, position in furthest.items())
    )
