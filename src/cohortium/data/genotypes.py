"""Genotypes: PLINK 1 (bed, bim, fam) and VCF or BCF, as dosages of the alternative allele.

A variant's name is chromosome:position:ref:alt, its value how many of a sample's two alleles are
alt: 0, 1, 2, between them for imputed dosages, NaN where missing. In PLINK's files alt is allele 1.
Calls are kept as they are stored, a byte each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.annotated import Annotated
from cohortium.data.builds import header_build, header_note
from cohortium.data.cohort import Cohort
from cohortium.data.extras import imported
from cohortium.data.files import open_text
from cohortium.data.gathering import Filed, Growing
from cohortium.data.values import (
    BLOCK_ELEMENTS,
    MISSING_CALL,
    Selected,
    Stored,
    Values,
    Variants,
    in_blocks,
)
from cohortium.data.wording import counted, examples, repeated, shown
from cohortium.errors import DataFileError, DataValueError, FeatureError

_ALLELES = frozenset("ACGT")
_OTHER_ALLELES = "alleles other than of A, C, G and T"
# What cyvcf2 has for a call with a missing allele.
_UNKNOWN = 3
_MOST_DOSAGE = 2.0
_MOST_SAID = 120
_PLINK_MAGIC = b"l\x1b\x01"
_OF_SAMPLES = ("family", "individual", "father", "mother", "sex", "phenotype")
_OF_VARIANTS = ("chromosome", "name", "centimorgans", "position", "allele 1", "allele 2")
# The empty block that ends a file (SAM/BAM format specification, section 4.1.2).
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def read_plink(path: Path) -> Annotated:
    """Return the genotypes of a .bed file, with the .bim and .fam beside it.

    Samples are named by their individual id, or family:individual where that is not unique;
    columns are "family", "sex" (1, 2) and "phenotype". Raises DataFileError where one of the
    three is missing or damaged, FeatureError where no variant has two alleles of A, C, G and T;
    DataValueError where a line has other fields; single variants of other alleles are left out, and
    counted in the cohort's notes, as those without a position.
    """
    bed_reader = imported("bed_reader", "plink", path.name)
    if path.suffix != ".bed":
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
    size, needed = path.stat().st_size, len(_PLINK_MAGIC) + listed * -(-len(people) // 4)
    if size != needed:
        raise DataFileError(
            f"{path.name} has {size:,} bytes, but {counted(len(people), 'sample')} and "
            f"{counted(listed, 'variant')}, as its .fam and .bim have them, take {needed:,}.",
            remedy="It is cut off, or the three files are not of one set: copy all of them again.",
        )
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
        said = " ".join(str(error).split())[:_MOST_SAID]
        raise DataFileError(
            f"{path.name} can not be read as a PLINK set ({said or type(error).__name__}).",
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
    return Annotated(_cohort(path, calls.whole(), samples, names, notes), columns)


def _fields(path: Path, fields: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the fields of each line of a .bim or .fam; of none if it is empty."""
    if not path.stat().st_size:
        return
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
        if not _ALLELES.issuperset((ref + alt).upper()):
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
            (len(identifiers) - len(known), _OTHER_ALLELES),
            (len(known) - len(used), "without a position"),
        )
        if number
    ]
    return names, used, notes, len(identifiers)


