"""The reference pages say what the code says."""

import importlib.util
from pathlib import Path

import pytest

_DOCS = Path(__file__).parents[1] / "docs"


def _generator():
    spec = importlib.util.spec_from_file_location("generate_docs", _DOCS / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "metrics.md"])
def test_a_reference_page_is_what_the_code_generates(name: str) -> None:
    assert (_DOCS / name).read_text(encoding="utf-8") == _generator().PAGES[name](), "run: python docs/generate.py"
