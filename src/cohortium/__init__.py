"""Train one model on the genomic data that several sites hold; nobody sees another's records."""

__version__ = "0.1.0"
