#!/usr/bin/env bash
# Users of the running server: docker/users.sh list | add NAME [--admin] | reset NAME | remove NAME
#   | grant NAME EXPERIMENT READ|EDIT|MANAGE|NONE
# add and reset print a random password, with all that a client needs, as lines for a shell; --password-stdin takes yours.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
need_server
compose exec -T mlflow python -W ignore /opt/mlflow-server/users.py "$@"
if [[ ${1:-} == add || ${1:-} == reset ]]; then
  echo "export MLFLOW_TRACKING_URI=$(server_url)"
  if compose exec -T proxy test ! -e /tls/given; then
    compose exec -T proxy cat /ca/ca.pem >ca.pem
    echo "export MLFLOW_TRACKING_SERVER_CERT_PATH=$docker_folder/ca.pem"
  fi
fi
