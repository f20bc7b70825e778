"""Steps without content: what a judge may pass although there is nothing to judge in it ("master keys").

A step carries content if it holds one of
1. a digit, beside the number of the step itself ("Step 3:", "2. …");
2. an operator between two operands, as in `a = b`;
3. a word or a variable that is not in openers.txt: the fixed words of headings, announcements and joints.
So white space, punctuation, symbols and emoji alone carry none, nor does "Let's solve this problem step by step.",
while "No.", "x", "It is prime" do. A step that carries content may still be wrong, empty talk or beside the point;
one without may be in its place, as a heading is. The score says nothing of it.

Not covered: languages that openers.txt does not name, and letters that only look like those of another script: such
words count as content. Case, accents and width do not matter. Source of the attack: arXiv 2507.08794.
"""

import re
import unicodedata
from pathlib import Path

_NUMBER_OF_STEP = re.compile(
    r"(?:\b(?:step|part|schritt|paso|passo|etapa|étape|etape|шаг)|第|ステップ|단계|चरण|الخطوة)[^\S\n]*\d+"
    r"|^[^\w\n]{0,8}\d+[.):](?=\s*[^\W\d])",
    re.IGNORECASE | re.MULTILINE,
)
_EQUATION = re.compile(r"\w[ \t]*[=≤≥≠≈+\u00d7÷^\u2212][ \t]*\w")
# The first letter of a sentence may be an article; one that follows a word is a variable.
_VARIABLE = re.compile(r"(?<=[^\W\d_] )A\b")
_SHORTENED = re.compile(r"\b[cdjlmnst]['\u2019]|['\u2019](?:s|ll|re|ve|m|d)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
# Scripts that put no space between words: there, openers are taken out of a run of letters, the longest first.
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")


def _folded(text: str) -> str:
    """Without case, width, marks (accents, vowel signs) and what shows nothing."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    if decomposed.isascii():
        return decomposed
    return "".join(char for char in decomposed if unicodedata.category(char) not in {"Mn", "Mc", "Me", "Cf"})


def _openers() -> frozenset[str]:
    lines = Path(__file__).with_name("openers.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in _folded(line).split())


_OPENERS = _openers()
_UNSPACED_OPENERS = re.compile("|".join(sorted(filter(_UNSPACED.match, _OPENERS), key=len, reverse=True)))


def content_free(step: str) -> bool:
    """Whether a step carries no content in the sense above. Takes time linear in its length."""
    text = _SHORTENED.sub(" ", _NUMBER_OF_STEP.sub(" ", step))
    if any(char.isnumeric() and not char.isalpha() for char in text):
        return False
    if _EQUATION.search(text) or _VARIABLE.search(text):
        return False
    return all(_is_opener(word) for word in _WORD.findall(_folded(text)))


def _is_opener(word: str) -> bool:
    if word in _OPENERS:
        return True
    return bool(_UNSPACED.match(word)) and not _UNSPACED_OPENERS.sub("", word)
