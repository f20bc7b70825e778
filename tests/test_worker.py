"""The client of vLLM and the sampling of verdicts, against a scripted worker."""

import asyncio
import math
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from loadtests.scripted_worker import Fault, ScriptedWorker, byte_tokenizer, margin, p_first
from stepreward import aggregation
from stepreward.errors import ConfigurationError, StepRewardError, WorkerAnswerInvalid, WorkerUnavailable
from stepreward.policies import Fixed
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import MARKER, RPRM
from stepreward.prompts.template import StepTemplate
from stepreward.values import Prompt, References, Solution, TokenCount, Verdict
from stepreward.worker.client import ServedModel, WorkerClient
from stepreward.worker.faults import WorkerBusy, WorkerDied, WorkerFaulty, WorkerUnreachable
from stepreward.worker.pool import WorkerPool
from stepreward.worker.sampling import RetSPJudge, RPRMJudge, Terms, Verdicts, content_seed, sampling_options
from stepreward.worker.upstream import PoolRule

T = TypeVar("T")
ONCE = Terms(Fixed(1))
NO_RETRIES = PoolRule(retry_share=0, retry_reserve=0)
LABELS = (10, 12)
MAX_TOKENS = 128
OPTIONS = sampling_options(max_tokens=MAX_TOKENS, temperature=0.95, top_p=0.9)
BROKEN_ANSWERS = {
    Fault.REFUSED: WorkerUnreachable,
    Fault.TIMED_OUT: WorkerFaulty,
    Fault.CUT_OFF: WorkerFaulty,
    Fault.STATUS_500: WorkerFaulty,
    Fault.STATUS_429: WorkerBusy,
    Fault.STATUS_400: WorkerAnswerInvalid,
    Fault.TRUNCATED_JSON: WorkerAnswerInvalid,
    Fault.NO_CHOICES: WorkerAnswerInvalid,
    Fault.ONE_CHOICE_SHORT: WorkerAnswerInvalid,
    Fault.ONE_CHOICE_MORE: WorkerAnswerInvalid,
    Fault.OTHER_PROMPTS: WorkerAnswerInvalid,
    Fault.SAME_INDEX_TWICE: WorkerAnswerInvalid,
}
UNREADABLE = [
    Fault.NAN_LOGPROB,
    Fault.INFINITE_LOGPROB,
    Fault.LABEL_MISSING,
    Fault.NO_LOGPROBS,
    Fault.NO_TOP_LOGPROBS,
]


