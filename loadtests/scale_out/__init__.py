"""What more workers bring, behind the real vllm-router: throughput, prefix-cache hits by policy, a worker killed.

    scripts/ops.sh router && python -m loadtests.scale_out {workers,routing,kill,real}     # docs/bench/scale_out.json

load      best of N, as an RL step asks for it: many questions at once, eight rollouts each, in no order
cluster   workers, the router before them, a gateway before that
"""
