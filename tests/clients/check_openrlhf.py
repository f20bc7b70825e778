"""OpenRLHF's own reward client: success, retry, several servers, failure."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import tiny
from openrlhf.utils.agent import SingleTurnAgentExecutor
from sample import QUESTION, RESPONSE

TOKENIZER = tiny.tokenizer()
PROMPT = TOKENIZER.apply_chat_template(
    [{"role": "user", "content": QUESTION}], tokenize=False, add_generation_prompt=True
)


class Engine:
    """Generates the response, whatever the prompt."""

    async def generate(self, *_: object, **__: object) -> SimpleNamespace:
        ids = TOKENIZER(f"{RESPONSE}<|im_end|>", add_special_tokens=False)["input_ids"]
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, finish_reason="stop", logprobs=None)])


def rolled_out(*urls: str) -> dict[str, Any]:
    executor = SingleTurnAgentExecutor(list(urls))
    sampling = SimpleNamespace(max_tokens=512, logprobs=None)
    return asyncio.run(executor.execute(PROMPT, "72", sampling, 4096, TOKENIZER, Engine()))


@contextmanager
def flaky(url: str, failures: int) -> Iterator[tuple[str, list[int]]]:
    """A front that says 500 so many times, then what the service says; and the statuses that it gave."""
    statuses: list[int] = []

    class Front(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = httpx.Response(500) if len(statuses) < failures else _forwarded(url, self.path, body)
            statuses.append(answer.status_code)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/get_reward", statuses
    server.shutdown()
    thread.join()
    server.server_close()


def _forwarded(url: str, path: str, body: bytes) -> httpx.Response:
    return httpx.post(f"{url}{path}", content=body, headers={"Content-Type": "application/json"}, timeout=60)


def test_a_rollout_gets_the_score_of_its_solution(url, expected):
    output = rolled_out(f"{url}/get_reward")
    assert output["reward"] == [expected]
    assert output["scores"] == [expected]
    assert output["extra_logs"]["prm_fallback"] == [0]


def test_the_client_s_retries_end_in_the_same_reward(url, expected):
    with flaky(url, failures=2) as (front, statuses):
        assert rolled_out(front)["reward"] == [expected]
    assert statuses == [500, 500, 200]


def test_several_servers_share_the_queries(url, expected):
    executor = SingleTurnAgentExecutor([f"{url}/get_reward"] * 3)
    query = f"{PROMPT}{RESPONSE}<|im_end|>"
    answers = asyncio.run(executor._fetch_rewards_via_http([query] * 5, [PROMPT] * 5, ["72"] * 5))
    assert [reward for answer in answers for reward in answer["rewards"]] == [expected] * 5


def test_an_older_client_s_empty_shard_is_answered_with_empty_lists(url):
    answer = httpx.post(f"{url}/get_reward", json={"query": [], "prompts": [], "labels": []})
    assert answer.json() == {"rewards": [], "scores": [], "extra_logs": {}}


def test_a_rollout_without_a_score_says_so_in_its_logs(scoreless):
    output = rolled_out(f"{scoreless}/get_reward")
    assert output["reward"] == [0]
    assert output["extra_logs"]["prm_fallback"] == [1]


def test_where_the_service_is_set_to_503_the_client_gives_up_after_five_attempts(start):
    url = start("--context-tokens", "300", "--on-error", "503")
    executor = SingleTurnAgentExecutor([f"{url}/get_reward"])
    query = f"{PROMPT}{RESPONSE}"
    with pytest.raises(RuntimeError, match="5 times"):
        asyncio.run(executor._fetch_rewards_via_http([query], [PROMPT], ["72"]))