def with_client(worker: ScriptedWorker, call: Callable[[WorkerClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with worker.http() as http:
            client = WorkerClient(http)
            await client.connect()
            return await call(client)

    return asyncio.run(run())


def answering(answer: httpx.Response | httpx.HTTPError, model: str | None = None) -> WorkerClient:
    """A client of something that says the same to every request."""

    def say(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    return WorkerClient(httpx.AsyncClient(transport=httpx.MockTransport(say), base_url="http://worker"), model)


def connected(client: WorkerClient) -> WorkerClient:
    """As if it had been asked what it serves."""
    client.served = ServedModel("m", None, 8192)
    return client


def read_labels(worker: ScriptedWorker, prompts: Sequence[Sequence[int]]) -> list[float | None]:
    return with_client(worker, lambda client: client.label_probabilities(prompts, LABELS, TokenCount()))


def sample(worker: ScriptedWorker, k: int, seed: int = 5) -> list[Sequence[int]]:
    return with_client(worker, lambda client: client.sample([1, 2], k, seed, OPTIONS, TokenCount()))


def retsp_judge(client: WorkerClient) -> RetSPJudge:
    tokens = byte_tokenizer()
    method = RetSP(StepTemplate.built_in("retsp", tokens), tokens, context_tokens=8192)
    return RetSPJudge(method, WorkerPool([client], NO_RETRIES))


def rprm(context_tokens: int = 8192) -> RPRM:
    tokens = byte_tokenizer()
    return RPRM(StepTemplate.built_in("rprm", tokens), tokens, context_tokens, MAX_TOKENS)


def judge_rprm(
    worker: ScriptedWorker, prompts: Sequence[Prompt], k: int, seed: int = 0, spent: TokenCount | None = None
) -> list[list[Verdict]]:
    spent = spent or TokenCount()

    def judge(client: WorkerClient) -> Awaitable[list[Verdicts]]:
        pool = WorkerPool([client], NO_RETRIES)
        return RPRMJudge(rprm(), pool, OPTIONS).judge(prompts, Terms(Fixed(k), seed), spent)

    return with_client(worker, judge)


def prompts_of(*lengths: int) -> list[Prompt]:
    """Prompts that differ in content: a number, then zeros."""
    return [Prompt((number, *([0] * (length - 1))), 0, 0) for number, length in enumerate(lengths)]


def solution_prompts() -> list[Prompt]:
    solution = Solution("What is 2 + 3 * 4?", ("3 * 4 = 12.", "2 + 12 = 15."))
    return rprm().render(solution, References((), ((), ())))


# connecting


def test_connect_tells_the_model_and_its_context_and_later_calls_ask_for_that_model() -> None:
    worker = ScriptedWorker(model="r-prm-7b", context_tokens=777)

    async def run():
        async with worker.http() as http:
            client = WorkerClient(http)
            card = await client.connect()
            await client.label_probabilities([[1]], LABELS, TokenCount())
            return card

    card = asyncio.run(run())
    assert (card.id, card.max_model_len) == ("r-prm-7b", 777)
    assert worker.requests[0]["model"] == "r-prm-7b"


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.TIMED_OUT, Fault.STATUS_500, Fault.STATUS_429])
def test_connect_to_a_worker_that_does_not_answer_is_unavailable(fault) -> None:
    with pytest.raises(WorkerUnavailable, match="http://worker") as caught:
        with_client(ScriptedWorker(always=fault), lambda client: client.connect())
    assert isinstance(caught.value.__cause__, httpx.HTTPError)


@pytest.mark.parametrize(
    "content",
    [b"<html>hello</html>", b"{}", b'{"data": []}', b'{"data": [{"id": "gpt"}]}', b'{"data": [{"id": "a", "max_model'],
)
def test_connect_to_something_else_than_vllm_names_the_setting(content) -> None:
    with pytest.raises(ConfigurationError, match="STEPREWARD_WORKER_URL"):
        asyncio.run(answering(httpx.Response(200, content=content)).connect())


ADAPTER = b'{"data": [{"id": "base", "max_model_len": 777}, {"id": "adapter", "parent": "base"}]}'


@pytest.mark.parametrize(("name", "asked"), [(None, "base"), ("base", "base"), ("adapter", "adapter")])
def test_the_model_that_is_named_is_asked_with_its_base_models_context(name, asked) -> None:
    served = asyncio.run(answering(httpx.Response(200, content=ADAPTER), name).connect())
    assert (served.id, served.max_model_len) == (asked, 777)


def test_a_model_that_the_worker_does_not_serve_names_the_setting_and_those_it_does() -> None:
    with pytest.raises(ConfigurationError, match=r"STEPREWARD_WORKER_MODEL.*base, adapter, not other"):
        asyncio.run(answering(httpx.Response(200, content=ADAPTER), "other").connect())


# what is sent


def test_reading_labels_sends_exactly_these_fields() -> None:
    worker = ScriptedWorker()
    read_labels(worker, [(1, 2), (3,)])
    assert worker.requests == [
        {
            "model": worker.model,
            "prompt": [[1, 2], [3]],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 2,
            "logprob_token_ids": [10, 12],
            "return_tokens_as_token_ids": True,
        }
    ]


def test_sampling_sends_exactly_these_fields() -> None:
    worker = ScriptedWorker()
    sample(worker, k=3, seed=2**63 - 1)
    assert worker.requests == [
        {
            "model": worker.model,
            "prompt": [[1, 2]],
            "n": 3,
            "seed": 2**63 - 1,
            "max_tokens": MAX_TOKENS,
            "temperature": 0.95,
            "top_p": 0.9,
            "stop": [MARKER],
            "include_stop_str_in_output": True,
            "return_token_ids": True,
        }
    ]


# what comes back


def test_the_score_is_the_softmax_over_the_two_labels() -> None:
    prompts = [[number] for number in range(20)]
    assert read_labels(ScriptedWorker(), prompts) == pytest.approx(
        [math.exp(margin(p)) / (math.exp(margin(p)) + 1) for p in prompts], abs=1e-12
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [(-0.7, -0.7), (-1e-9, -20.7), (-9999.0, -1e-9), (-1e-9, -9999.0), (-800.0, -801.0), (0.0, 0.0)],
)
def test_the_softmax_is_exact_and_stays_in_range_at_its_ends(first, second) -> None:
    top = {"token_id:10": first, "token_id:12": second}
    choice = {"index": 0, "text": "+", "logprobs": {"top_logprobs": [top]}}
    client = connected(answering(httpx.Response(200, json={"choices": [choice], "usage": {"prompt_tokens": 1}})))
    [share] = asyncio.run(client.label_probabilities([[1]], LABELS, TokenCount()))
    expected = 1.0 if first - second > 700 else 0.0 if second - first > 700 else 1 / (1 + math.exp(second - first))
    assert share == pytest.approx(expected, abs=1e-15)
    assert 0 <= share <= 1


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_label_that_cannot_be_read_is_none_and_not_zero(fault) -> None:
    prompts = [[1], [2], [3]]
    assert read_labels(ScriptedWorker({0: fault}), prompts) == [
        None,
        pytest.approx(p_first([2])),
        pytest.approx(p_first([3])),
    ]


def test_shuffled_label_choices_come_back_in_the_order_of_the_prompts() -> None:
    prompts = [[number] for number in range(9)]
    assert read_labels(ScriptedWorker({0: Fault.SHUFFLED}), prompts) == read_labels(ScriptedWorker(), prompts)


def test_shuffled_trajectories_come_back_in_the_order_of_their_index() -> None:
    assert sample(ScriptedWorker({0: Fault.SHUFFLED}), k=5) == sample(ScriptedWorker(), k=5)


@pytest.mark.parametrize(("fault", "error"), BROKEN_ANSWERS.items())
def test_a_broken_answer_to_a_reading_is_an_error_of_the_tree(fault, error) -> None:
    with pytest.raises(error) as caught:
        read_labels(ScriptedWorker({0: fault}), [[1], [2]])
    assert type(caught.value) is error


@pytest.mark.parametrize(("fault", "error"), [*BROKEN_ANSWERS.items(), (Fault.NO_TOKEN_IDS, WorkerAnswerInvalid)])
def test_a_broken_answer_to_a_sampling_is_an_error_of_the_tree(fault, error) -> None:
    with pytest.raises(error) as caught:
        sample(ScriptedWorker({0: fault}), k=2)
    assert type(caught.value) is error


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.TIMED_OUT, Fault.CUT_OFF])
def test_an_httpx_error_is_translated_and_kept_as_the_cause(fault) -> None:
    with pytest.raises(WorkerUnavailable) as caught:
        read_labels(ScriptedWorker({0: fault}), [[1]])
    assert isinstance(caught.value.__cause__, httpx.TransportError)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"choices": []}', b"\xff\xfe", b"<html>"])
