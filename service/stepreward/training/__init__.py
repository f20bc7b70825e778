"""Judges trained: labelled solutions → groups → packed serving prompts → LoRA adapters; and R-PRM's chain."""
