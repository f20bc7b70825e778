"""Cost: what a thousand steps take, and what is saved of it."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import JOB, RATE, Line, dashboard, lines, number

_STEPS = f"sum(rate(stepreward_steps_total{{{JOB}}}{RATE}))"


def build() -> Dashboard:
    return dashboard(
        "cost",
        "Cost",
        "Tokens and GPU seconds of a thousand steps; what caches and adaptive K save. See docs/capacity.md",
        [("A thousand steps", _THOUSAND), ("Saved", _SAVED)],
    )


_THOUSAND = [
    number(
        "Worker seconds",
        f"1000 * count(count by (instance, engine) (vllm:num_requests_running)) / {_STEPS}",
        "s",
        "Seconds for which workers are held: the price, when workers are rented",
    ).span(8),
    number(
        "GPU seconds",
        f"1000 * sum(DCGM_FI_DEV_GPU_UTIL / 100) / {_STEPS}",
        "s",
        "Seconds for which GPUs are busy",
    ).span(8),
    number("Steps a day", f"86400 * {_STEPS}", "short", "At the present rate").span(8),
    lines(
        "Tokens",
        Line(
            f'1000 * sum by (kind) (rate(stepreward_tokens_total{{{JOB}, kind!="cached"}}{RATE})) '
            f"/ on () group_left {_STEPS}",
            "{{kind}}",
        ),
        Line(f"1000 * sum(rate(vllm:prefix_cache_hits_total{RATE})) / {_STEPS}", "prompt, from the prefix cache"),
        about="Of a thousand steps",
    ),
    lines("Steps a second", Line(f"sum by (method) (rate(stepreward_steps_total{{{JOB}}}{RATE}))", "{{method}}")),
]

_SAVED = [
    lines(
        "Where judgements come from",
        Line(
            f"sum by (origin) (rate(stepreward_cache_steps_total{{{JOB}}}{RATE})) "
            f"/ on () group_left sum(rate(stepreward_cache_steps_total{{{JOB}}}{RATE}))",
            "{{origin}}",
        ),
        unit="percentunit",
        about="All but `computed` cost nothing",
        stacked=True,
    ),
    lines(
        "Trajectories that adaptive K left out",
        Line(
            f"sum(rate(stepreward_trajectories_saved_total{{{JOB}}}{RATE})) "
            f"/ (sum(rate(stepreward_trajectories_saved_total{{{JOB}}}{RATE})) "
            f"+ sum(rate(stepreward_step_k_used_sum{{{JOB}}}{RATE})))",
            "share",
        ),
        unit="percentunit",
    ),
    lines(
        "Prompt tokens from the prefix cache",
        Line(
            f"sum(rate(vllm:prefix_cache_hits_total{RATE})) / sum(rate(vllm:prefix_cache_queries_total{RATE}))",
            "share",
        ),
        unit="percentunit",
    ),
    lines(
        "Texts whose vector was known",
        Line(
            f'sum(rate(stepreward_encoder_texts_total{{{JOB}, source="cache"}}{RATE})) '
            f"/ sum(rate(stepreward_encoder_texts_total{{{JOB}}}{RATE}))",
            "share",
        ),
        unit="percentunit",
    ),
    lines(
        "Judgements in memory",
        Line(f"sum by (instance) (stepreward_cache_bytes{{{JOB}}})", "{{instance}}"),
        unit="bytes",
    ),
]
