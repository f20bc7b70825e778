"""What judging costs: the reference's way, plain vLLM, and the service, in tokens and in time. docs/judge.md.

    python -m loadtests.judge [--help]

`items` chooses solutions with a trained judge's recorded votes; `votes` stands between service and worker and gives
them; `ways` are the ways compared, `reference` the baseline's second model; `counting` asks the worker what it did;
`one_pass`, `prefix` and `slots` measure the alternatives; `figures` is the arithmetic, `report` what is written.
"""
