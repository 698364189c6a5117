"""Reads a file of each format in a process of its own, and prints the memory that it takes.

Measurements are made up: normal, to three decimals; genotypes are of 0, 1 and 2. The process reads
a tiny file first, so that its libraries are there; then memory is what is added at most while the
file is read and all its values are gone through once, block by block. The table as float64 takes 8
bytes a value.

    python benchmarks/reading.py                                  # the table of docs/formats.md
    python benchmarks/reading.py --samples 1000 --features 100000 # beyond what memory holds
    python benchmarks/reading.py --samples 20 --features 300 --formats csv,vcf
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import zstandard

ROWS_AT_ONCE = 20
VCF = (
    '##fileformat=VCFv4.2\n##contig=<ID=1>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="">\n'
)
FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
CALLS = np.array(["0/0", "0/1", "1/1"], dtype=object)
BED_MAGIC = b"\x6c\x1b\x01"


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--samples", type=int, default=400)
    arguments.add_argument("--features", type=int, default=50_000)
    arguments.add_argument("--formats", default=",".join(WRITERS))
    arguments.add_argument("--read", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.read is not None:
        read(*map(Path, options.read))
        return
    values = options.samples * options.features
    print(
        f"{options.samples:,} samples × {options.features:,} features: {values * 8 / 1e6:,.0f} MB"
    )
    print("format         file MB   memory MB   bytes a value   seconds", flush=True)
    for kind in options.formats.split(","):
        with tempfile.TemporaryDirectory() as home:
            tiny, full = Path(home) / "tiny", Path(home) / "full"
            for folder, size in ((tiny, (4, 30)), (full, (options.samples, options.features))):
                folder.mkdir()
                WRITERS[kind](folder / f"x.{kind}", *size)
            command = [sys.executable, __file__, "--read"]
            files = [str(folder / f"x.{kind}") for folder in (tiny, full)]
            ended = subprocess.run(
                [*command, *files], stdout=subprocess.PIPE, text=True, check=True
            )
            memory, seconds = map(float, ended.stdout.split())
            size = (full / f"x.{kind}").stat().st_size
        print(
            f"{kind:<14} {size / 1e6:>7.1f} {memory / 1e6:>11.1f} {memory / values:>15.2f} "
            f"{seconds:>9.1f}",
            flush=True,
        )


def read(tiny: Path, full: Path) -> None:
    """Print the most memory that was added while the full file was read, and the seconds."""
    go_through(tiny)
    # From here on the peak is counted anew.
    Path("/proc/self/clear_refs").write_text("5")
    before, began = memory("VmRSS"), time.perf_counter()
    go_through(full)
    print(memory("VmHWM") - before, time.perf_counter() - began)


def go_through(path: Path) -> None:
    """Read a file and make all of its values, a block at a time."""
    from cohortium.data import read_cohort
    from cohortium.data.values import in_blocks

    turned = path.name.startswith(("x.genes", "x.gct", "x.series"))
    cohort = read_cohort(path, orientation="genes_in_rows" if turned else "samples_in_rows")
    for _, block in in_blocks(cohort.values):
        np.isnan(block).sum()


def memory(what: str) -> int:
    """Return a line of the process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(what)).split()[1])


def measurements(rows: int, width: int) -> Iterator[np.ndarray]:
    """Yield made-up measurements, some rows at a time."""
    random = np.random.default_rng(8)
    for start in range(0, rows, ROWS_AT_ONCE):
        yield np.round(random.normal(8, 2, (min(ROWS_AT_ONCE, rows - start), width)), 3)


def names(prefix: str, count: int) -> list[str]:
    """Return names that differ."""
    return [f"{prefix}{place}" for place in range(count)]


def lines(rows: list[str], columns: list[str], separator: str, second: str = "") -> Iterator[bytes]:
    """Yield the lines of a text table of measurements."""
    yield (separator.join(["id", *([second] if second else []), *columns]) + "\n").encode()
    start = 0
    for block in measurements(len(rows), len(columns)):
        frame = pl.DataFrame(block, schema=names("c", len(columns)), orient="row")
        begin = separator.join(["{}", *([second] if second else []), ""])
        text = frame.write_csv(include_header=False, separator=separator).splitlines()
        for name, line in zip(rows[start:], text, strict=False):
            yield (begin.format(name) + line + "\n").encode()
        start += len(block)


def write_csv(path: Path, samples: int, features: int) -> None:
    """Write a table with samples in rows, compressed as its name says."""
    with compressed(path) as write:
        for line in lines(names("s", samples), names("g", features), ","):
            write(line)


def write_genes(path: Path, samples: int, features: int) -> None:
    """Write a table with genes in rows."""
    with compressed(path) as write:
        for line in lines(names("g", features), names("s", samples), "\t"):
            write(line)


def write_gct(path: Path, samples: int, features: int) -> None:
    """Write a GCT table."""
    with compressed(path) as write:
        write(f"#1.2\n{features}\t{samples}\n".encode())
        for line in lines(names("g", features), names("s", samples), "\t", "about"):
            write(line)


