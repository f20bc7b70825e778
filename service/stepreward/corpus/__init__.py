"""Corpora of solved questions with labelled steps: made here, read from files, built into a snapshot."""
