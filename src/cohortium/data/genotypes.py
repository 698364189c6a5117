"""Genotypes: PLINK 1 (bed, bim, fam) and VCF or BCF, as dosages of the alternative allele.

A variant's name is chromosome:position:ref:alt, its value how many of a sample's two alleles are
alt: 0, 1, 2, between them for imputed dosages, NaN where missing. In PLINK's files alt is allele 1.
Calls are kept as they are stored, a byte each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.annotated import Annotated
from cohortium.data.builds import header_note
from cohortium.data.cohort import Cohort
from cohortium.data.extras import imported
from cohortium.data.values import MISSING_CALL, Stored, Variants
from cohortium.data.wording import counted, examples, repeated
from cohortium.errors import DataFileError, DataValueError, FeatureError

_ALLELES = frozenset("ACGT")
_OTHER_ALLELES = "alleles other than of A, C, G and T"
# What cyvcf2 has for a call with a missing allele.
_UNKNOWN = 3
_MOST_DOSAGE = 2.0
_MOST_SAID = 120


def read_plink(path: Path) -> Annotated:
    """Return the genotypes of a .bed file, with the .bim and .fam beside it.

    Samples are named by their individual id, or family:individual where that is not unique;
    columns are "family", "sex" (1, 2) and "phenotype". Raises DataFileError where one of the
    three is missing or damaged, FeatureError where no variant has two alleles of A, C, G and T;
    single ones are left out, and counted in the cohort's notes, as those without a position.
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
    try:
        with bed_reader.open_bed(path) as bed:
            variants = bed.read(dtype="int8").T
            names, used, notes = _plink_names(bed, path)
            families, people = list(bed.fid), list(bed.iid)
            columns = {
                "family": [str(each) for each in families],
                "sex": ["" if each == 0 else str(each) for each in bed.sex],
                "phenotype": ["" if each in ("-9", "0") else str(each) for each in bed.pheno],
            }
    except (FeatureError, DataValueError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library thinks of a damaged file
        raise _damaged(path, "a PLINK set", error) from None
    samples = [str(each) for each in people]
    if repeated(samples):
        samples = [f"{one}:{other}" for one, other in zip(families, people, strict=True)]
    if len(variants) > len(used):
        variants = variants[used]
    return Annotated(_cohort(path, variants, samples, names, notes), columns)


def _plink_names(bed: Any, path: Path) -> tuple[list[str], list[int], list[str]]:
    """Return the names of the variants to be used, their places in the file, and notes."""
    parts = list(zip(bed.chromosome, bed.bp_position, bed.allele_2, bed.allele_1, strict=True))
    known = [
        place
        for place, (_, _, ref, alt) in enumerate(parts)
        if _ALLELES.issuperset(ref.upper()) and _ALLELES.issuperset(alt.upper())
    ]
    if not known:
        raise FeatureError(
            f"{path.with_suffix('.bim').name}: of {counted(len(parts), 'variant')} none has two "
            f"alleles of A, C, G and T: {examples([str(name) for name in bed.sid])}.",
            remedy="Use a set with alleles.",
        )
    placed = [place for place in known if parts[place][1] != 0]
    # Without positions the identifiers are all there is.
    used = placed or known
    names = [
        ":".join(map(str, parts[place])).upper() if placed else str(bed.sid[place])
        for place in used
    ]
    notes = [
        f"{counted(number, 'variant')} left out: {why}"
        for number, why in (
            (len(parts) - len(known), _OTHER_ALLELES),
            (len(known) - len(used), "without a position"),
        )
        if number
    ]
    return names, used, notes


def read_vcf(path: Path) -> Annotated:
    """Return the genotypes of a VCF or BCF file, compressed or not: calls, or dosages (DS).

    Calls are taken where there are any, one with a missing allele as missing. Variants with several
    alternative alleles, or with others than of A, C, G and T, are left out, and counted in the
    cohort's notes, which also tell what the header says of the genome build. Raises DataFileError
    where the file can not be read, DataValueError where it has neither calls nor dosages.
    """
    cyvcf2 = imported("cyvcf2", "vcf", path.name)
    names: list[str] = []
    rows: list[Variants] = []
    several = other = 0
    try:
        reader = cyvcf2.VCF(str(path), gts012=True, strict_gt=True)
        samples = tuple(reader.samples)
        header = reader.raw_header
        for variant in reader:
            if len(variant.ALT) > 1:
                several += 1
                continue
            alt = variant.ALT[0] if variant.ALT else ""
            if not alt or not _ALLELES.issuperset((variant.REF + alt).upper()):
                other += 1
                continue
            names.append(f"{variant.CHROM}:{variant.POS}:{variant.REF}:{alt}")
            rows.append(_dosages(variant, path.name))
    except DataValueError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library thinks of a damaged file
        raise _damaged(path, "a VCF or BCF file", error) from None
    notes = [
        f"{counted(number, 'variant')} left out: {why}"
        for number, why in (
            (several, "several alternative alleles (split them: bcftools norm -m-)"),
            (other, _OTHER_ALLELES),
        )
        if number
    ]
    told = header_note(header, names)
    return Annotated(_cohort(path, _together(rows), samples, names, notes, told))


def _together(rows: list[Variants]) -> Variants:
    """Return all variants: calls, or, where any has dosages only, all as dosages."""
    if all(row.dtype == np.int8 for row in rows):
        return np.array(rows, dtype=np.int8)
    variants = np.empty((len(rows), len(rows[0])), np.float32)
    for place, row in enumerate(rows):
        missing = row == MISSING_CALL if row.dtype == np.int8 else np.isnan(row)
        variants[place] = np.where(missing, np.nan, row)
    return variants


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
    variants: Variants,
    samples: Sequence[str],
    names: Sequence[str],
    notes: list[str],
    *told: str,
) -> Cohort:
    """Return the cohort without variants that are there twice: which one is meant is not known."""
    twice = repeated(names)
    if twice:
        places = {place for each in twice.values() for place in each}
        kept = [place for place in range(len(names)) if place not in places]
        variants, names = variants[kept], [names[place] for place in kept]
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
    values = Stored(variants)
    return Cohort(values, tuple(samples), tuple(names), source=path.name, notes=(*notes, *told))


def _damaged(path: Path, what: str, error: Exception) -> DataFileError:
    said = " ".join(str(error).split())[:_MOST_SAID]
    return DataFileError(
        f"{path.name} can not be read as {what} ({said or type(error).__name__}).",
        remedy="It is damaged or cut off: copy or download it again, and the files beside it.",
    )