def write_series(path: Path, samples: int, features: int) -> None:
    """Write a series matrix as GEO has it."""
    with compressed(path) as write:
        write(b'!Series_title\t"made up"\n!series_matrix_table_begin\n')
        for line in lines(
            [f'"{each}"' for each in names("g", features)], names("s", samples), "\t"
        ):
            write(line)
        write(b"!series_matrix_table_end\n")


class compressed:  # noqa: N801 - used as a function
    """Writes bytes into a file, by gzip or zstd where its name says so."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._to: gzip.GzipFile | zstandard.ZstdCompressionWriter | None = None
        if path.suffix == ".gz":
            self._to = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1)
        elif path.suffix == ".zst":
            self._to = zstandard.ZstdCompressor().stream_writer(self._file, closefd=False)

    def __enter__(self) -> Callable[[bytes], int]:
        return (self._to or self._file).write

    def __exit__(self, *_: object) -> None:
        if self._to is not None:
            self._to.close()
        self._file.close()


def whole(rows: int, width: int) -> np.ndarray:
    """Return all measurements in float32."""
    return np.concatenate([block.astype(np.float32) for block in measurements(rows, width)])


def write_parquet(path: Path, samples: int, features: int) -> None:
    """Write a Parquet table of float64."""
    frame = pl.DataFrame(whole(samples, features).astype(np.float64), schema=names("g", features))
    frame.insert_column(0, pl.Series("id", names("s", samples))).write_parquet(path)


def write_h5ad(path: Path, samples: int, features: int) -> None:
    """Write an AnnData file of float32; sparse, nine of ten values 0, as its name says."""
    import anndata
    import pandas as pd
    from scipy import sparse

    values = whole(samples, features)
    kind = path.name.split(".")[1]
    if kind != "dense":
        values[np.random.default_rng(1).random(values.shape, np.float32) < 0.9] = 0
        values = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[kind](values)
    obs, var = (pd.DataFrame(index=names(*each)) for each in (("s", samples), ("g", features)))
    anndata.AnnData(values, obs, var).write_h5ad(path)


def write_npz(path: Path, samples: int, features: int) -> None:
    """Write NumPy arrays of float32, compressed."""
    np.savez_compressed(
        path,
        values=whole(samples, features),
        samples=names("s", samples),
        features=names("g", features),
    )


def genotypes(samples: int, features: int) -> Iterator[np.ndarray]:
    """Yield made-up calls, a row for each variant."""
    random = np.random.default_rng(9)
    for _ in range(features):
        yield random.binomial(2, random.uniform(0.05, 0.5), samples)


def write_vcf(path: Path, samples: int, features: int) -> None:
    """Write a VCF file."""
    with compressed(path) as write:
        write((VCF + "\t".join([*FIXED, *names("s", samples)]) + "\n").encode())
        for place, calls in enumerate(genotypes(samples, features), 1):
            fixed = f"1\t{place}\t.\tA\tG\t.\t.\t.\tGT\t"
            write((fixed + "\t".join(CALLS[calls]) + "\n").encode())


def write_bcf(path: Path, samples: int, features: int) -> None:
    """Write a BCF file, by htslib."""
    import cyvcf2

    text = path.with_suffix(".vcf")
    write_vcf(text, samples, features)
    reader = cyvcf2.VCF(str(text))
    writer = cyvcf2.Writer(str(path), reader, "wb")
    for variant in reader:
        writer.write_record(variant)
    writer.close()
    text.unlink()


def write_bed(path: Path, samples: int, features: int) -> None:
    """Write a PLINK set."""
    path.with_suffix(".fam").write_text("".join(f"f s{i} 0 0 1 1\n" for i in range(samples)))
    path.with_suffix(".bim").write_text("".join(f"1 v{i} 0 {i + 1} A G\n" for i in range(features)))
    codes = np.array([0b11, 0b10, 0b00], np.uint8)
    with path.open("wb") as file:
        file.write(BED_MAGIC)
        for calls in genotypes(samples, features):
            quarters = np.pad(codes[calls], (0, -samples % 4)).reshape(-1, 4)
            file.write(np.bitwise_or.reduce(quarters << np.array([0, 2, 4, 6], np.uint8), axis=1))


WRITERS: dict[str, Callable[[Path, int, int], None]] = {
    "csv": write_csv,
    "csv.gz": write_csv,
    "csv.zst": write_csv,
    "genes.tsv.gz": write_genes,
    "gct": write_gct,
    "series.gz": write_series,
    "parquet": write_parquet,
    "dense.h5ad": write_h5ad,
    "csr.h5ad": write_h5ad,
    "csc.h5ad": write_h5ad,
    "npz": write_npz,
    "vcf.gz": write_vcf,
    "bcf": write_bcf,
    "bed": write_bed,
}

if __name__ == "__main__":
    main()
