"""PLINK 1 sets (bed, bim, fam): dosages of allele 1, which is what PLINK counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cohortium.data.annotated import Annotated
from cohortium.data.extras import imported
from cohortium.data.files import open_text
from cohortium.data.gathering import Growing
from cohortium.data.genotypes import OTHER_ALLELES, genotype_cohort, of_bases
from cohortium.data.values import BLOCK_ELEMENTS
from cohortium.data.wording import counted, examples, repeated, said, shown
from cohortium.errors import DataFileError, DataValueError, FeatureError

MAGIC = b"l\x1b\x01"
"""How a .bed file begins that goes variant by variant."""

_OF_SAMPLES = ("family", "individual", "father", "mother", "sex", "phenotype")
_OF_VARIANTS = ("chromosome", "name", "centimorgans", "position", "allele 1", "allele 2")


def read_plink(path: Path) -> Annotated:
    """Return the genotypes of a .bed file, with the .bim and .fam beside it.

    Samples are named by their individual id, or family:individual where that is not unique;
    columns are "family", "sex" (1, 2) and "phenotype". Raises DataFileError where one of the
    three is missing or damaged, FeatureError where no variant has two alleles of A, C, G and T;
    DataValueError where a line has other fields; single variants of other alleles are left out, and
    counted in the cohort's notes, as those without a position.
    """
    bed_reader = imported("bed_reader", "plink", path.name)
    with path.open("rb") as file:
        plain = file.read(len(MAGIC)) == MAGIC
    if path.suffix != ".bed" or not plain:
        raise DataFileError(
            f"{path.name} is a PLINK .bed file with another name, or compressed.",
            remedy="Unpack it (gunzip), and name it .bed, beside its .bim and .fam.",
        )
    for other in (path.with_suffix(".bim"), path.with_suffix(".fam")):
        if not other.is_file():
            packed = other.with_name(other.name + ".gz")
            raise DataFileError(
                f"{path.name} needs {other.name} beside it, and there is none.",
                remedy=f"Unpack {packed.name} (gunzip)."
                if packed.is_file()
                else "Copy all three files of the set: .bed, .bim and .fam.",
            )
    people = list(_fields(path.with_suffix(".fam"), _OF_SAMPLES))
    names, used, notes, listed = _plink_names(path.with_suffix(".bim"))
    size, needed = path.stat().st_size, len(MAGIC) + listed * -(-len(people) // 4)
    if size != needed:
        raise DataFileError(
            f"{path.name} has {size:,} bytes, but {counted(len(people), 'sample')} and "
            f"{counted(listed, 'variant')}, as its .fam and .bim have them, take {needed:,}.",
            remedy="It is cut off, or the three files are not of one set: copy all of them again.",
        )
    _refuse_further_samples(path, len(people))
    calls = Growing(len(people), np.int8, path.name)
    try:
        # Of its .fam and .bim it would make text as wide as their longest allele.
        with bed_reader.open_bed(path, iid_count=len(people), sid_count=listed) as bed:
            at_once = max(1, BLOCK_ELEMENTS // max(1, len(people)))
            for start in range(0, len(used), at_once):
                some = np.array(used[start : start + at_once])
                calls.append(bed.read(index=np.s_[:, some], dtype="int8").T)
    except DataFileError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library thinks of a damaged file
        raise DataFileError(
            f"{path.name} can not be read as a PLINK set{said(error)}.",
            remedy="It is damaged: copy or download it again, and the files beside it.",
        ) from None
    samples = [person[1] for person in people]
    if repeated(samples):
        samples = [":".join(person[:2]) for person in people]
    columns = {
        "family": [person[0] for person in people],
        "sex": [person[4] if person[4] in ("1", "2") else "" for person in people],
        "phenotype": ["" if person[5] in ("-9", "0") else person[5] for person in people],
    }
    return Annotated(genotype_cohort(path, calls.whole(), samples, names, notes), columns)


def _refuse_further_samples(path: Path, samples: int) -> None:
    """Raise DataFileError where the bits after the last sample of a variant are not empty.

    A .fam that lost a line or three takes as many bytes; all who follow would have the genotypes
    of others.
    """
    width = -(-samples // 4)
    within = 4 ** (samples - 4 * (width - 1)) - 1
    with path.open("rb") as file:
        file.seek(len(MAGIC))
        while block := file.read(width * max(1, BLOCK_ELEMENTS // width)):
            if (np.frombuffer(block, np.uint8)[width - 1 :: width] > within).any():
                raise DataFileError(
                    f"{path.name} has genotypes of more samples than {path.stem}.fam, which has "
                    f"{samples:,}.",
                    remedy="Lines are missing in the .fam: copy all three files of the set again.",
                )


def _fields(path: Path, fields: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the fields of each line of a .bim or .fam."""
    for line, text in enumerate(open_text(path).lines(), 1):
        cells = text.split()
        if len(cells) != len(fields):
            raise DataValueError(
                f"{path.name}, line {line} has {counted(len(cells), 'field')}, not "
                f"{len(fields)}: {', '.join(fields)}.",
                remedy="Correct the line, or export the set again.",
            )
        yield cells


def _plink_names(path: Path) -> tuple[list[str], list[int], list[str], int]:
    """Return the names of the variants to be used, their places, notes, and how many there are."""
    names: list[str] = []
    identifiers: list[str] = []
    placed: list[int] = []
    known: list[int] = []
    for place, cells in enumerate(_fields(path, _OF_VARIANTS)):
        chromosome, identifier, _, position, alt, ref = cells
        identifiers.append(identifier)
        try:
            where = int(position)
        except ValueError:
            raise DataValueError(
                f"{path.name}, line {place + 1}: the position {shown(position)} is no whole "
                "number.",
                remedy="Correct the line, or export the set again.",
            ) from None
        if not of_bases(ref, alt):
            continue
        known.append(place)
        if where > 0:
            placed.append(place)
            names.append(f"{chromosome}:{where}:{ref}:{alt}".upper())
    if not known:
        raise FeatureError(
            f"{path.name}: of {counted(len(identifiers), 'variant')} none has two "
            f"alleles of A, C, G and T: {examples(identifiers)}.",
            remedy="Use a set with alleles.",
        )
    if not placed:
        # Without positions the identifiers are all there is.
        names = [identifiers[place] for place in known]
    used = placed or known
    notes = [
        f"{counted(number, 'variant')} left out: {why}"
        for number, why in (
            (len(identifiers) - len(known), OTHER_ALLELES),
            (len(known) - len(used), "without a position"),
        )
        if number
    ]
    return names, used, notes, len(identifiers)
