# `make` alone lists the targets. Needs Linux x86-64, Python >= 3.11 and GNU make >= 4; everything else is installed
# into .venv (and uv into .tools, where there is none).
#
#   DEVICE=cpu|cuda   which build of vLLM to install; without it cuda where a GPU is found
#   ARGS="--port 80"  more arguments of `stepreward serve`, or of the benchmark
#   PYTEST_ARGS="-k supervisor"

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ifndef DEVICE
override DEVICE := $(or $(filter cpu cuda,$(STEPREWARD_DEVICE)),$(shell scripts/setup.sh find-device))
else ifeq ($(filter cpu cuda,$(DEVICE)),)
$(error DEVICE is cpu or cuda, not "$(DEVICE)")
else
export STEPREWARD_DEVICE := $(DEVICE)
endif

BIN := .venv/bin
# One stamp for each kind of installation; setup.sh removes those that it makes untrue.
STAMP := .venv/.setup-$(DEVICE)
DEV_STAMP := $(STAMP)-dev
CLIENTS_STAMP := .tools/clients/.setup
INPUTS := pyproject.toml uv.lock scripts/setup.sh
CACHES := .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist

.PHONY: help setup serve test test-clients ops-check dashboards-pictures loadtest chaos-ingest chaos chaos-edge bench-retrieval bench-overload bench-clients bench-judge lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## install the service and its worker into .venv

serve: $(STAMP) ## start the vector engine, the worker and the gateway on this machine
	@exec $(BIN)/stepreward serve $(ARGS)

test: $(DEV_STAMP) ## run all tests, the live ones too
	@exec $(BIN)/pytest $(PYTEST_ARGS)

test-clients: $(DEV_STAMP) $(CLIENTS_STAMP) ## let the RL frameworks themselves call a running service; 2 minutes
	@exec .tools/clients/bin/python -m pytest -c tests/clients/pytest.ini tests/clients $(PYTEST_ARGS)

chaos-ingest: $(DEV_STAMP) ## kill an ingest 50 times; docs/bench/ingest_chaos.json
	@exec $(BIN)/python -m loadtests.chaos_ingest

chaos: $(DEV_STAMP) ## kill, freeze and poison workers under load; docs/bench/chaos.md
	@exec $(BIN)/python -m loadtests.chaos $(ARGS)

lint: $(DEV_STAMP) ## check style, types, and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

ops-check: $(DEV_STAMP) ## check rules, alerts, dashboards, images, compose and Kubernetes by their own tools
	@scripts/ops.sh tools
	@scripts/ops.sh check

dashboards-pictures: $(DEV_STAMP) ## draw the dashboards with what a loaded service told, into docs/dashboards; 5 minutes
	@scripts/ops.sh tools
	@scripts/ops.sh pictures
	@exec $(BIN)/python -m monitoring.grafana.pictures $(ARGS)

loadtest: ## put load on URL: PROFILE=rl|rerank|mixed|soak, USERS, SECONDS, SAVED=another run, NAME of this one
	@scripts/loadtest.sh "$(or $(PROFILE),mixed)" "$(URL)" "$(or $(USERS),8)" "$(or $(SECONDS),60)" "$(NAME)" "$(SAVED)"

format: $(DEV_STAMP) ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

chaos-edge: $(DEV_STAMP) ## replace processes under load, and abuse a gateway; docs/bench/restarts.json and abuse.json
	@exec $(BIN)/python -m loadtests.chaos.restarts
	@exec $(BIN)/python -m loadtests.chaos.abuse

bench-retrieval: $(DEV_STAMP) ## measure retrieval at 10,000 to 1,000,000 steps, into docs/bench; 12 minutes, later 3
	@exec $(BIN)/python -m loadtests.retrieval $(ARGS)

bench-overload: $(DEV_STAMP) ## measure the gateway with more to do than it can, into docs/bench; 8 minutes
	@exec $(BIN)/python -m loadtests.overload $(ARGS)

bench-clients: $(DEV_STAMP) ## measure what clients get: 1,024 posts at once, the SDK's overhead; docs/bench; 4 minutes
	@exec $(BIN)/python -m loadtests.clients $(ARGS)

# As the worker's, the second model's threads sleep while they wait: nothing that is measured spins beside it.
bench-judge: $(DEV_STAMP) ## measure what judging costs, against R-PRM's own way and plain vLLM, into docs/bench; 10 minutes
	@OMP_WAIT_POLICY=PASSIVE exec $(BIN)/python -m loadtests.judge $(ARGS)

clean: ## remove .venv, .tools and all caches; keeps .stepreward
	rm -rf .venv .tools $(CACHES)
	find service tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(INPUTS)
	@scripts/setup.sh install $(DEVICE)

$(DEV_STAMP): $(INPUTS)
	@scripts/setup.sh install $(DEVICE) dev

$(CLIENTS_STAMP): tests/clients/requirements.txt scripts/setup.sh
	@scripts/setup.sh clients
