"""Faults, made for real and under load: `make chaos`, into docs/bench/chaos.{json,md}."""
