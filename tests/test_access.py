"""API keys: who is let in, to what, and how the file of keys is read, again too."""

import base64
import hashlib
import json
import logging
import os
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scripted_worker import ScriptedWorker
from stepreward.access import Gate, presented_key
from stepreward.api.app import create_app
from stepreward.embedded.preflight import check_exposure
from stepreward.errors import BudgetSpent, ConfigurationError, NotAllowed, Unauthenticated
from stepreward.settings import Settings
from stepreward.tenants import Tenant, TokenBudget
from test_api import assert_is_error, with_api
from test_pipeline import item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

SCORE, METRICS, OTHER = ("score-" + "s" * 20, "metrics-" + "m" * 20, "other-" + "o" * 20)
ONE = {"items": [item(0)]}


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def key(text: str, tenant: str, *scopes: str) -> dict[str, object]:
    return {"tenant": tenant, "scopes": list(scopes), "sha256": hashlib.sha256(text.encode()).hexdigest()}


KEYS = [key(SCORE, "trainer", "scoring"), key(METRICS, "prometheus", "metrics"), key(OTHER, "other", "scoring")]


def write(path: Path, keys: list[dict[str, object]] = KEYS, **more: object) -> Path:
    """Never with the size, time and number of the file before it, as on a slow disk they could be."""
    path.write_text(json.dumps({"keys": keys, **more}))
    os.utime(path, ns=(0, write_count() * 10**9))
    return path


def write_count(count: list[int] = [0]) -> int:  # noqa: B006
    count[0] += 1
    return count[0]


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(write(tmp_path / "keys.json"))


# over HTTP


def test_every_route_but_health_wants_a_key_and_a_path_that_is_not_served_too(gate: Gate) -> None:
    async def ask(http: httpx.AsyncClient) -> dict[str, int]:
        paths = {route.path: sorted(route.methods)[0] for route in create_app().routes if isinstance(route, APIRoute)}
        paths |= {"/docs": "GET", "/openapi.json": "GET", "/no/such/path": "GET"}
        return {path: (await http.request(method, path)).status_code for path, method in paths.items()}

    statuses = with_api(ask, gate=gate)
    assert {path for path, status in statuses.items() if status != 401} == {"/livez", "/readyz"}
    assert "/score" in statuses


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("x"), bearer(SCORE + "x"), bearer(SCORE[:-1]), bearer(""), {"Authorization": SCORE}, {"api-key": "x"}],
)
def test_without_a_known_key_the_answer_is_401_and_says_how_to_send_one(gate: Gate, headers: dict[str, str]) -> None:
    answer = with_api(lambda http: http.post("/score", json=ONE, headers=headers), gate=gate)
    said = assert_is_error(answer, 401, "unauthenticated")
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert SCORE[:-1] not in said["message"]


def test_a_key_opens_what_it_is_for_and_nothing_else(gate: Gate) -> None:
    async def ask(http: httpx.AsyncClient) -> list[int]:
        return [
            (await http.post("/score", json=ONE, headers=bearer(SCORE))).status_code,
            (await http.post("/score", json=ONE, headers=bearer(METRICS))).status_code,
            (await http.get("/metrics", headers=bearer(METRICS))).status_code,
            (await http.get("/metrics", headers=bearer(SCORE))).status_code,
            (await http.get("/no/such/path", headers=bearer(SCORE))).status_code,
        ]

    assert with_api(ask, gate=gate) == [200, 403, 200, 403, 404]


def test_a_key_in_the_address_is_enough_for_clients_that_send_no_header(gate: Gate) -> None:
    answer = with_api(lambda http: http.post(f"http://any:{SCORE}@api/score", json=ONE), gate=gate)
    assert answer.status_code == 200


def test_tenants_share_no_judgement_and_no_prefix_of_the_worker_and_a_tenant_s_two_keys_do(tmp_path: Path) -> None:
    second = "second-" + "z" * 20
    gate, worker = Gate(write(tmp_path / "keys.json", [*KEYS, key(second, "trainer", "scoring")])), ScriptedWorker()

    async def ask(http: httpx.AsyncClient) -> list[bool]:
        found = []
        for text in (SCORE, OTHER, second):
            answer = await http.post("/score", json=ONE, headers=bearer(text))
            found.append(answer.json()["items"][0]["cached"])
        return found

    assert with_api(ask, worker, gate=gate) == [False, False, True]
    salts = [body["cache_salt"] for body in worker.requests if "logprob_token_ids" in body]
    assert len(set(salts)) == 2
    assert not any(name in salt for salt in salts for name in ("trainer", "other", SCORE, OTHER))


