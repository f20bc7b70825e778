#!/usr/bin/env bash
# Score a ProcessBench file (JSON lines with `problem` and `steps`) with both methods on a running `make serve`:
#
#   examples/processbench.sh gsm8k.jsonl.gz [ITEMS]
#
# Writes retsp.jsonl and rprm.jsonl here, in the order of the file.
set -euo pipefail
file=$1
items=${2:-20}
stepreward=$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/stepreward

"$stepreward" score "$file" --question-key problem --limit "$items" --method retsp --output retsp.jsonl
"$stepreward" score "$file" --question-key problem --limit "$items" --method rprm --k 2 --output rprm.jsonl
