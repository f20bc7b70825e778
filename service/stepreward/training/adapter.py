"""Adapters as they are shipped: bfloat16, without what only training needs."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "adapter_model.safetensors"
CONFIGURATION = "adapter_config.json"


def export(checkpoint: Path, target: Path) -> int:
    """Bytes of what was written. Other files in `target` stay. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    partial = target / (WEIGHTS + ".partial")
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in load_file(checkpoint / WEIGHTS).items()}
    save_file(tensors, partial, metadata={"format": "pt"})
    shutil.move(partial, target / WEIGHTS)
    configuration = json.loads((checkpoint / CONFIGURATION).read_bytes())
    # Where it was trained says nothing elsewhere.
    configuration["base_model_name_or_path"] = None
    configuration["inference_mode"] = True
    (target / CONFIGURATION).write_text(json.dumps(configuration, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return sum((target / name).stat().st_size for name in (WEIGHTS, CONFIGURATION))
