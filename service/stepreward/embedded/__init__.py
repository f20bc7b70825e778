"""One machine, one command: the model, the vector engine and the worker, prepared, started and watched."""
