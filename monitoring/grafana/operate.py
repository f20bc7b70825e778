"""Operate: does it answer, how fast, what waits, and do the parts behind it hold."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import JOB, RATE, Line, dashboard, lines, number, quantiles

_SCORE = f'{JOB}, route="/score"'


def build() -> Dashboard:
    return dashboard(
        "operate",
        "Operate",
        "Requests, queue, workers, GPUs and store. Alerts: docs/runbook.md",
        [
            ("Now", _NOW),
            ("Requests", _REQUESTS),
            ("Queue", _QUEUE),
            ("Workers: vLLM's own metrics", _WORKERS),
            ("GPUs: DCGM exporter", _GPUS),
            ("Vector store: Qdrant's own metrics", _STORE),
        ],
    )


_NOW = [
    number("Scores a second", f"sum(rate(stepreward_requests_total{{{_SCORE}}}{RATE}))", "reqps"),
    number(
        "Faults",
        f"max(job:stepreward_score_faults:ratio_rate5m{{{JOB}}})",
        "percentunit",
        "5xx among all answers",
        0.03,
    ),
    number("Steps a second", f"sum(rate(stepreward_steps_total{{{JOB}}}{RATE}))", "ops"),
    number("In flight", f"sum(stepreward_requests_in_flight{{{JOB}}})"),
    number("Healthy workers", f'max(stepreward_workers{{{JOB}, state="healthy"}})'),
    number(
        "Store breaker",
        f"max(stepreward_store_breaker_state{{{JOB}}})",
        about="0 closed, 1 probing, 2 open",
        red_from=1,
    ),
]

_REQUESTS = [
    lines(
        "Answers by status",
        Line(f"sum by (status) (rate(stepreward_requests_total{{{_SCORE}}}{RATE}))", "{{status}}"),
        unit="reqps",
        stacked=True,
    ),
    lines("Duration", *quantiles("stepreward_request_duration_seconds", _SCORE), unit="s"),
    lines(
        "Failures by reason",
        Line(f'sum by (outcome) (rate(stepreward_items_total{{{JOB}, outcome!="ok"}}{RATE}))', "{{outcome}}"),
        unit="ops",
        about="Items that have no score. What each reason means: docs/errors.md",
        stacked=True,
    ),
    lines(
        "Seconds a second in each stage",
        Line(f"sum by (stage) (rate(stepreward_stage_duration_seconds_sum{{{JOB}}}{RATE}))", "{{stage}}"),
        about="How many requests are in a stage at a time, on average",
    ),
    lines(
        "95% of a stage's times are below",
        Line(
            "histogram_quantile(0.95, "
            f"sum by (le, stage) (rate(stepreward_stage_duration_seconds_bucket{{{JOB}}}{RATE})))",
            "{{stage}}",
        ),
        unit="s",
    ),
    lines(
        "Gateways",
        Line(f"sum by (instance) (rate(process_cpu_seconds_total{{{JOB}}}{RATE}))", "{{instance}} cores"),
        about="Cores in use; above 0.9 for one process, add another",
    ),
]

_QUEUE = [
    lines(
        "Tokens taken on and not finished",
        Line(f"sum by (priority) (stepreward_queue_tokens{{{JOB}}})", "{{priority}}"),
        stacked=True,
    ),
    lines("Wait for a worker", *quantiles("stepreward_queue_seconds", by="priority"), unit="s"),
    lines(
        "Calls of workers by how they ended",
        Line(f"sum by (outcome) (rate(stepreward_worker_attempts_total{{{JOB}}}{RATE}))", "{{outcome}}"),
        unit="ops",
    ),
]

_WORKERS = [
    lines(
        "Requests at workers",
        Line("sum by (instance) (vllm:num_requests_running)", "{{instance}} running"),
        Line("sum by (instance) (vllm:num_requests_waiting)", "{{instance}} waiting"),
    ),
    lines(
        "Tokens a second",
        Line(f"sum(rate(vllm:prompt_tokens_total{RATE}))", "prompt"),
        Line(f"sum(rate(vllm:generation_tokens_total{RATE}))", "generated"),
    ),
    lines(
        "Prompt tokens from the prefix cache",
        Line(
            f"sum by (instance) (rate(vllm:prefix_cache_hits_total{RATE})) "
            f"/ sum by (instance) (rate(vllm:prefix_cache_queries_total{RATE}))",
            "{{instance}}",
        ),
        unit="percentunit",
    ),
    lines(
        "Key-value cache in use",
        Line("max by (instance) (vllm:kv_cache_usage_perc)", "{{instance}}"),
        unit="percentunit",
    ),
    lines("Time to first token", *quantiles("vllm:time_to_first_token_seconds", 'engine!=""'), unit="s"),
    lines("Time of a call", *quantiles("vllm:e2e_request_latency_seconds", 'engine!=""'), unit="s"),
]

_GPUS = [
    lines("Busy", Line("max by (Hostname, gpu) (DCGM_FI_DEV_GPU_UTIL)", "{{Hostname}} {{gpu}}"), unit="percent"),
    lines(
        "Memory in use",
        Line("max by (Hostname, gpu) (DCGM_FI_DEV_FB_USED) * 1048576", "{{Hostname}} {{gpu}}"),
        unit="bytes",
    ),
    lines("Power", Line("max by (Hostname, gpu) (DCGM_FI_DEV_POWER_USAGE)", "{{Hostname}} {{gpu}}"), unit="watt"),
]

_STORE = [
    lines(
        "Calls of Qdrant",
        Line(
            f"sum by (endpoint, status) (rate(rest_responses_duration_seconds_count{RATE}))", "{{status}} {{endpoint}}"
        ),
        unit="reqps",
    ),
    lines("Duration of a call", *quantiles("rest_responses_duration_seconds", 'status="200"'), unit="s"),
    lines(
        "Breaker",
        Line(f"max by (instance) (stepreward_store_breaker_state{{{JOB}}})", "{{instance}}"),
        about="0 closed, 1 probing, 2 open",
    ),
]
