#!/usr/bin/env bash
# Users of the running server: docker/users.sh list | add NAME [--admin] | reset NAME | remove NAME
# add and reset print a random password as two lines for a shell; --password-stdin takes yours.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
[[ $(health mlflow) == healthy ]] || die "the server is not up: docker compose -f docker/docker-compose.yml up -d"
compose exec -T mlflow python -W ignore /opt/mlflow-server/users.py "$@"
