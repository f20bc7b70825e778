"""A causal language model with LoRA adapters, learning what stands after prompts."""

import hashlib
import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, softplus
from transformers import AutoModelForCausalLM

from stepreward.errors import ConfigurationError
from stepreward.training.packing import Ints, Packed

_OPTIMIZER = "learner.pt"


@dataclass(frozen=True)
class Recipe:
    """What of the learning can be chosen. `tokens`: seen in all; the rate falls to 0 over the last `decay` of them.

    How much counts beside the mean over verdicts: `writing` the mean over the tokens that are learned one by one,
    `ranking` the mean over pairs of a right and a wrong version of a step.
    """

    tokens: int
    learning_rate: float
    warmup_tokens: int
    decay: float
    rank: int
    alpha: int
    dropout: float
    weight_decay: float
    clip: float
    writing: float = 1.0
    ranking: float = 0.0

    def rate(self, seen: int) -> float:
        """The learning rate after so many tokens."""
        left = max(self.tokens - seen, 0) / max(self.decay * self.tokens, 1)
        return self.learning_rate * min(1.0, (seen + 1) / max(self.warmup_tokens, 1), left)


# Of one that grades and learns nothing.
SCORES_ONLY = Recipe(
    tokens=1, learning_rate=1, warmup_tokens=0, decay=1, rank=1, alpha=1, dropout=0, weight_decay=0, clip=1
)


def weights_sha256(directory: str) -> str | None:
    """Of the safetensors in a local directory; None for a name on a hub."""
    files = sorted(Path(directory).glob("*.safetensors"))
    if not files:
        return None
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


class Learner:
    """Learns which of two tokens comes next, which of two prompts it fits better, and texts token by token."""

    def __init__(self, model: Any, recipe: Recipe, device: str) -> None:
        self.model = model
        self.recipe = recipe
        self._device = device
        self._parameters = [one for one in model.parameters() if one.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )

    @classmethod
    def create(cls, base: str, recipe: Recipe, *, device: str, adapter: Path | None, seed: int) -> Self:
        """New adapters, drawn by the seed, or those of a directory. Raises ConfigurationError where there are none."""
        torch.manual_seed(seed)
        try:
            model = AutoModelForCausalLM.from_pretrained(
                base, dtype=torch.bfloat16, attn_implementation="eager" if device == "cpu" else "sdpa"
            )
            if adapter is not None:
                model = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
            else:
                config = LoraConfig(
                    r=recipe.rank,
                    lora_alpha=recipe.alpha,
                    lora_dropout=recipe.dropout,
                    target_modules="all-linear",
                    task_type="CAUSAL_LM",
                )
                model = get_peft_model(model, config)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"model {base}: {str(error).splitlines()[0]}") from error
        return cls(model.to(device), recipe, device)

    def margins(self, packed: Packed) -> torch.Tensor:
        """(examples,) logit of right minus logit of wrong: the logit of p(correct)."""
        return self._margins(self._hidden(packed), packed)

    def _margins(self, hidden: torch.Tensor, packed: Packed) -> torch.Tensor:
        head = self.model.get_output_embeddings().weight[self._ids(packed.choices)].float()
        return (hidden[self._ids(packed.ends)].float() * (head[:, 0] - head[:, 1])).sum(dim=-1)

    def _writing(self, hidden: torch.Tensor, packed: Packed) -> torch.Tensor:
        """The sum, over the tokens that are learned one by one, of how unlikely each was."""
        logits = self.model.get_output_embeddings()(hidden[self._ids(packed.writes)].to(self.model.dtype)).float()
        return cross_entropy(logits, self._ids(packed.written), reduction="sum")

    def _ids(self, numbers: Ints) -> torch.Tensor:
        return torch.as_tensor(numbers, device=self._device)

    def _hidden(self, packed: Packed) -> torch.Tensor:
        """(tokens, width): what the head would read."""
        sees = torch.as_tensor(packed.sees, device=self._device)
        dtype = self.model.dtype
        mask = torch.zeros(sees.shape, dtype=dtype, device=self._device).masked_fill(~sees, torch.finfo(dtype).min)
        body = self.model.get_base_model().model
        with torch.autocast(self._device, torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = body(
                input_ids=torch.as_tensor(packed.token_ids, device=self._device)[None],
                position_ids=torch.as_tensor(packed.positions, device=self._device)[None],
                attention_mask=mask[None, None],
                use_cache=False,
            )
        return out.last_hidden_state[0]

    def learn(self, batch: Sequence[Packed], weights: tuple[float, float], seen: int) -> float:
        """One step of the optimizer; the weighted mean loss. `weights`: of right and of wrong steps.

        Raises ConfigurationError for a loss that is no number; nothing is changed then.
        """
        self.model.train()
        of_batch = sum(weights[0] if label else weights[1] for packed in batch for label in packed.labels)
        written = sum(len(packed.written) for packed in batch)
        pairs = sum(len(packed.pairs) for packed in batch)
        total = 0.0
        for packed in batch:
            hidden = self._hidden(packed)
            labels = torch.as_tensor(packed.labels, dtype=torch.float32, device=self._device)
            weight = torch.where(labels > 0, weights[0], weights[1])
            margins = self._margins(hidden, packed)
            loss = binary_cross_entropy_with_logits(margins, labels, weight, reduction="sum") / of_batch
            if len(packed.written):
                loss = loss + self.recipe.writing * self._writing(hidden, packed) / written
            if len(packed.pairs):
                apart = margins[self._ids(packed.pairs[:, 0])] - margins[self._ids(packed.pairs[:, 1])]
                loss = loss + self.recipe.ranking * softplus(-apart).sum() / pairs
            loss.backward()
            total += float(loss.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip))
        if not math.isfinite(total) or not math.isfinite(norm):
            raise ConfigurationError(f"the loss is {total}, its gradient {norm}: a lower --learning-rate may help")
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.rate(seen)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return total

    def scores(self, packs: Sequence[Packed]) -> Iterator[list[float]]:
        """p(correct) of each example, a pack at a time."""
        self.model.eval()
        for packed in packs:
            with torch.no_grad():
                yield torch.sigmoid(self.margins(packed)).tolist()

    def save(self, directory: Path, state: str) -> None:
        """The adapters, what the optimizer remembers and what the run does, whole or not at all."""
        partial = directory.with_name(directory.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self.model.save_pretrained(partial)
        torch.save(self._optimizer.state_dict(), partial / _OPTIMIZER)
        (partial / "recipe.json").write_text(json.dumps(asdict(self.recipe), indent=1) + "\n", encoding="utf-8")
        (partial / "state.json").write_text(state, encoding="utf-8")
        partial.rename(directory)

    def resume(self, directory: Path) -> Self:
        """Remember what the optimizer did; the adapters are those that `create` was given."""
        self._optimizer.load_state_dict(torch.load(directory / _OPTIMIZER, weights_only=True))
        return self
