#!/usr/bin/env bash
# Removes for good what people deleted, rows and files: docker/gc.sh [AGE], such as 30d, the default, or 12h.
# Deleting in the browser only hides a run; until this it can be brought back.
set -euo pipefail
age=${1:-30d}
[[ $age =~ ^[0-9]+[dhms]$ ]] || { sed -n '2s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
lock
need_server
compose exec -T mlflow python -W ignore /opt/mlflow-server/collect.py "$age"
