"""An encoder behind a port: its answers, its faults, and a gateway that has no torch."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from loadtests.stack import stack
from stepreward.errors import ConfigurationError, EncoderFailed
from stepreward.retrieval.embeddings_server import EmbeddingsServer
from stepreward.retrieval.encoder import Encoder
from stepreward.settings import Settings

Answer = Callable[[list[str]], httpx.Response]


def vector(text: str) -> list[float]:
    return [float(len(text)), 1.0, float(text.count("a"))]


def rows(texts: list[str]) -> list[dict[str, Any]]:
    return [{"index": index, "embedding": vector(text)} for index, text in enumerate(texts)]


def answered(data: object) -> httpx.Response:
    return httpx.Response(200, json={"object": "list", "data": data, "model": "minilm"})


def server(answer: Answer, bodies: list[dict[str, Any]] | None = None) -> EmbeddingsServer:
    def handle(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if bodies is not None:
            bodies.append(body)
        return answer(body["input"])

    return EmbeddingsServer(httpx.Client(transport=httpx.MockTransport(handle), base_url="http://encoder"), "minilm")


def test_vectors_come_in_the_order_of_the_texts_whatever_the_order_of_the_answer() -> None:
    bodies: list[dict[str, Any]] = []
    texts = ["a", "bb", "aaa", "b", "abab"]
    found = server(lambda part: answered(rows(part)[::-1]), bodies).encode(texts, 2)
    assert found.tolist() == [vector(text) for text in texts]
    assert [body["input"] for body in bodies] == [["a", "bb"], ["aaa", "b"], ["abab"]]
    assert {body["model"] for body in bodies} == {"minilm"}


def refuse(_: list[str]) -> httpx.Response:
    raise httpx.ConnectError("refused")


FAULTS: dict[str, Answer] = {
    "refused": refuse,
    "status 500": lambda _: httpx.Response(500),
    "status 400": lambda _: httpx.Response(400, json={"error": {"message": "too long"}}),
    "no JSON": lambda _: httpx.Response(200, text="<html>"),
    "no data": lambda _: httpx.Response(200, json={}),
    "a row short": lambda texts: answered(rows(texts)[1:]),
    "a row twice": lambda texts: answered([rows(texts)[0], *rows(texts)[:-1]]),
    "a row too long": lambda texts: answered([*rows(texts)[:-1], {"index": len(texts) - 1, "embedding": [1.0] * 4}]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_used_is_a_failed_encoder_and_no_vector(fault: str) -> None:
    faulty = False

    def answer(texts: list[str]) -> httpx.Response:
        return FAULTS[fault](texts) if faulty else answered(rows(texts))

    asked = server(answer)
    asked.measure()
    encoder = Encoder(asked, "minilm", 4, close_model=asked.close)

    async def twice() -> None:
        assert (await encoder.encode(["a", "b"])).shape == (2, 3)
        nonlocal faulty
        faulty = True
        with pytest.raises(EncoderFailed):
            await encoder.encode(["c", "d"])

    try:
        asyncio.run(twice())
    finally:
        encoder.close()


def test_a_model_that_the_server_does_not_have_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="STEPREWARD_ENCODER_URL"):
        server(lambda _: httpx.Response(404)).encode(["a"], 1)


def test_a_server_that_never_answers_is_given_up_after_the_time_to_start() -> None:
    with pytest.raises(EncoderFailed):
        EmbeddingsServer.connect("http://127.0.0.1:9", "minilm", timeout_s=1, wait_s=0.3)


def test_the_name_of_a_remote_model_must_be_given() -> None:
    with pytest.raises(ValueError, match="encoder_model"):
        Settings(encoder_url="http://127.0.0.1:9")
    assert Settings(encoder_url="http://127.0.0.1:9", encoder_model="minilm").encoder_url


def test_a_gateway_with_a_remote_encoder_scores_where_there_is_no_torch(tmp_path: Path) -> None:
    corpus = [
        {"question": f"What is {n} plus 4?", "steps": [f"{n} + 4 = {n + 4}."], "labels": [True], "source": "sums"}
        for n in range(9)
    ]
    missing = ["torch", "sentence_transformers"]
    with stack(tmp_path) as parts:
        worker = parts.worker()
        remote = {"ENCODER_URL": worker, "ENCODER_MODEL": "bag-of-words", "PCA_DIMENSIONS": "0"}
        parts.environment |= {f"STEPREWARD_{name}": value for name, value in remote.items()}
        parts.store(corpus)
        gateway = parts.gateway(worker, missing)
        item = {"question": "What is 30 plus 4?", "steps": ["30 + 4 = 34."]}
        body = {"items": [item], "include": ["references"], "retrieval": {"min_similarity": 0.1}}
        answer = httpx.post(f"{gateway}/score", json=body, timeout=60).json()
    [result] = answer["items"]
    assert result["status"] == "ok"
    assert result["references"]
    assert np.isfinite(result["score"])