def test_every_call_of_a_worker_for_a_tenant_carries_its_salt(gate: Gate) -> None:
    worker = ScriptedWorker()
    body = {**ONE, "method": "rprm", "trajectories": {"k": 2}}
    assert with_api(lambda http: http.post("/score", json=body, headers=bearer(SCORE)), worker, gate=gate).is_success
    assert {request["cache_salt"] for request in worker.requests} == {Tenant("trainer").salt}


def test_without_keys_no_salt_is_sent() -> None:
    worker = ScriptedWorker()
    assert with_api(lambda http: http.post("/score", json=ONE), worker).is_success
    assert not any("cache_salt" in request for request in worker.requests)


def test_a_spent_budget_is_429_with_retry_after_until_it_is_made_up_for(tmp_path: Path) -> None:
    clock = Clock()
    gate = Gate(write(tmp_path / "keys.json", tenants={"trainer": {"tokens_per_minute": 60}}), clock=clock)

    async def ask(http: httpx.AsyncClient) -> list[httpx.Response]:
        first = await http.post("/score", json={"items": [item(0)]}, headers=bearer(SCORE))
        spent = await http.post("/score", json={"items": [item(1)]}, headers=bearer(SCORE))
        known = await http.post("/score", json={"items": [item(0)]}, headers=bearer(SCORE))
        other = await http.post("/score", json={"items": [item(1)]}, headers=bearer(OTHER))
        clock.now_s += 10_000
        later = await http.post("/score", json={"items": [item(1)]}, headers=bearer(SCORE))
        return [first, spent, known, other, later]

    answers = with_api(ask, gate=gate)
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200, 200]
    assert assert_is_error(answers[1], 429, "budget_spent")["retryable"] is True
    assert int(answers[1].headers["Retry-After"]) >= 1


# the key in a request


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"authorization": basic("any:abc")}, "abc"),
        ({"authorization": basic(":a:c")}, "a:c"),
        ({"authorization": basic("abc")}, None),
        ({"authorization": "Basic not base64!"}, None),
        ({"authorization": "Basic /w=="}, None),
        ({"authorization": "Digest abc"}, None),
        ({"api-key": "abc"}, "abc"),
        ({}, None),
    ],
)
def test_a_key_is_found_where_clients_put_it(headers: dict[str, str], found: str | None) -> None:
    assert presented_key(headers) == found


@given(st.text(max_size=200))
def test_no_header_is_more_than_refused(gate_of_a_module: Gate, text: str) -> None:
    with pytest.raises(Unauthenticated):
        gate_of_a_module.admit({"authorization": text}, "scoring")


