"""Guided search: a policy proposes next steps, the service scores them, a strategy says where to go on.

tree.py        what was proposed and how it was scored
strategies.py  greedy (R-PRM's), beam, Monte-Carlo tree search: from a tree to the nodes to expand; pure
policy.py      a policy behind an OpenAI-compatible endpoint, as any vLLM is
run.py         rounds until the budget is spent; each round is in the trace before the next begins
picture.py     a tree as a page
"""
