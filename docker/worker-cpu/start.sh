#!/bin/sh
# start judge|encoder [ARGUMENTS OF VLLM]: the model's own arguments, then those given.
set -eu
role=$1
shift
case $role in
  # No chunks: a seeded request kills vLLM 0.32's CPU engine when its prompt is prefilled in chunks.
  judge)
    set -- --model /models/smollm2-135m-judge --served-model-name embedded-judge --max-model-len 4096 --max-num-batched-tokens 4096 \
      --max-num-seqs 64 --block-size 32 --no-enable-chunked-prefill --scheduling-policy priority \
      --enable-prompt-tokens-details "$@"
    ;;
  encoder) set -- --model /models/encoder --served-model-name all-MiniLM-L6-v2 --runner pooling "$@" ;;
  *)
    echo "start: judge or encoder, not $role" >&2
    exit 2
    ;;
esac
exec python -m vllm.entrypoints.openai.api_server --host 0.0.0.0 --port 8081 --dtype float32 --enforce-eager \
  --distributed-executor-backend uni --disable-uvicorn-access-log "$@"