@pytest.fixture(scope="module")
def gate_of_a_module(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(write(tmp_path_factory.mktemp("keys") / "keys.json"))


def bearer_lower(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


# the file


def test_the_file_may_be_toml_and_hold_the_key_itself(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'[[keys]]\ntenant = "a"\nscopes = ["scoring", "metrics"]\nkey = "{SCORE}"\n')
    assert Gate(path).admit(bearer_lower(SCORE), "metrics").name == "a"


def test_a_changed_file_is_read_again_so_that_a_key_can_be_rotated(tmp_path: Path) -> None:
    path, clock = write(tmp_path / "keys.json"), Clock()
    gate, new = Gate(path, clock=clock), "new-" + "n" * 20
    write(path, [*KEYS, key(new, "trainer", "scoring")])
    clock.now_s += 2
    assert gate.admit(bearer_lower(SCORE), "scoring") == gate.admit(bearer_lower(new), "scoring")
    write(path, [key(new, "trainer", "scoring")])
    clock.now_s += 2
    assert gate.admit(bearer_lower(new), "scoring").name == "trainer"
    with pytest.raises(Unauthenticated):
        gate.admit(bearer_lower(SCORE), "scoring")


def test_a_mounted_secret_that_is_replaced_by_its_link_is_read_again(tmp_path: Path) -> None:
    """As Kubernetes does it: the new files stand beside the old ones, and a link is moved."""
    old, new, link, clock = tmp_path / "1.json", tmp_path / "2.json", tmp_path / "keys.json", Clock()
    write(old)
    write(new, [key(METRICS, "trainer", "scoring")])
    link.symlink_to(old)
    gate = Gate(link, clock=clock)
    (tmp_path / "link").symlink_to(new)
    (tmp_path / "link").replace(link)
    clock.now_s += 2
    assert gate.admit(bearer_lower(METRICS), "scoring").name == "trainer"


@pytest.mark.parametrize("spoil", ["empty", "gone", "no keys"])
def test_a_file_that_cannot_be_used_any_more_changes_nothing_and_is_told_once_without_a_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: str
) -> None:
    path, clock = write(tmp_path / "keys.json"), Clock()
    gate = Gate(path, clock=clock)
    if spoil == "gone":
        path.unlink()
    elif spoil == "empty":
        path.write_text("")
    else:
        write(path, [])
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            clock.now_s += 2
            assert gate.admit(bearer_lower(SCORE), "scoring").name == "trainer"
    assert [record.message for record in caplog.records] == ["keys_not_reloaded"]


def test_what_is_spent_of_a_budget_stays_spent_when_the_file_is_read_again(tmp_path: Path) -> None:
    path, clock = write(tmp_path / "keys.json", tenants={"trainer": {"tokens_per_minute": 100}}), Clock()
    gate = Gate(path, clock=clock)
    gate.admit(bearer_lower(SCORE), "scoring").spend(1000)
    write(path, [*KEYS, key("x" * 20, "trainer", "scoring")], tenants={"trainer": {"tokens_per_minute": 100}})
    clock.now_s += 2
    with pytest.raises(BudgetSpent):
        gate.admit(bearer_lower(SCORE), "scoring").spend(1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "file"),
        ('{"keys": []}', "keys"),
        (json.dumps({"keys": [{"tenant": "a", "scopes": ["scoring"]}]}), "sha256 or key"),
        (json.dumps({"keys": [key("a", "a", "everything")]}), "keys.0.scopes"),
        (json.dumps({"keys": [key("a", "a b", "scoring")]}), "keys.0.tenant"),
        (json.dumps({"keys": [key("a", "a")]}), "keys.0.scopes"),
        (json.dumps({"keys": [{"tenant": "a", "scopes": ["scoring"], "key": "tooShort-S3cret"}]}), "keys.0.key"),
        (json.dumps({"keys": [key("a", "a", "scoring") | {"note": "S3cret"}]}), "keys.0.note"),
        (json.dumps({"keys": [key("a", "a", "scoring")], "tenants": {"b": {}}}), "the tenant b has no key"),
        (json.dumps({"keys": [key("a", "a", "scoring")], "tenants": {"a": {"tokens_per_minute": 0}}}), "tenants.a"),
    ],
)
def test_a_file_of_another_form_is_refused_by_its_place_and_nothing_of_it_repeated(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"^STEPREWARD_KEYS_FILE: ") as refused:
        Gate(path)
    assert said in refused.value.message
    assert "S3cret" not in refused.value.message


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"STEPREWARD_KEYS_FILE: .*none.json: No such file"):
        Gate(tmp_path / "none.json")


def test_a_key_for_one_thing_is_not_for_another(gate: Gate) -> None:
    with pytest.raises(NotAllowed, match="corpus"):
        gate.admit(bearer_lower(SCORE), "corpus")


# where keys must be


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_an_address_that_others_reach_needs_keys_or_the_word_that_none_are_wanted(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match="STEPREWARD_KEYS_FILE"):
        check_exposure(Settings(host=host))
    check_exposure(Settings(host=host, allow_no_keys=True))
    check_exposure(Settings(host=host, keys_file=write(tmp_path / "keys.json")))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_s_own_addresses_need_none(host: str) -> None:
    check_exposure(Settings(host=host))


# budgets


def test_a_budget_is_taken_on_while_something_is_left_and_what_was_too_much_is_made_up_for() -> None:
    clock = Clock()
    budget = TokenBudget(60, clock)
    budget.spend(90)
    with pytest.raises(BudgetSpent) as refused:
        budget.spend(1)
    assert refused.value.retry_after_s == pytest.approx(30)
    clock.now_s += 31
    budget.spend(1)


def test_a_budget_grows_to_one_minute_s_worth_and_not_beyond() -> None:
    clock = Clock()
    budget = TokenBudget(60, clock)
    clock.now_s += 3600
    budget.spend(60)
    with pytest.raises(BudgetSpent):
        budget.spend(1)


def test_what_is_known_costs_nothing_even_where_nothing_is_left() -> None:
    budget = TokenBudget(60, Clock())
    budget.spend(100)
    budget.spend(0)
