"""VCF and BCF: dosages of the alternative allele, from calls (GT) or imputed ones (DS)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cohortium.data.annotated import Annotated
from cohortium.data.builds import header_build, header_note
from cohortium.data.extras import imported
from cohortium.data.gathering import Growing
from cohortium.data.genotypes import OTHER_ALLELES, genotype_cohort, of_bases
from cohortium.data.values import MISSING_CALL, Stored, Variants, in_blocks
from cohortium.data.wording import counted
from cohortium.errors import DataFileError, DataValueError

# What cyvcf2 has for a call with a missing allele.
_UNKNOWN = 3
_MOST_DOSAGE = 2.0
# The empty block that ends a file (SAM/BAM format specification, section 4.1.2).
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


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
            # An empty line counts as a variant without alleles, of which REF must not be asked.
            if not variant.ALT or not of_bases(variant.REF, variant.ALT[0]):
                other += 1
                continue
            names.append(f"{variant.CHROM}:{variant.POS}:{variant.REF}:{variant.ALT[0]}")
            rows = _with(rows, _dosages(variant, path.name))
    except (DataFileError, DataValueError):
        raise
    except Exception as error:
        raise DataFileError(
            f"{path.name} can not be read as a VCF or BCF file: it breaks off or is damaged "
            f"{place}.",
            remedy="Copy or download it again; bcftools view names the faulty line.",
        ) from error
    notes = [
        f"{counted(number, 'variant')} left out: {why}"
        for number, why in (
            (several, "several alternative alleles (split them: bcftools norm -m-)"),
            (other, OTHER_ALLELES),
        )
        if number
    ]
    told = header_note(header, names)
    cohort = genotype_cohort(path, rows.whole(), samples, names, notes, told)
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
    if found.shape[1] != 1:
        raise DataValueError(
            f"{where} has {found.shape[1]} dosages (DS) for a sample.",
            remedy="Give one a sample; write decimals with a point.",
        )
    dosages = np.asarray(found[:, 0], dtype=np.float32)
    if (dosages < 0).any() or (dosages > _MOST_DOSAGE).any():
        raise DataValueError(
            f"{where} has a dosage outside 0 to 2.", remedy="Correct the file's DS."
        )
    return dosages
