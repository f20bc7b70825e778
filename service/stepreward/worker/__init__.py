"""Judgements from vLLM: the client of its HTTP interface, and how many trajectories a step gets."""
