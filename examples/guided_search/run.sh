#!/usr/bin/env bash
# Search for a solution, beside `make serve`: its worker is the policy, the service judges. In real use the policy is any
# vLLM server: --policy-url http://POLICY:8000 --model NAME
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${STEPREWARD:-.venv/bin/stepreward}" search "What is 12 * 17?" --policy-url http://127.0.0.1:8081 \
  --model embedded-judge --strategy beam --width 2 --proposals 3 --step-tokens 48 --budget-tokens 600 "$@"
