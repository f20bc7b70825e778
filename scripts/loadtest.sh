#!/usr/bin/env bash
# Runs a profile of loadtests/locustfile.py against a service, and compares it with a saved run.
#
#   loadtest.sh PROFILE URL USERS SECONDS [NAME [SAVED]]
#
# Writes .stepreward/loadtests/NAME.html and its figures (NAME is the profile and the time, if left out); SAVED is the
# NAME of a run before. Exit code 1 where a request failed.

set -euo pipefail
cd "$(dirname "$0")/.."
profile=$1 url=$2 users=$3 seconds=$4
name=${5:-$profile-$(date +%Y%m%d-%H%M%S)} saved=${6:-}
runs=.stepreward/loadtests

case $profile in
  rl | rerank | mixed | soak) ;;
  *)
    echo "loadtest: PROFILE is rl, rerank, mixed or soak, not \"$profile\"" >&2
    exit 2
    ;;
esac
[[ -n $url ]] || { echo "loadtest: give URL, as http://127.0.0.1:8080" >&2; exit 2; }
if [[ -n $saved && ! -f $runs/${saved}_stats.csv ]]; then
  echo "loadtest: no run $saved in $runs" >&2
  exit 2
fi

scripts/ops.sh load-tools
mkdir -p "$runs"
STEPREWARD_LOAD_PROFILE=$profile .tools/load/bin/locust --locustfile loadtests/locustfile.py --headless --only-summary \
  --host "$url" --users "$users" --spawn-rate "$users" --run-time "${seconds}s" --stop-timeout 60 --loglevel WARNING \
  --csv "$runs/$name" --csv-full-history --html "$runs/$name.html" >"$runs/$name.log" 2>&1 && code=0 || code=$?
if ((code > 1)); then
  cat "$runs/$name.log" >&2
  exit "$code"
fi
.tools/load/bin/python -m loadtests.compare "$runs/$name" ${saved:+"$runs/$saved"}
echo "$runs/$name.html"
exit "$code"
