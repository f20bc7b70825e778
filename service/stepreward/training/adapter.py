"""Adapters as they are shipped: bfloat16, without what only training needs; and the mean of two.

Wortsman et al. 2022 (WiSE-FT): the mean of weights before and after learning something keeps of both what either does
well. Here it is the mean of the adapters' factors, and not of their products.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stepreward.errors import ConfigurationError

WEIGHTS = "adapter_model.safetensors"
CONFIGURATION = "adapter_config.json"


def export(checkpoint: Path, target: Path, other: Path | None = None, share: float = 1.0) -> int:
    """Bytes of what was written; with `other` adapters this `share` of the checkpoint's, and of theirs the rest.

    Other files in `target` stay. Raises OSError, and ConfigurationError where the two do not fit each other.
    """
    own = load_file(checkpoint / WEIGHTS)
    mixed = own if other is None else _mean(own, _load(other), share)
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in mixed.items()}
    target.mkdir(parents=True, exist_ok=True)
    partial = target / (WEIGHTS + ".partial")
    save_file(tensors, partial, metadata={"format": "pt"})
    shutil.move(partial, target / WEIGHTS)
    configuration = json.loads((checkpoint / CONFIGURATION).read_bytes())
    # Where it was trained says nothing elsewhere.
    configuration["base_model_name_or_path"] = None
    configuration["inference_mode"] = True
    (target / CONFIGURATION).write_text(json.dumps(configuration, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return sum((target / name).stat().st_size for name in (WEIGHTS, CONFIGURATION))


def _load(directory: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(directory / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{directory}: no adapters: {error}") from error


def _mean(own: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    if {name: one.shape for name, one in own.items()} != {name: one.shape for name, one in others.items()}:
        raise ConfigurationError("--average-with: adapters of another rank or for other layers have no mean with these")
    return {name: torch.lerp(others[name].float(), one.float(), share) for name, one in own.items()}