def test_an_answer_that_is_not_a_completion_is_invalid(content) -> None:
    with pytest.raises(WorkerAnswerInvalid):
        client = connected(answering(httpx.Response(200, content=content)))
        asyncio.run(client.label_probabilities([[1]], LABELS, TokenCount()))


def test_no_message_of_an_error_repeats_the_prompt_or_the_answer() -> None:
    client = connected(answering(httpx.Response(400, text="secret of the worker")))
    with pytest.raises(StepRewardError) as caught:
        asyncio.run(client.label_probabilities([[31415]], LABELS, TokenCount()))
    assert "secret" not in caught.value.message
    assert "31415" not in caught.value.message


# tokens


def test_tokens_of_all_calls_add_up() -> None:
    worker, spent = ScriptedWorker(), TokenCount()
    judge_rprm(worker, prompts_of(40, 50), k=3, spent=spent)
    assert len(worker.usages) == 4
    assert spent.prompt == sum(usage["prompt_tokens"] for usage in worker.usages)
    assert spent.generated == sum(usage["completion_tokens"] for usage in worker.usages)
    # Of several prompts at once vLLM tells the last one's alone.
    drawn = [usage for usage, body in zip(worker.usages, worker.requests, strict=True) if "n" in body]
    assert spent.cached == sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in drawn)


def test_cached_tokens_that_the_worker_does_not_report_stay_unknown() -> None:
    spent = TokenCount()
    judge_rprm(ScriptedWorker(reports_cache=False), prompts_of(40), k=1, spent=spent)
    assert spent.prompt > 0
    assert spent.cached is None


# retsp


@pytest.mark.parametrize(("steps", "calls"), [(1, [1]), (64, [64]), (65, [64, 1]), (150, [64, 64, 22])])
def test_many_steps_are_sent_in_chunks_and_keep_their_order(steps, calls) -> None:
    worker, prompts = ScriptedWorker(), prompts_of(*[3] * steps)
    verdicts = with_client(worker, lambda client: retsp_judge(client).judge(prompts, ONCE, TokenCount()))
    assert [len(body["prompt"]) for body in worker.requests] == calls
    assert [verdict.p_correct for [verdict] in verdicts] == pytest.approx([p_first(p.token_ids) for p in prompts])


