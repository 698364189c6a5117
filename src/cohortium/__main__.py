"""Run the command line as ``python -m cohortium``."""

from cohortium.cli import main

main()
