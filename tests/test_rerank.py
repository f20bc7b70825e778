"""A second order of what was found: the lexical scores, a real (tiny) cross-encoder, and both behind the retriever."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from stepreward.errors import ConfigurationError, EncoderFailed, InvalidRequest
from stepreward.metrics import Metrics
from stepreward.parts import load_reranker
from stepreward.plan import Defaults, plan
from stepreward.policies import Adaptive
from stepreward.retrieval.cross_encoder import CrossEncoderScorer
from stepreward.retrieval.rerank import Lexical, Ranking, Scorer, lexical_scores, terms
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.schema import ScoreRequest
from stepreward.settings import Settings
from stepreward.values import References, Solution
from test_retrieval import EVERYTHING, NEW, NO_PAYLOAD_INDEX, ROWS, Library, search, target, with_library

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)


def best(query: str, candidates: Sequence[str]) -> str:
    scores = lexical_scores(query, candidates)
    return candidates[scores.index(max(scores))]


# the lexical order


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ann has a  PEAR", [(1, "ann"), (1, "has"), (1, "a"), (1, "pear")]),
        ("a = 2 a", [(2, "a"), (2, "="), (2, "2.0"), (2, "a")]),
        ("1,200 of 3.50", [(2, "1200.0"), (1, "of"), (2, "3.5")]),
        ("48 / 2 = 24", [(2, "48.0"), (2, "/"), (2, "2.0"), (2, "="), (2, "24.0"), (3, "n/n")]),
        ("3 \u00d7 4", [(2, "3.0"), (2, "*"), (2, "4.0"), (3, "n*n")]),
        (r"3 \cdot x", [(2, "3.0"), (2, "*"), (2, "x"), (3, "n*v")]),
        (r"\sqrt{y} < 5", [(2, r"\sqrt"), (2, "y"), (2, "<"), (2, "5.0"), (3, r"\sqrtv")]),
        ("(2 + 3) * 4 = 5 * 4", None),
        ("...", []),
        ("", []),
    ],
)
def test_the_terms_of_a_text_are_words_numbers_signs_and_shapes(text, found) -> None:
    if found is None:
        assert [name for weight, name in terms(text) if weight == 3] == ["n+n*n", "n*n"]
    else:
        assert sorted(terms(text)) == sorted(found)


def test_the_same_operation_on_other_values_comes_before_the_same_words() -> None:
    same_words = "She gives half of her 48 cards to Tom."
    same_shape = "Every box gets 90 / 5 = 18 pens."
    assert best("She sold 72 / 3 = 24 shells.", [same_words, "She sold 10 + 3 = 13 shells.", same_shape]) == same_shape


def test_a_number_counts_more_than_a_word() -> None:
    assert best("Tom walks 17 km", ["Ann walks", "Ann rows 17"]) == "Ann rows 17"


def test_what_all_candidates_share_tells_less_than_what_one_has() -> None:
    longer = "a kite is drawn here and the area of it is asked for"
    assert best("the area of a kite", ["the area of a box", "the area of a hall", longer]) == longer


def test_the_scores_are_bm25_with_weights() -> None:
    query, candidates = "add 3 + 4 coins", ["add 3 + 5 coins and coins", "take 4 coins", "nothing here", "3 - 4"]
    counted = [Counter(terms(text)) for text in candidates]
    mean = sum(len(terms(text)) for text in candidates) / 4
    expected = []
    for text, found in zip(candidates, counted, strict=True):
        total = 0.0
        for term in set(terms(query)):
            df = sum(term in other for other in counted)
            idf = math.log(1 + (4 - df + 0.5) / (df + 0.5))
            tf = found[term]
            total += term[0] * idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * len(terms(text)) / mean))
        expected.append(total)
    assert lexical_scores(query, candidates) == pytest.approx(expected)
    assert expected[2] == 0


def test_texts_without_any_term_are_all_alike() -> None:
    assert lexical_scores("...", ["!!!", "???"]) == [0, 0]
    assert lexical_scores("3 + 4", []) == []


# behind the retriever


class Farthest:
    """A scorer that likes the last candidate best, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Ranking] = []

    async def scores(self, rankings: Sequence[Ranking]) -> list[list[float]]:
        self.shown += rankings
        return [[float(position) for position in range(len(ranking.candidates))] for ranking in rankings]

    def close(self) -> None:
        raise AssertionError("is not the retriever's to close")


class Alike(Farthest):
    async def scores(self, rankings: Sequence[Ranking]) -> list[list[float]]:
        return [[0.0] * len(ranking.candidates) for ranking in rankings]


