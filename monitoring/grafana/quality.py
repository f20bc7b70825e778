"""Reward quality: do the scores still mean what they did, and is somebody learning to please the judge."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from monitoring.grafana.panels import JOB, RATE, Line, bars, dashboard, distribution, lines

_RUN = f'{JOB}, run=~"$run"'


def build() -> Dashboard:
    return dashboard(
        "quality",
        "Reward quality",
        "Scores by run, what they depend on, how judges agree, how near references are. Alerts: docs/runbook.md",
        [
            ("Scores", _SCORES),
            ("Solutions", _SOLUTIONS),
            ("Judges", _JUDGES),
            ("Canaries", _CANARIES),
            ("References", _REFERENCES),
        ],
    )


def _mean(name: str, by: str, where: str, span: str = RATE) -> str:
    return (
        f"sum by ({by}) (rate({name}_sum{{{where}}}{span})) / (sum by ({by}) (rate({name}_count{{{where}}}{span})) > 0)"
    )


def _median(name: str) -> str:
    return f"histogram_quantile(0.5, sum by (le) (rate({name}_bucket{{{JOB}}}{RATE})))"


def _share(part: str, whole: str) -> str:
    return f"sum(rate({part}{RATE})) / sum(rate({whole}{RATE}))"


_SCORES = [
    lines(
        "Mean score of solutions, by run",
        Line(_mean("stepreward_solution_score", "run", _RUN), "{{run}}"),
        unit="percentunit",
        about="A slow rise is training; a jump is something else",
    ),
    distribution("Scores of solutions", "stepreward_solution_score", _RUN),
    distribution("Scores of steps", "stepreward_step_score", _RUN),
]

_SOLUTIONS = [
    bars(
        "Mean score by length, over an hour",
        f"sort_desc(sum by (steps_up_to) (increase(stepreward_solution_score_by_length_sum{{{JOB}}}[1h])) "
        f"/ (sum by (steps_up_to) (increase(stepreward_solution_score_by_length_count{{{JOB}}}[1h])) > 0))",
        "up to {{steps_up_to}} steps",
        "percentunit",
        "The aggregate min falls with length; scores that rise with it are paid for writing more",
    ),
    distribution("First wrong step", "stepreward_first_error_step", about="Its position, from 1"),
    lines(
        "Solutions by first wrong step",
        Line(f"sum by (first_error) (rate(stepreward_solutions_total{{{JOB}}}{RATE}))", "{{first_error}}"),
        unit="ops",
        stacked=True,
    ),
    lines(
        "Steps without content",
        Line(
            _share(f"stepreward_steps_content_free_total{{{JOB}}}", f"stepreward_steps_total{{{JOB}}}"), "content-free"
        ),
        unit="percentunit",
        about="Headings, announcements, punctuation",
    ),
    lines(
        "Items that were short of something",
        Line(f"sum by (reason) (rate(stepreward_items_degraded_total{{{JOB}}}{RATE}))", "{{reason}}"),
        Line(
            f'sum by (outcome) (rate(stepreward_items_total{{{JOB}, outcome="context_overflow"}}{RATE}))',
            "{{outcome}}",
        ),
        unit="ops",
    ),
]

_JUDGES = [
    distribution("p(correct) of verdicts", "stepreward_verdict_p_correct", _RUN),
    lines(
        "Verdicts that were forced or could not be read",
        Line(
            f'sum by (kind) (rate(stepreward_verdicts_total{{{JOB}, kind!="read"}}{RATE})) '
            f"/ on () group_left sum(rate(stepreward_verdicts_total{{{JOB}}}{RATE}))",
            "{{kind}}",
        ),
        unit="percentunit",
    ),
    lines(
        "Variance across the trajectories of a step",
        Line(_mean("stepreward_step_variance", "job", JOB), "mean"),
        about="Near 0, the judge says the same whatever it thinks: see SteprewardTrajectoriesAgree",
    ),
    lines(
        "Steps whose trajectories all agree",
        Line(
            f'sum(rate(stepreward_step_variance_bucket{{{JOB}, le="0.001"}}{RATE})) '
            f"/ sum(rate(stepreward_step_variance_count{{{JOB}}}{RATE}))",
            "variance below 0.001",
        ),
        unit="percentunit",
    ),
    lines(
        "Trajectories a step",
        Line(_mean("stepreward_step_k_used", "job", JOB), "sampled"),
        Line(_mean("stepreward_step_k_valid", "job", JOB), "read"),
    ),
]

_CANARIES = [
    lines(
        "Canaries judged right",
        Line(f"min by (family) (stepreward_canary_pass_rate{{{JOB}}})", "{{family}}"),
        unit="percentunit",
        about="Solutions known to be wrong, or right (clean); what is missing to 100% was confident and wrong",
    ),
    lines("Canaries without a score", Line(f"max by (family) (stepreward_canary_failed{{{JOB}}})", "{{family}}")),
]

_REFERENCES = [
    lines(
        "Median similarity of references",
        Line(_median("stepreward_question_similarity"), "questions"),
        Line(_median("stepreward_step_similarity"), "steps"),
        about="A fall means questions that the corpus does not know",
    ),
    distribution("Similarity of questions", "stepreward_question_similarity"),
    lines(
        "Found and not used",
        Line(f"sum by (kind) (rate(stepreward_references_below_threshold_total{{{JOB}}}{RATE}))", "{{kind}} too far"),
        Line(f"sum(rate(stepreward_duplicates_dropped_total{{{JOB}}}{RATE}))", "duplicate of the question"),
        unit="ops",
    ),
]
