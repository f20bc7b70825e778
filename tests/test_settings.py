"""Settings from the environment and from flags, and what is said about a wrong one."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from stepreward.errors import ConfigurationError
from stepreward.settings import ENV_PREFIX, JUDGE, Settings

FIELDS = Settings.model_fields
TEXTS = {str, Path, str | None, Path | None, SecretStr | None}
# Every field that does not take any text: numbers and choices.
CHECKED = [name for name, field in FIELDS.items() if field.annotation not in TEXTS]
BOUNDED = {
    "port": ["0", "65536", "-1", "80.5", ""],
    "worker_context_tokens": ["255", "lots"],
    "worker_timeout_s": ["0", "-1", "nan", "ten"],
    "qdrant_timeout_s": ["0", "nan", "3601"],
    "qdrant_breaker_failures": ["0", "1.5"],
    "qdrant_breaker_pause_s": ["0", "inf"],
    "qdrant_grpc_port": ["0", "65536"],
    "qdrant_hnsw_m": ["0", "129"],
    "qdrant_hnsw_ef": ["0"],
    "qdrant_quantization": ["binary", "int8", ""],
    "qdrant_shards": ["0"],
    "qdrant_replicas": ["0"],
    "retrieval_questions": ["-1", "17"],
    "retrieval_duplicate_similarity": ["0", "1.01", "nan"],
    "retrieval_exclude_duplicates": ["perhaps", ""],
    "retrieval_policy": ["Require", "ignore", ""],
    "retrieval_reranker": ["Lexical", "bm25", ""],
    "retrieval_rerank_candidates": ["1", "17"],
    "retrieval_min_similarity": ["1.01", "-1.01", "nan", "inf"],
    "trajectories": ["0", "65"],
    "rprm_temperature": ["0", "2.1", "nan"],
    "rprm_top_p": ["0", "1.1", "nan"],
    "max_body_bytes": ["1023", "1e400"],
    "max_items": ["0"],
    "max_steps": ["0"],
    "max_text_chars": ["0"],
    "method": ["RetSP", "both", ""],
    "device": ["gpu"],
    "log_level": ["INFO", "verbose"],
}


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests."""
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)


# where values come from


def test_without_environment_and_flags_every_field_has_its_default():
    assert Settings.load().model_dump() == {name: field.get_default() for name, field in FIELDS.items()}


def test_a_value_is_taken_from_the_environment(monkeypatch):
    monkeypatch.setenv("STEPREWARD_PORT", "9000")
    monkeypatch.setenv("STEPREWARD_DATA_DIR", "/data/x")
    monkeypatch.setenv("STEPREWARD_RPRM_TOP_P", "0.5")
    settings = Settings.load()
    assert (settings.port, settings.data_dir, settings.rprm_top_p) == (9000, Path("/data/x"), 0.5)


def test_a_flag_stands_above_the_environment(monkeypatch):
    monkeypatch.setenv("STEPREWARD_PORT", "9000")
    monkeypatch.setenv("STEPREWARD_MAX_ITEMS", "7")
    settings = Settings.load({"port": "9001"})
    assert (settings.port, settings.max_items) == (9001, 7)


def test_a_good_flag_does_not_excuse_a_bad_environment(monkeypatch):
    monkeypatch.setenv("STEPREWARD_MAX_ITEMS", "none")
    with pytest.raises(ConfigurationError, match="STEPREWARD_MAX_ITEMS"):
        Settings.load({"port": "9001"})


def test_the_environment_of_other_programs_is_not_looked_at(monkeypatch):
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("STEPREWARDS_PORT", "2")
    assert Settings.load().port == 8080


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load().port = 1


def test_a_child_process_gets_equal_settings_from_the_environment(monkeypatch):
    given = {"port": "9000", "model": "Qwen/Qwen2.5-Math-7B", "rprm_temperature": "0.7", "data_dir": "/data x"}
    settings = Settings.load(given | {"qdrant_api_key": "s3cret", "worker_url": "http://w:1", "device": "cuda"})
    for name, value in settings.as_env().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == settings


def test_a_child_process_is_given_only_what_was_set(monkeypatch):
    monkeypatch.setenv("STEPREWARD_MAX_ITEMS", "7")
    assert Settings.load({"port": 9000}).as_env() == {"STEPREWARD_MAX_ITEMS": "7", "STEPREWARD_PORT": "9000"}


# what is refused


@pytest.mark.parametrize("name", ["STEPREWARD_PROT", "STEPREWARD_", "STEPREWARD_MODEL_CONFIG", "STEPREWARD_MODEL_PATH"])
def test_an_unknown_setting_in_the_environment_is_refused_by_its_name(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigurationError, match=rf"unknown setting {name}$"):
        Settings.load()


def test_an_unknown_setting_among_the_flags_is_refused_by_its_name():
    with pytest.raises(ConfigurationError, match="STEPREWARD_PROT"):
        Settings.load({"prot": "1"})


