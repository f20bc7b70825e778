"""Where tests keep what is slow to make."""

from pathlib import Path

# Beside the one of `make serve`, which may be running.
DATA_DIR = Path(__file__).parents[1] / ".stepreward" / "test"
