"""The baseline: the verdict as R-PRM's code reads it, with a second copy of the model beside the engine.

Written plainly after what that code does: each trajectory alone, prompt and all, through the whole model in
transformers, logits of the full vocabulary at every place, of which two numbers at the last place are used. The time
of loading the second copy is not counted.
"""

from collections.abc import Sequence

import torch
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar


class SecondCopy:
    """The model at `path`, in float32 as the worker has it."""

    def __init__(self, path: str) -> None:
        disable_progress_bar()
        self._model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)

    def p_correct(self, endings: Sequence[Sequence[int]], labels: tuple[int, int]) -> list[float]:
        """P(first label) / (P(first) + P(second)) after each of these token sequences, read one by one."""
        shares = []
        for ending in endings:
            with torch.inference_mode():
                logits = self._model(torch.tensor([ending])).logits  # (1, tokens, vocabulary)
            probabilities = logits[0, -1].softmax(dim=-1)
            first, second = (probabilities[label].item() for label in labels)
            shares.append(first / (first + second))
        return shares
