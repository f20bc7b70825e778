"""Evaluations of a running service on labelled solutions.

    labelled.py (what is asked) → ask.py (scorer.py answers) → answers.py (what is on disk, and is the state)
    → processbench.py, prmbench.py, ablation.py, scale_k.py, drift.py (figures) → report.py (summary, tables, plots)

The formulas stand apart and are pure: first_error.py, prmscore.py, step_quality.py, intervals.py.
"""