def reranked(
    scorer: Scorer,
    solutions: Sequence[Solution],
    *,
    candidates: int = 4,
    metrics: Metrics | None = None,
    least: float = EVERYTHING,
    exclude_duplicates: bool = False,
) -> list[References]:
    async def use(lib: Library) -> list[References]:
        retriever = Retriever(
            lib.encoder, lib.store, 16, metrics or Metrics(), reranker=scorer, rerank_candidates=candidates
        )
        options = SearchOptions(1, 1, least, exclude_duplicates, rerank=True)
        return await retriever.search(await retriever.active(), solutions, options)

    return with_library(use)


def test_the_best_of_the_candidates_is_used_with_the_cosine_it_was_found_by() -> None:
    found = reranked(Farthest(), [NEW, target(4)])
    nearest = search([NEW, target(4)], questions=4, steps=4)
    for one, by_cosine in zip(found, nearest, strict=True):
        assert one.questions == by_cosine.questions[3:]
        assert one.steps == tuple(of_step[3:] for of_step in by_cosine.steps)


def test_candidates_that_are_alike_keep_the_order_of_their_cosines() -> None:
    assert reranked(Alike(), [NEW]) == search([NEW])


def test_a_reranker_sees_the_target_s_texts_and_so_many_candidates_for_each_reference() -> None:
    scorer = Farthest()
    reranked(scorer, [NEW, target(4)], candidates=3)
    queries = [NEW.question, *NEW.steps, target(4).question, *target(4).steps]
    assert [ranking.query for ranking in scorer.shown] == queries
    assert {len(ranking.candidates) for ranking in scorer.shown} == {3}


def test_what_is_too_far_or_a_duplicate_is_no_candidate() -> None:
    scorer = Farthest()
    [everything] = search([target(4)], questions=4)
    least = everything.questions[2].similarity - 1e-4
    [found] = reranked(scorer, [target(4)], least=least, exclude_duplicates=True)
    assert [question.solution.question for question in everything.questions[1:3]] == scorer.shown[0].candidates
    assert found.questions == everything.questions[2:3]
    assert found.dropped_duplicates == 1


def test_the_stage_is_timed_and_the_similarities_are_those_of_the_nearest() -> None:
    metrics, plain = Metrics(), Metrics()

    async def use(lib: Library) -> None:
        retriever = Retriever(lib.encoder, lib.store, 16, plain)
        await retriever.search(await retriever.active(), [NEW], SearchOptions(1, 1, EVERYTHING))

    reranked(Farthest(), [NEW], metrics=metrics)
    with_library(use)
    for name in (
        "question_similarity_sum",
        "question_similarity_count",
        "step_similarity_sum",
        "step_similarity_count",
    ):
        told = [of.registry.get_sample_value(f"stepreward_{name}") for of in (metrics, plain)]
        assert told[0] == pytest.approx(told[1], abs=1e-5)
    stage = "stepreward_stage_duration_seconds_count", {"stage": "rerank"}
    assert [of.registry.get_sample_value(*stage) for of in (metrics, plain)] == [1, None]


def test_the_lexical_reranker_takes_the_question_with_the_same_words_and_values() -> None:
    asked = Solution("Zoe has 7 stamps and buys 9 of them", ("Adding 7 + 9 gives 16 stamps",))
    candidates = [row["question"] for row in ROWS]
    found = reranked(Lexical(), [asked], candidates=16)
    nearest = search([asked], questions=16)[0]
    by_cosine = [question.solution.question for question in nearest.questions]
    assert found[0].questions[0].solution.question == best(asked.question, by_cosine)
    assert set(by_cosine) <= set(candidates)


# who asks for it

DEFAULTS = Defaults("retsp", 3, SearchOptions(1, 1, 0.3, rerank=True), Adaptive(1, 3))
WITHOUT = Defaults("retsp", 3, SearchOptions(1, 1, 0.3), Adaptive(1, 3))


def asking(**retrieval: object) -> ScoreRequest:
    items = [{"question": "q", "steps": ["s"]}]
    return ScoreRequest.model_validate({"items": items, "retrieval": retrieval})


@pytest.mark.parametrize(
    ("asked", "defaults", "rerank"),
    [
        ({}, DEFAULTS, True),
        ({"rerank": True}, DEFAULTS, True),
        ({"rerank": False}, DEFAULTS, False),
        ({"mode": "step_only"}, DEFAULTS, True),
        ({"mode": "random"}, DEFAULTS, False),
        ({"mode": "none"}, DEFAULTS, False),
        ({}, WITHOUT, False),
        ({"rerank": False}, WITHOUT, False),
    ],
)
def test_a_request_is_reranked_where_there_is_a_reranker_unless_it_says_no(asked, defaults, rerank) -> None:
    assert plan(asking(**asked), defaults).widest_search.rerank is rerank


