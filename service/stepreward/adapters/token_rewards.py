"""Step scores on the tokens of a response."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol


class Decoder(Protocol):
    """What is asked of a tokenizer; those of transformers have it."""

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        """The text of these tokens."""


def token_rewards(
    response_ids: Sequence[int],
    tokenizer: Decoder,
    step_spans: Sequence[tuple[int, int]],
    step_scores: Sequence[float],
    *,
    skip_special_tokens: bool = True,
) -> list[float]:
    """A reward for each of the T tokens: a step's score on its last token, 0 on all others.

    `step_spans` are the spans of the text that the tokens decode to. A step's last token is the one with which its text
    is complete: the last of the shortest run of tokens, from the first, whose text begins as the response does up to
    the step's end. No offsets are needed, so that it holds for any tokenizer, and for tokens that no tokenizer would
    have chosen. Where two steps end within one token, it has the sum.
    Raises ValueError for spans of another text.
    """
    ids = list(response_ids)

    def text(count: int) -> str:
        return tokenizer.decode(
            ids[:count], skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=False
        )

    response = text(len(ids))
    if step_spans and step_spans[-1][1] != len(response):
        raise ValueError(
            f"the spans end at {step_spans[-1][1]}, the text of the tokens has {len(response)} characters: "
            "they are of another text, or special tokens were treated otherwise"
        )
    rewards = [0.0] * len(ids)
    done = 0
    for (_, end), score in zip(step_spans, step_scores, strict=True):
        begins = response[:end]
        while_open = bisect_left(range(max(done, 1), len(ids)), True, key=lambda count: text(count).startswith(begins))
        done = max(done, 1) + while_open
        rewards[done - 1] += score
    return rewards
