#!/usr/bin/env bash
# Users of the running server: docker/users.sh list | add NAME [--admin] | reset NAME | remove NAME
# add and reset print a random password as two lines for a shell; --password-stdin takes yours.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
case $(health mlflow) in
  healthy) ;;
  starting) wait_healthy mlflow 180 || die "the server does not come up: see above." ;;
  *) die "the server is not up: cd docker && docker compose up -d" ;;
esac
compose exec -T mlflow python -W ignore /opt/mlflow-server/users.py "$@"
