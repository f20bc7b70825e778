"""Prompts as token ids, and how their answers are read. Pure: no network, no clock."""
