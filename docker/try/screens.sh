#!/usr/bin/env bash
# Pictures of the running server in headless Chromium: screens.sh CHROMIUM PYTHON FOLDER
# MLFLOW_TRACKING_URI, _USERNAME and _PASSWORD as for any client. Fails where a page lacks the words it should show.
set -euo pipefail
chromium=$1 python=$2 folder=$3
mkdir -p "$folder"
profile=$(mktemp -d)
exec {address}< <(exec "$python" "$(dirname "${BASH_SOURCE[0]}")/login_proxy.py")
proxy=$!
trap 'kill "$proxy"; rm -rf "$profile"' EXIT
read -r -u "$address" site

look() { # ADDRESS WORDS NAME: the words are on the page, and a picture of it is in the folder
  local flags=(--headless --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --user-data-dir="$profile" --virtual-time-budget=30000)
  [[ $(id -u) != 0 ]] || flags+=(--no-sandbox)
  timeout 120 "$chromium" "${flags[@]}" --window-size=1400,900 --screenshot="$folder/$3.png" "$1" >/dev/null 2>&1
  timeout 120 "$chromium" "${flags[@]}" --dump-dom "$1" 2>/dev/null >"$profile/$3.html"
  grep -qF "$2" "$profile/$3.html" || { echo "$3: '$2' is not on the page" >&2; return 1; }
}

experiment='' parent='' child='' pair=''
eval "$("$python" - <<'PY'
import os
from mlflow.tracking import MlflowClient

client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
experiment = client.get_experiment_by_name("try")
runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
parent = children[0].data.tags["mlflow.parentRunId"]
pair = [run.info.run_id for run in children if run.data.tags["mlflow.parentRunId"] == parent]
print(f"experiment={experiment.experiment_id} parent={parent} child={pair[0]}")
print("pair='[%22" + "%22,%22".join(pair) + "%22]'")
PY
)"
runs=$site/#/experiments/$experiment/runs
look "$site/#/experiments?workflowType=machine_learning" "try" experiments
look "$runs?workflowType=machine_learning" "sweep stock, sdpa x 1 seed" parent_and_children
look "$runs/$parent" "Child runs" parent
look "$runs/$child" "mAP50" run
look "$site/#/compare-runs?runs=$pair&experiments=[%22$experiment%22]" "Comparing" compare
look "$runs/$child/system-metrics" "Search metric charts" system_metrics
look "$runs/$child/artifacts" "worker.log" artifacts
echo "7 pages with what they should show"