def read_vcf(path: Path) -> Annotated:
    """Return the genotypes of a VCF or BCF file, compressed or not: calls, or dosages (DS).

    Calls are taken where there are any, one with a missing allele as missing. Variants with several
    alternative alleles, or with others than of A, C, G and T, are left out, and counted in the
    cohort's notes, which also tell what the header says of the genome build. Raises DataFileError
    where the file can not be read, DataValueError where it has neither calls nor dosages.
    """
    cyvcf2 = imported("cyvcf2", "vcf", path.name)
    _refuse_cut_off(path)
    # htslib would say things of its own, in the middle of a progress bar.
    cyvcf2.cyvcf2.set_htslib_log_level(0)
    names: list[str] = []
    several = other = 0
    place = "in its header"
    try:
        reader = cyvcf2.VCF(str(path), gts012=True, strict_gt=True)
        samples = tuple(reader.samples)
        header = reader.raw_header
        rows = Growing(len(samples), np.int8, path.name)
        place = "before its first variant"
        for variant in reader:
            place = f"after variant {variant.CHROM}:{variant.POS}"
            if len(variant.ALT) > 1:
                several += 1
                continue
            alt = variant.ALT[0] if variant.ALT else ""
            if not alt or not _ALLELES.issuperset((variant.REF + alt).upper()):
                other += 1
                continue
            names.append(f"{variant.CHROM}:{variant.POS}:{variant.REF}:{alt}")
            rows = _with(rows, _dosages(variant, path.name))
    except (DataFileError, DataValueError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library thinks of a damaged file
        raise DataFileError(
            f"{path.name} can not be read as a VCF or BCF file: it breaks off or is damaged "
            f"{place} ({type(error).__name__}).",
            remedy="Copy or download it again; bcftools view names the faulty line.",
        ) from None
    notes = [
        f"{counted(number, 'variant')} left out: {why}"
        for number, why in (
            (several, "several alternative alleles (split them: bcftools norm -m-)"),
            (other, _OTHER_ALLELES),
        )
        if number
    ]
    told = header_note(header, names)
    cohort = _cohort(path, rows.whole(), samples, names, notes, told)
    return Annotated(replace(cohort, build=header_build(header)))


def _refuse_cut_off(path: Path) -> None:
    """Raise DataFileError where a file of bgzip's blocks lacks the last one, which is empty.

    Between two blocks the library takes the end of the file for the end of the data.
    """
    with path.open("rb") as file:
        begins = file.read(len(_BGZIP_END))
        file.seek(-min(len(_BGZIP_END), path.stat().st_size), os.SEEK_END)
        ends = file.read()
    if begins[:4] == _BGZIP_END[:4] and begins[12:14] == b"BC" and ends != _BGZIP_END:
        raise DataFileError(
            f"{path.name} does not end as bgzip ends a file: it is cut off.",
            remedy="Copy or download it again.",
        )


def _with(rows: Growing, row: Variants) -> Growing:
    """Return the variants with one more; all become dosages where one has no calls."""
    if row.dtype == np.float32 and rows.dtype == np.int8:
        calls = Stored(rows.whole())
        rows = Growing(rows.samples, np.float32, rows.source)
        for _, block in in_blocks(calls):
            rows.append(block.T)
    elif row.dtype != rows.dtype:
        row = np.where(row == MISSING_CALL, np.float32(np.nan), row)
    rows.append(row[np.newaxis])
    return rows


def _dosages(variant: Any, source: str) -> Variants:
    if "GT" in variant.FORMAT:
        calls: npt.NDArray[np.int8] = variant.gt_types.astype(np.int8)
        calls[calls == _UNKNOWN] = MISSING_CALL
        return calls
    found = variant.format("DS") if "DS" in variant.FORMAT else None
    where = f"{source}, variant {variant.CHROM}:{variant.POS}"
    if found is None:
        raise DataValueError(
            f"{where} has neither calls (GT) nor dosages (DS).",
            remedy="Use a file with genotypes of the samples.",
        )
    dosages = np.asarray(found[:, 0], dtype=np.float32)
    if (dosages < 0).any() or (dosages > _MOST_DOSAGE).any():
        raise DataValueError(
            f"{where} has a dosage outside 0 to 2.", remedy="Correct the file's DS."
        )
    return dosages


def _cohort(
    path: Path,
    variants: Variants | Filed,
    samples: Sequence[str],
    names: Sequence[str],
    notes: list[str],
    *told: str,
) -> Cohort:
    """Return the cohort without variants that are there twice: which one is meant is not known."""
    values: Values = Stored(variants)
    if twice := repeated(names):
        places = {place for each in twice.values() for place in each}
        kept = [place for place in range(len(names)) if place not in places]
        values = Selected(values, features=np.array(kept, np.intp))
        names = [names[place] for place in kept]
        notes.append(
            f"{counted(len(places), 'variant')} left out: there more than once "
            f"({examples(list(twice))})"
        )
    if not samples or not names:
        left_out = f" ({'; '.join(notes)})" if notes else ""
        raise DataFileError(
            f"{path.name} has {counted(len(samples), 'sample')} and "
            f"{counted(len(names), 'variant')} to train on{left_out}.",
            remedy="Check that it was copied completely, and that it holds genotypes.",
        )
    return Cohort(values, tuple(samples), tuple(names), source=path.name, notes=(*notes, *told))