@pytest.mark.parametrize(
    ("asked", "defaults", "reason"),
    [
        ({}, WITHOUT, "STEPREWARD_RETRIEVAL_RERANKER"),
        ({"mode": "random"}, DEFAULTS, "the mode random"),
        ({"mode": "none"}, DEFAULTS, "the mode none"),
    ],
)
def test_reranking_that_cannot_be_is_refused_by_name(asked, defaults, reason) -> None:
    with pytest.raises(InvalidRequest, match=rf"^retrieval\.rerank: .*{reason}"):
        plan(asking(rerank=True, **asked), defaults)


# the cross-encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"0123456789+-*/=", "ann", "has", "coins", "shells", "gives"]
PAIRS = [f"ann has {n} + {n % 7} coins" + " gives shells" * (n % 5) for n in range(30)]


def save_model(path: Path, kind: str = "BertForSequenceClassification", labels: int = 1) -> str:
    """A model of 10,000 random numbers with its tokenizer."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokens = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokens.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], WORDS, strict=False))
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokens, **special).save_pretrained(path)
    torch.manual_seed(5)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=1.0,
        num_labels=labels,
    )
    getattr(transformers, kind)(config).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def scorer(model_path: str) -> Iterator[CrossEncoderScorer]:
    loaded = CrossEncoderScorer.load(model_path, 2, device="cpu")
    yield loaded
    loaded.close()


def test_a_cross_encoder_scores_each_pair_as_its_library_does(scorer, model_path) -> None:
    from sentence_transformers import CrossEncoder

    rankings = [Ranking(query, PAIRS[: 3 * n]) for n, query in enumerate(PAIRS[:8])]
    scores = asyncio.run(scorer.scores(rankings))
    direct = CrossEncoder(model_path, device="cpu")
    assert [len(of_ranking) for of_ranking in scores] == [3 * n for n in range(8)]
    for ranking, of_ranking in zip(rankings[1:], scores[1:], strict=True):
        expected = direct.predict([(ranking.query, text) for text in ranking.candidates])
        assert of_ranking == pytest.approx(expected.tolist(), abs=1e-5)
    assert np.ptp(scores[7]) > 0.01


def test_requests_at_once_each_get_their_own_scores(scorer) -> None:
    async def at_once() -> list[list[list[float]]]:
        return await asyncio.gather(*(scorer.scores([Ranking(query, PAIRS)]) for query in PAIRS[:4]))

    alone = [asyncio.run(scorer.scores([Ranking(query, PAIRS)])) for query in PAIRS[:4]]
    for [one], [other] in zip(asyncio.run(at_once()), alone, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_a_text_longer_than_the_model_reads_is_scored_by_its_beginning(scorer) -> None:
    [scores] = asyncio.run(scorer.scores([Ranking("ann " * 500, ["coins " * 500, "shells"])]))
    assert all(0 <= score <= 1 for score in scores)


class Broken:
    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def predict(self, pairs: Sequence[tuple[str, str]], **how: object) -> np.ndarray:
        if self._error:
            raise self._error
        return np.full(len(pairs), np.nan)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RuntimeError("CUDA out of memory\nmore"), "CUDA out of memory$"), (None, "not finite"), (RuntimeError(), "Runt")],
)
def test_a_model_that_fails_is_a_failed_encoder(error, reason) -> None:
    scorer = CrossEncoderScorer(Broken(error), 2)
    with pytest.raises(EncoderFailed, match=rf"^the cross-encoder failed: .*{reason}"):
        asyncio.run(scorer.scores([Ranking("a", ["b"])]))
    scorer.close()


SETTING = "^STEPREWARD_RETRIEVAL_CROSS_ENCODER: "


def test_a_cross_encoder_that_is_not_there_names_the_setting(tmp_path) -> None:
    named = Settings(retrieval_reranker="cross-encoder", retrieval_cross_encoder=str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=SETTING + "cannot load .*none"):
        load_reranker(named)
    with pytest.raises(ConfigurationError, match=SETTING + ".*needs the name"):
        load_reranker(Settings(retrieval_reranker="cross-encoder"))


def test_a_model_that_scores_no_pair_names_the_setting(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=SETTING + ".*has 3 labels"):
        CrossEncoderScorer.load(save_model(tmp_path / "three", labels=3), 2, device="cpu")
    with pytest.raises(ConfigurationError, match=SETTING + ".*no head"):
        CrossEncoderScorer.load(save_model(tmp_path / "headless", kind="BertModel"), 2, device="cpu")


def test_the_reranker_named_is_the_one_loaded(model_path) -> None:
    assert load_reranker(Settings()) is None
    assert isinstance(load_reranker(Settings(retrieval_reranker="lexical")), Lexical)
    loaded = load_reranker(
        Settings(retrieval_reranker="cross-encoder", retrieval_cross_encoder=model_path, encoder_device="cpu")
    )
    assert isinstance(loaded, CrossEncoderScorer)
    loaded.close()
