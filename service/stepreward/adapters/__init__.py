"""Reward functions of RL frameworks that are named in their configuration, over a running service.

    trl         reward_funcs=[StepReward(...)], or `--reward_funcs stepreward.adapters.trl.reward`
    verl        reward.custom_reward_function.path=pkg://stepreward.adapters.verl  .name=compute_score
    areal       reward_fn="stepreward.adapters.areal.reward_fn"
    skyrl       an environment: register(id="stepreward", entry_point="stepreward.adapters.skyrl:StepRewardEnv")
    token_rewards   step scores on the tokens of a response, for dense rewards

Where the configuration has no place for an address, it is STEPREWARD_CLIENT_URL; a key is STEPREWARD_CLIENT_API_KEY.
"""
