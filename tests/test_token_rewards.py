"""Step scores on tokens: exact for any tokenizer, and for tokens that no tokenizer would have chosen."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from loadtests.scripted_worker import byte_tokenizer
from stepreward.adapters.token_rewards import token_rewards
from stepreward.splitting import Splitter

SCORES = st.floats(0, 1, allow_nan=False)
TEXTS = st.text(
    st.one_of(st.sampled_from("ab .\n=1é😀ки"), st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")),
    min_size=1,
    max_size=60,
)


class Bytes:
    """A tokenizer whose tokens are runs of bytes, cut anywhere: within a character too."""

    def __init__(self, pieces: Sequence[bytes], special: frozenset[int] = frozenset()) -> None:
        self.pieces = pieces
        self._special = special

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        kept = [one for one in token_ids if not (skip_special_tokens and one in self._special)]
        return b"".join(self.pieces[one] for one in kept).decode(errors="replace")


@st.composite
def tokenized(draw: st.DrawFn) -> tuple[str, Bytes, list[int], list[tuple[int, int]]]:
    """A text, its bytes cut into tokens at random, and the text cut into steps at random."""
    text = draw(TEXTS)
    raw = text.encode()
    cuts = draw(st.sets(st.integers(1, max(1, len(raw) - 1))))
    places = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    pieces = [raw[begin:end] for begin, end in pairwise(places)]
    ends = sorted(draw(st.sets(st.integers(1, len(text)))) | {len(text)})
    spans = list(zip([0, *ends], ends, strict=False))
    return text, Bytes(pieces), list(range(len(pieces))), spans


@given(tokenized(), st.data())
def test_a_score_stands_on_the_token_that_holds_the_last_byte_of_its_step(case, data):
    text, tokenizer, ids, spans = case
    scores = data.draw(st.lists(SCORES, min_size=len(spans), max_size=len(spans)))
    byte_ends = list(accumulate(map(len, tokenizer.pieces)))
    expected = [0.0] * len(ids)
    for (_, end), score in zip(spans, scores, strict=True):
        last_byte = len(text[:end].encode())
        expected[next(index for index, place in enumerate(byte_ends) if place >= last_byte)] += score
    assert token_rewards(ids, tokenizer, spans, scores) == expected


@given(tokenized(), st.data())
def test_there_is_one_reward_a_token_and_their_sum_is_that_of_the_scores(case, data):
    _, tokenizer, ids, spans = case
    scores = data.draw(st.lists(SCORES, min_size=len(spans), max_size=len(spans)))
    rewards = token_rewards(ids, tokenizer, spans, scores)
    assert len(rewards) == len(ids)
    assert sum(rewards) == pytest.approx(sum(scores))


@given(TEXTS.filter(str.strip))
def test_the_spans_of_a_splitter_and_a_real_byte_tokenizer_agree(text):
    ids = list(byte_tokenizer()._encode_untrusted(text))
    tokenizer = byte_tokenizer()._tokenizer
    spans = [(piece.begin, piece.end) for piece in Splitter.of("sentence").split(text, 99)]
    rewards = token_rewards(ids, tokenizer, spans, [1.0] * len(spans))
    places = [index for index, reward in enumerate(rewards) if reward]
    for (_, end), place in zip(spans, places, strict=True):
        assert tokenizer.decode(ids[: place + 1]).startswith(text[:end])
        assert not tokenizer.decode(ids[:place]).startswith(text[:end])


def _sentencepiece() -> PreTrainedTokenizerFast:
    """As Llama's: a mark for spaces, single bytes for what has no token, a first space that is not shown."""
    words = ["<unk>", "</s>", "\u2581She", "\u2581has", "\u25812", ".", "\u2581Then", "\u2581", "\n"]
    vocabulary = {word: number for number, word in enumerate([*words, *(f"<0x{byte:02X}>" for byte in range(256))])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")


def test_bytes_that_make_one_character_and_a_hidden_first_space_are_counted_right():
    tokenizer = _sentencepiece()
    smile = [tokenizer.convert_tokens_to_ids(f"<0x{byte:02X}>") for byte in "😀".encode()]
    names = ["\u2581She", "\u2581has", "\u25812", "."]
    ids = [*tokenizer.convert_tokens_to_ids(names), *smile, tokenizer.convert_tokens_to_ids("\u2581Then"), 1]
    text = "She has 2.😀 Then"
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    # The last two steps end in the token that has the space before "Then".
    rewards = token_rewards(ids, tokenizer, [(0, 10), (10, 12), (12, 16)], [0.5, 0.25, 1.0])
    assert rewards == [0, 0, 0, 0.5, 0, 0, 0, 0, 1.25, 0]


def test_special_tokens_get_nothing():
    tokenizer = Bytes([b"<s>", b"ab", b"</s>"], frozenset({0, 2}))
    assert token_rewards([0, 1, 2], tokenizer, [(0, 1), (1, 2)], [0.25, 0.5]) == [0, 0.75, 0]


def test_no_steps_are_no_rewards():
    assert token_rewards([0, 0], Bytes([b"a"]), [], []) == [0, 0]
    assert token_rewards([], Bytes([]), [], []) == []


@pytest.mark.parametrize("spans", [[(0, 1)], [(0, 3)]])
def test_spans_of_another_text_are_refused(spans):
    with pytest.raises(ValueError, match="of another text"):
        token_rewards([0, 0], Bytes([b"a"]), spans, [1.0])


def test_a_score_too_many_is_refused():
    with pytest.raises(ValueError, match="longer"):
        token_rewards([0], Bytes([b"a"]), [(0, 1)], [1.0, 1.0])
