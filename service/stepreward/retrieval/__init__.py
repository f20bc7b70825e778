"""References for a solution: encode, reduce, search questions, then search their steps."""
