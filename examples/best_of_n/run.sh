#!/usr/bin/env bash
# Choose among candidate solutions, beside `make serve`. In real use: a file of your own, and
#   stepreward best-of-n FILE -o chosen.jsonl --method rprm --halving
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${STEPREWARD:-.venv/bin/stepreward}" best-of-n examples/best_of_n/candidates.jsonl "$@"
