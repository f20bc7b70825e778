#!/usr/bin/env bash
# What OpenRLHF sends for one rollout, and what it gets, beside `make serve`. In real use, on its command line:
#   --reward.remote_url "http://HOST:8080/get_reward?method=rprm&k=4&run=NAME"
set -euo pipefail
exec curl -sS "${STEPREWARD_URL:-http://127.0.0.1:8080}/get_reward" -H 'Content-Type: application/json' -d '{
  "query": ["<|im_start|>user\nWhat is 12 * 17?<|im_end|>\n<|im_start|>assistant\n12 * 17 = 12 * 10 + 12 * 7.\n\nSo it is 120 + 84 = 204.<|im_end|>"],
  "prompts": ["<|im_start|>user\nWhat is 12 * 17?<|im_end|>\n<|im_start|>assistant\n"],
  "labels": ["204"]}'