def test_retsp_reads_plus_against_minus() -> None:
    worker = ScriptedWorker()
    with_client(worker, lambda client: retsp_judge(client).judge(prompts_of(3), ONCE, TokenCount()))
    tokens = byte_tokenizer()
    assert worker.requests[0]["logprob_token_ids"] == [tokens.label("+"), tokens.label("-")]


def test_retsp_gives_the_same_verdicts_whatever_the_seed() -> None:
    def verdicts(seed):
        return with_client(
            ScriptedWorker(),
            lambda client: retsp_judge(client).judge(prompts_of(3, 4), Terms(Fixed(1), seed), TokenCount()),
        )

    assert verdicts(0) == verdicts(1)


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_unreadable_retsp_step_has_no_valid_verdict_and_no_score(fault) -> None:
    worker = ScriptedWorker({0: fault})
    verdicts = with_client(worker, lambda client: retsp_judge(client).judge(prompts_of(3, 4), ONCE, TokenCount()))
    unread, read = (aggregation.step_score(of_step) for of_step in verdicts)
    assert (unread.score, unread.k_used, unread.k_valid) == (None, 1, 0)
    assert (read.k_used, read.k_valid) == (1, 1)


def test_one_failed_chunk_fails_the_item_with_its_own_error() -> None:
    worker = ScriptedWorker({1: Fault.STATUS_500})
    with pytest.raises(WorkerUnavailable):
        with_client(worker, lambda client: retsp_judge(client).judge(prompts_of(*[2] * 100), ONCE, TokenCount()))


# rprm


def test_each_step_gets_k_trajectories_in_one_request_and_their_verdicts_in_another() -> None:
    worker = ScriptedWorker()
    verdicts = judge_rprm(worker, solution_prompts(), k=4)
    assert [len(of_step) for of_step in verdicts] == [4, 4]
    assert sorted(len(body["prompt"]) for body in worker.requests) == [1, 1, 4, 4]
    assert [body["n"] for body in worker.requests if "n" in body] == [4, 4]


def test_a_verdict_is_read_where_the_trajectory_reached_the_marker() -> None:
    worker, [prompt, _] = ScriptedWorker(), solution_prompts()
    [[verdict]] = judge_rprm(worker, [prompt], k=1)
    sampling, reading = worker.requests
    generated = worker.trajectory(prompt.token_ids, sampling["seed"], 0, sampling)
    assert reading["prompt"] == [[*prompt.token_ids, *generated]]
    assert verdict.text.endswith(MARKER)
    assert verdict.p_correct == pytest.approx(p_first(reading["prompt"][0]))


def test_a_trajectory_without_the_marker_is_asked_for_its_verdict_and_counted_as_forced() -> None:
    worker, [prompt, _] = ScriptedWorker(), solution_prompts()
    [verdicts] = judge_rprm(worker, [prompt], k=4)
    assert [verdict.forced for verdict in verdicts] == [False, True, True, False]
    marker = byte_tokenizer().trusted("\n\n" + MARKER)
    budget_ended, turn_ended = worker.requests[1]["prompt"][1:3]
    assert len(budget_ended) == len(prompt.token_ids) + MAX_TOKENS + len(marker)
    for ids in (budget_ended, turn_ended):
        assert tuple(ids[-len(marker) :]) == marker
        assert not byte_tokenizer().reserved & set(ids[len(prompt.token_ids) :])
    assert "<|im_end|>" not in verdicts[2].text


def test_verdicts_are_read_as_yes_against_no() -> None:
    worker = ScriptedWorker()
    judge_rprm(worker, prompts_of(5), k=2)
    tokens = byte_tokenizer()
    assert worker.requests[1]["logprob_token_ids"] == [tokens.label(" Yes"), tokens.label(" No")]


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_unreadable_trajectory_lowers_k_valid_and_is_left_out_of_the_mean(fault) -> None:
    worker, whole = ScriptedWorker({1: fault}), ScriptedWorker()
    [verdicts] = judge_rprm(worker, prompts_of(5), k=3)
    [expected] = judge_rprm(whole, prompts_of(5), k=3)
    assert verdicts[0].p_correct is None
    scored = aggregation.step_score(verdicts)
    assert (scored.k_used, scored.k_valid) == (3, 2)
    assert scored.score == pytest.approx((expected[1].p_correct + expected[2].p_correct) / 2)


def test_verdicts_stay_with_their_trajectories_when_the_worker_shuffles_every_answer() -> None:
    prompts = solution_prompts()
    shuffled = judge_rprm(ScriptedWorker(always=Fault.SHUFFLED), prompts, k=4)
    assert shuffled == judge_rprm(ScriptedWorker(), prompts, k=4)


