"""The question and the response in what a trainer sends: chat templates and special tokens taken off.

Whose tokenizer made the text is not known here, so the marks of the common chat templates are: ChatML, Llama 3, Gemma,
Mistral, Phi and Zephyr, DeepSeek, and `User: … Assistant:`.
"""

import re
from collections.abc import Mapping, Sequence

from stepreward.errors import InvalidRequest

# U+FF5C is the upright bar that DeepSeek's tokens are written with.
_TURN = re.compile(
    r"<\|im_start\|>(?P<chatml>\w+)\n"
    r"|<\|start_header_id\|>(?P<llama>\w+)<\|end_header_id\|>"
    r"|<start_of_turn>(?P<gemma>\w+)\n"
    r"|<\|(?P<phi>system|user|assistant)\|>"
    "|<\uff5c(?P<deepseek>User|Assistant)\uff5c>"
    r"|\[(?P<mistral>/?INST)\]"
)
_ROLES = {"model": "assistant", "/inst": "assistant", "inst": "user"}
_SPECIAL = re.compile(
    r"<\|[^|<>\s]{1,40}\|>"
    "|<\uff5c[^\uff5c<>]{1,40}\uff5c>"
    r"|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>|\[/?INST\]"
)


def without_special_tokens(text: str) -> str:
    return _SPECIAL.sub("", text).strip()


def question_of(prompt: str | Sequence[Mapping[str, object]]) -> str:
    """What the user asked last: of messages, or of a prompt in a chat template; else the prompt itself."""
    if not isinstance(prompt, str):
        return _last_message(prompt)
    asked = [text for role, text in _turns(prompt) if role == "user"]
    if asked:
        return without_special_tokens(asked[-1])
    plain = without_special_tokens(prompt)
    turns = _plain_turns(plain)
    return turns[0] if turns else plain


def response_of(query: str, prompt: str | None) -> str:
    """What follows the prompt in a query. Raises InvalidRequest where that cannot be told."""
    if prompt is not None:
        if query.startswith(prompt):
            return without_special_tokens(query[len(prompt) :])
        # A tokenizer adds a first token, or writes special tokens in another way, when it decodes what it encoded.
        bare, begins = without_special_tokens(query), without_special_tokens(prompt)
        if bare.startswith(begins):
            return bare[len(begins) :].strip()
    if turns := _plain_turns(without_special_tokens(query)):
        return turns[1]
    # The first turn of the assistant: what it writes cannot move it.
    for found in _TURN.finditer(query):
        if _role(found) == "assistant":
            return without_special_tokens(query[found.end() :])
    raise InvalidRequest("query: does not begin with its prompt, and has no turn of an assistant")


def _turns(prompt: str) -> list[tuple[str, str]]:
    found = list(_TURN.finditer(prompt))
    begins = [*(turn.start() for turn in found), len(prompt)]
    return [(_role(turn), prompt[turn.end() : end]) for turn, end in zip(found, begins[1:], strict=True)]


def _plain_turns(text: str) -> tuple[str, str] | None:
    """Question and response of `User: … Assistant: …`; None for another text."""
    for user in ("User:", "Human:"):
        if text.startswith(user):
            question, marker, response = text.removeprefix(user).partition("\nAssistant:")
            return (question.strip(), response.strip()) if marker else None
    return None


def _role(turn: re.Match[str]) -> str:
    name = turn[turn.lastgroup or 0].lower()
    return _ROLES.get(name, name)


def _last_message(messages: Sequence[Mapping[str, object]]) -> str:
    """Raises InvalidRequest where no user speaks."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    raise InvalidRequest("prompt: none of its messages is the user's")


def text_of(content: object) -> str:
    """A message's content: a text, or a list of parts of which those with a text count. Raises InvalidRequest."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    raise InvalidRequest("content: neither a text nor a list of parts")
