"""Direct preference optimisation of analyses, by TRL (R-PRM §3.3; Rafailov et al. 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from stepreward.errors import ConfigurationError
from stepreward.prompts.rprm import RPRM
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.training.pairs import Pair
from stepreward.values import References, Solution


class _Tokenised(DPOTrainer):
    """Takes token ids as they are: texts that TRL tokenised could hold special tokens, and would not be what serves."""

    def _prepare_dataset(self, dataset: Any, *_: object, **__: object) -> Any:
        return dataset


def dataset_of(pairs: Sequence[Pair], analyst: RPRM, tokenizer: PromptTokenizer) -> Dataset:
    """Serving prompts, and both analyses with their verdicts. Raises ContextOverflow."""
    rows = []
    for pair in pairs:
        solution = Solution(pair.question, pair.steps)
        [prompt] = analyst.render(solution, References((), ((),) * len(pair.steps)), [pair.index])

        def ids(analysis: str, verdict: int, prompt: tuple[int, ...] = prompt.token_ids) -> list[int]:
            whole, _ = analyst.verdict_prompt(prompt, tokenizer.untrusted(analysis))
            return [*whole[len(prompt) :], verdict]

        right, wrong = analyst.labels if pair.label else analyst.labels[::-1]
        rows.append(
            {
                "prompt_ids": list(prompt.token_ids),
                "chosen_ids": ids(pair.chosen, right),
                "rejected_ids": ids(pair.rejected, wrong),
            }
        )
    return Dataset.from_list(rows)


@dataclass(frozen=True)
class Preferring:
    """How the preferences are learned: `batch` pairs a step, `beta` how near to the reference."""

    learning_rate: float
    beta: float
    batch: int
    epochs: float
    seed: int


def prefer(base: str, adapter: Path, dataset: Dataset, folder: Path, *, how: Preferring, device: str) -> float:
    """Train the adapters on; the last mean loss. What they were is the reference. Continues a run in its folder.

    Raises ConfigurationError for what cannot be loaded, and for a loss that is no number.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
        model = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"model {base}: {str(error).splitlines()[0]}") from error
    if tokenizer.pad_token is None:  # what is padded is masked: any token will do
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    config = DPOConfig(
        output_dir=str(folder),
        learning_rate=how.learning_rate,
        beta=how.beta,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=how.batch,
        num_train_epochs=how.epochs,
        seed=how.seed,
        bf16=True,
        use_cpu=device == "cpu",
        max_length=None,
        gradient_checkpointing=False,
        logging_steps=1,
        save_steps=5,
        save_total_limit=2,
        report_to="none",
        dataloader_pin_memory=False,
    )
    trainer = _Tokenised(model=model, args=config, train_dataset=dataset, processing_class=tokenizer)
    saved = any(folder.glob("checkpoint-*"))
    done = trainer.train(resume_from_checkpoint=saved or None)
    if not torch.isfinite(torch.tensor(done.training_loss)):
        raise ConfigurationError(f"the loss is {done.training_loss}: a lower --learning-rate may help")
    trainer.save_model(str(folder / "final"))
    return float(done.training_loss)