@pytest.mark.parametrize("name", CHECKED)
def test_a_value_of_another_kind_is_refused_by_the_name_of_its_setting(monkeypatch, name):
    monkeypatch.setenv(ENV_PREFIX + name.upper(), "neither number nor choice")
    with pytest.raises(ConfigurationError, match=rf"^{ENV_PREFIX}{name.upper()}: "):
        Settings.load()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BOUNDED.items() for value in values])
def test_a_value_out_of_its_bounds_is_refused_by_the_name_of_its_setting(monkeypatch, name, value):
    monkeypatch.setenv(ENV_PREFIX + name.upper(), value)
    with pytest.raises(ConfigurationError, match=rf"^{ENV_PREFIX}{name.upper()}: "):
        Settings.load()


def test_a_refused_flag_is_named_like_the_environment():
    with pytest.raises(ConfigurationError, match=r"^STEPREWARD_PORT: "):
        Settings.load({"port": "http"})


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"port": "8081"}, ["port", "worker_port"]),
        ({"worker_port": "6333"}, ["worker_port", "qdrant_port"]),
        ({"port": "7000", "qdrant_port": "7000"}, ["port", "qdrant_port"]),
    ],
)
def test_two_parts_on_one_port_are_refused_by_the_names_of_their_settings(given, named):
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(given)
    assert all(name in caught.value.message for name in named)


@pytest.mark.parametrize("name", ["qdrant_grpc_port", "qdrant_shards", "qdrant_replicas"])
def test_what_the_embedded_engine_cannot_do_is_refused_and_a_server_may_be_asked_for_it(name):
    with pytest.raises(ConfigurationError, match=rf"{name}: .*qdrant_url"):
        Settings.load({name: "2"})
    assert getattr(Settings.load({name: "2", "qdrant_url": "http://q:1"}), name) == 2


@pytest.mark.parametrize("prefix", ["", "a/b", "a b", "ä", "x" * 65])
def test_a_prefix_that_no_collection_can_have_is_refused(prefix):
    with pytest.raises(ConfigurationError, match="STEPREWARD_QDRANT_COLLECTION_PREFIX"):
        Settings.load({"qdrant_collection_prefix": prefix})


def test_three_different_ports_are_taken():
    settings = Settings.load({"port": "1", "worker_port": "2", "qdrant_port": "3"})
    assert (settings.port, settings.worker_port, settings.qdrant_port) == (1, 2, 3)


# what is told


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_is_described(name):
    assert len(FIELDS[name].description or "") > 10


@pytest.mark.parametrize("name", [name for name in FIELDS if name.endswith(("_key", "_token", "_secret", "_password"))])
def test_a_secret_is_in_no_text_of_the_settings(name):
    settings = Settings.load({name: "s3cret"})
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert getattr(settings, name).get_secret_value() == "s3cret"


def test_a_refusal_repeats_no_secret():
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"qdrant_api_key": "s3cret", "port": "s3cret-too"})
    assert "s3cret" not in caught.value.message


# what follows from them


def test_a_worker_and_a_store_that_are_not_named_are_those_that_serve_starts():
    settings = Settings.load({"worker_port": "9001", "qdrant_port": "9002"})
    assert settings.effective_worker_urls == ["http://127.0.0.1:9001"]
    assert settings.effective_qdrant_url == "http://127.0.0.1:9002"


def test_a_worker_and_a_store_that_are_named_are_called():
    settings = Settings.load({"worker_url": "http://w:1", "qdrant_url": "http://q:2"})
    assert (settings.effective_worker_urls, settings.effective_qdrant_url) == (["http://w:1"], "http://q:2")


def test_the_embedded_models_lie_in_the_data_directory_and_another_is_taken_as_named():
    assert Settings.load({"data_dir": "/d"}).model_path == "/d/models/smollm2-135m-judge"
    assert Settings.load({"data_dir": "/d", "model": "embedded"}).model_path == "/d/models/smollm2-135m-instruct"
    assert Settings.load({"data_dir": "/d", "model": "org/name"}).model_path == "org/name"


def test_the_embedded_judge_alone_brings_its_words_and_its_calibration():
    judge = Settings.load({})
    assert [judge.effective_retsp_template, judge.effective_rprm_template] == [JUDGE / "retsp.txt", JUDGE / "rprm.txt"]
    assert judge.effective_calibration == JUDGE / "calibration.json"
    for model in ("embedded", "org/name"):
        plain = Settings.load({"model": model})
        assert plain.effective_retsp_template is plain.effective_rprm_template is plain.effective_calibration is None
        assert plain.model_adapters is None


def test_the_embedded_judge_gets_references_only_where_they_are_set():
    assert Settings.load({"model": "embedded"}).effective_references == (1, 1)
    assert Settings.load({}).effective_references == (0, 0)
    assert Settings.load({"retrieval_steps": 2}).effective_references == (0, 2)


def test_a_template_of_the_users_own_takes_the_calibration_of_the_judge_away(tmp_path: Path):
    assert Settings.load({"retsp_template": str(tmp_path / "words.txt")}).effective_calibration is None
    own = tmp_path / "calibration.json"
    assert Settings.load({"calibration": str(own)}).effective_calibration == own
    assert Settings.load({"calibration": "none"}).effective_calibration is None
