"""Token-safe composition: trusted template text and untrusted user text are tokenised apart.

Untrusted text goes through a tokenizer that knows no added tokens, so `<|im_end|>` in a step is a row of ordinary
tokens, and so is a token whose halves come from two fields, because ids are joined and never text. What still came
out as a reserved id (a vocabulary that spells one with ordinary pieces) is split until it does not.

Not covered: a tokenizer that puts a space before every text (Llama 2) puts one before every piece.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from tokenizers import Tokenizer as FastTokenizer

from stepreward.errors import ConfigurationError, InvalidRequest

_HOLE = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True)
class Untrusted:
    """Text that came from a user or from the corpus."""

    text: str


Segment = str | Untrusted


class Holes:
    """Stand-ins for untrusted text while a template is rendered.

    `hole(text)` gives a private-use mark to render in the text's place; `segments(rendered)` puts the texts back as
    `Untrusted`, so that no template engine and no chat template ever sees them.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []

    def hole(self, text: str) -> str:
        self._texts.append(text)
        return f"\ue000{len(self._texts) - 1}\ue001"

    def segments(self, rendered: str) -> list[Segment]:
        """Cut `rendered` at its marks. One space before a mark moves behind it: words are tokenised with theirs."""
        out: list[Segment] = []
        for position, part in enumerate(_HOLE.split(rendered)):
            if position % 2:
                space = isinstance(out[-1], str) and out[-1].endswith(" ")
                if space:
                    out[-1] = str(out[-1])[:-1]
                out.append(Untrusted((" " if space else "") + self._texts[int(part)]))
            else:
                out.append(part)
        return [segment for segment in out if segment != ""]


class PromptTokenizer:
    """The worker's tokenizer, twice: with its added tokens for trusted text, without any for untrusted text: the same
    vocabulary, merges and normaliser, but no added token is looked for.

    Texts are encoded once: a question stands in the prompts of all its steps, a template in all prompts.
    """

    def __init__(self, tokenizer: Any, cache_entries: int = 65_536) -> None:
        """`tokenizer` is a fast tokenizer of transformers. Raises ConfigurationError for a slow one."""
        if not getattr(tokenizer, "is_fast", False):
            raise ConfigurationError("STEPREWARD_MODEL: its tokenizer has no fast form (tokenizer.json)")
        self._tokenizer = tokenizer
        state = json.loads(tokenizer.backend_tokenizer.to_str())
        # Lengths from the model's training must not cut or fill a text here.
        state |= {"truncation": None, "padding": None}
        self._trusted = FastTokenizer.from_str(json.dumps(state))
        self._plain = FastTokenizer.from_str(json.dumps(state | {"added_tokens": [], "post_processor": None}))
        # A single character that someone added without calling it special, as Gemma does with the line end, is text.
        self.reserved = frozenset(
            token_id
            for token_id, token in self._trusted.get_added_tokens_decoder().items()
            if token.special or len(token.content) > 1
        )
        self.trusted = lru_cache(cache_entries)(self._encode_trusted)
        self.untrusted = lru_cache(cache_entries)(self._encode_untrusted)

    @classmethod
    def load(cls, model: str) -> "PromptTokenizer":
        """From a directory or a Hugging Face name. Raises ConfigurationError naming the setting."""
        from transformers import AutoTokenizer  # noqa: PLC0415  (seconds to import; tests of `Holes` do not need it)

        try:
            return cls(AutoTokenizer.from_pretrained(model))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"STEPREWARD_MODEL: no tokenizer at {model!r}: {reason}") from error

    def encode(self, segments: Iterable[Segment]) -> tuple[int, ...]:
        ids: list[int] = []
        for segment in segments:
            ids += self.untrusted(segment.text) if isinstance(segment, Untrusted) else self.trusted(segment)
        return tuple(ids)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._trusted.decode(list(token_ids), skip_special_tokens=False)

    def label(self, text: str) -> int:
        """The one token that `text` is. Raises ConfigurationError where it is several."""
        ids = self.trusted(text)
        if len(ids) != 1:
            raise ConfigurationError(f"STEPREWARD_MODEL: its tokenizer has no single token for {text!r}")
        return ids[0]

    def chat(self, system: str, user: str) -> str:
        """The model's own chat format around two texts, up to where the assistant begins.

        A model without a chat template gets the texts alone; one without a system role, whether it refuses it or
        leaves it out, gets both in one turn. Without a system text there is no system turn.
        """
        if not self._tokenizer.chat_template:
            return f"{system}\n\n{user}\n" if system else f"{user}\n"
        if not system:
            return self._apply([{"role": "user", "content": user}])
        try:
            chat = self._apply([{"role": "system", "content": system}, {"role": "user", "content": user}])
        except TemplateError:
            chat = ""
        return chat if system in chat else self._apply([{"role": "user", "content": f"{system}\n\n{user}"}])

    def _apply(self, turns: list[dict[str, str]]) -> str:
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def _encode_trusted(self, text: str) -> tuple[int, ...]:
        return tuple(self._trusted.encode(text, add_special_tokens=False).ids)

    def _encode_untrusted(self, text: str) -> tuple[int, ...]:
        encoding = self._plain.encode(text, add_special_tokens=False)
        for token_id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token_id not in self.reserved:
                continue
            if end - start < 2:
                raise InvalidRequest(f"character U+{ord(text[start]):04X} cannot be given to this model as plain text")
            middle = (start + end) // 2
            return self._encode_untrusted(text[:middle]) + self._encode_untrusted(text[middle:])
        return tuple(encoding.ids)
