"""The starter corpus: problems with worked solutions, right ones and ones with a known error.

The shipped file `corpus/data/starter.jsonl.gz` is made by `write_corpus(Path("starter.jsonl.gz"), count=4600, seed=20)`
with reasoning-gym 0.1.25.
"""

from stepreward.corpus.generate.check import check
from stepreward.corpus.generate.model import KINDS, Kind, Solution
from stepreward.corpus.generate.write import Summary, generate, write_corpus

__all__ = ["KINDS", "Kind", "Solution", "Summary", "check", "generate", "write_corpus"]