def test_equal_steps_sample_equal_trajectories_wherever_they_stand() -> None:
    prompt, other = prompts_of(5, 6)
    first, _, last = judge_rprm(ScriptedWorker(), [prompt, other, prompt], k=2)
    assert first == last


def test_another_seed_samples_other_trajectories() -> None:
    prompts = prompts_of(5)
    one, two = (judge_rprm(ScriptedWorker(), prompts, k=2, seed=seed) for seed in (1, 2))
    assert one != two


def test_a_failing_step_stops_the_others_and_raises_itself() -> None:
    worker = ScriptedWorker({1: Fault.TIMED_OUT}, latency_s=0.01)
    with pytest.raises(WorkerUnavailable) as caught:
        judge_rprm(worker, prompts_of(5, 6, 7), k=2)
    assert isinstance(caught.value.__cause__, httpx.ReadTimeout)
    assert len(worker.requests) == 3


def test_a_context_without_room_for_an_analysis_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="STEPREWARD_RPRM_MAX_TOKENS"):
        rprm(context_tokens=MAX_TOKENS + 10)


# seeds


def test_equal_content_and_seed_give_an_equal_seed() -> None:
    assert content_seed(Prompt((1, 2, 3), 0, 0), 7) == content_seed(Prompt((1, 2, 3), 0, 0), 7)


def test_the_number_of_references_alone_does_not_change_the_seed() -> None:
    assert content_seed(Prompt((1, 2, 3), 1, 2), 7) == content_seed(Prompt((1, 2, 3), 0, 0), 7)


def test_seeds_differ_by_prompt_and_by_seed() -> None:
    prompts = [(), (1,), (2,), (1, 2), (2, 1), (12,)]
    seeds = [content_seed(Prompt(prompt, 0, 0), seed) for prompt in prompts for seed in (0, 1, 12)]
    assert len(set(seeds)) == len(seeds)


def test_seeds_stand_in_the_range_that_the_worker_takes() -> None:
    seeds = [content_seed(Prompt((number,), 0, 0), 2**63 - 1) for number in range(300)]
    assert min(seeds) >= 0
    assert max(seeds) < 2**63
    assert max(seeds) > 2**62


# on a real socket, as the service calls it


def closes_at_once(sock: socket.socket) -> None:
    sock.close()


def closes_after_the_request(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.close()


def resets_in_the_answer(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def says_no_http(sock: socket.socket) -> None:
    sock.recv(65536)
    sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    sock.close()


def says_nothing(sock: socket.socket) -> None:
    time.sleep(3)
    sock.close()


def call_of_a_server_that(*behaves: Callable[[socket.socket], None], stays: bool = False) -> BaseException:
    """What a call raises of a server that takes one connection after the other; `stays`: others are answered 200."""

    def serve(listening: socket.socket) -> None:
        for behave in behaves:
            sock, _ = listening.accept()
            behave(sock)
        if not stays:
            listening.close()
            return
        sock, _ = listening.accept()
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        sock.close()

    async def run(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, transport=AiohttpTransport(), timeout=2) as http:
            await connected(WorkerClient(http)).label_probabilities([[1]], LABELS, TokenCount())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        with pytest.raises(WorkerUnavailable) as caught:
            asyncio.run(run(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        thread.join()
    return caught.value


BREAKS = [closes_at_once, closes_after_the_request, resets_in_the_answer, says_no_http]


@pytest.mark.parametrize("behave", BREAKS)
def test_a_worker_that_breaks_off_and_is_gone_died(behave) -> None:
    assert type(call_of_a_server_that(behave)) is WorkerDied


@pytest.mark.parametrize("behave", BREAKS)
def test_a_worker_that_breaks_off_and_lives_is_faulty(behave) -> None:
    assert type(call_of_a_server_that(behave, stays=True)) is WorkerFaulty


def test_a_worker_that_takes_no_connection_is_unreachable() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"

        async def run() -> None:
            async with httpx.AsyncClient(base_url=url, transport=AiohttpTransport(), timeout=2) as http:
                await connected(WorkerClient(http)).label_probabilities([[1]], LABELS, TokenCount())

        with pytest.raises(WorkerUnreachable):
            asyncio.run(run())


def test_a_worker_that_is_silent_is_faulty_when_its_time_is_over() -> None:
    fault = call_of_a_server_that(says_nothing)
    assert type(fault) is WorkerFaulty
