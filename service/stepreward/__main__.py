"""`python -m stepreward`."""

from stepreward.cli import main

main()
