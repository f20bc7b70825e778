"""Which questions of the corpus are the target question over again, and would give its answer away.

Equal after normalisation, or so near that they say the same. Questions that differ in one number only may be that
near too: what counts is a cosine, not a proof.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from stepreward.retrieval.store import Hit

# Signs that mean something stay: operators, "!" of a factorial, "'" of a derivative, and "." "," ":" before a digit.
_MARKUP = re.compile(r"\\?\$|\\[()\[\]]")
_PUNCTUATION = re.compile(r'[.,;:?](?!\d)|["“”„«»]')
_SPACE = re.compile(r"(?<!\d)\s+|\s+(?!\d)")


@dataclass(frozen=True)
class Near:
    """The questions near a target question, nearest first; `duplicates` of it, which are left out of `hits`."""

    hits: Sequence[Hit]
    duplicates: Sequence[Hit]


def normalised(question: str) -> str:
    """Without case, LaTeX's marks of a formula, punctuation, and white space other than between two digits."""
    plain = _MARKUP.sub(" ", unicodedata.normalize("NFC", question).casefold())
    return _SPACE.sub("", _PUNCTUATION.sub(" ", plain).strip())


def without_duplicates(question: str, hits: Sequence[Hit], similarity: float) -> Near:
    """Part the hits; `similarity` is the cosine from which on a question is taken for `question` itself."""
    target = normalised(question)
    again = [hit.similarity >= similarity or normalised(str(hit.payload["question"])) == target for hit in hits]
    return Near(
        hits=[hit for hit, is_duplicate in zip(hits, again, strict=True) if not is_duplicate],
        duplicates=[hit for hit, is_duplicate in zip(hits, again, strict=True) if is_duplicate],
    )
