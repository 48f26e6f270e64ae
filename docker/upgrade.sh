#!/usr/bin/env bash
# After `git pull`: a backup, the new images, then the schema of both databases. Safe to repeat.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
lock
compose build mlflow proxy
compose up -d db
wait_healthy db 120 || die "the database did not come up: see above."
in_server_image setup
in_server_image mlflow python /opt/mlflow-server/databases.py not-newer ||
  die "the server holds the schema of a newer MLflow: check out the version that runs it. Nothing was changed."
compose stop mlflow >&2
backup=$(./backup.sh)
echo "backup: $backup"
in_server_image mlflow python /opt/mlflow-server/migrate.py
compose up -d mlflow && wait_healthy mlflow 600 && compose up -d && wait_healthy proxy 120 || die "the server does not come up: see above. The way back: check the old version out, then
docker compose build mlflow proxy, and docker/restore.sh $backup --yes"
echo "$(server_url) runs $(docker inspect -f '{{.Config.Image}}' "$(container mlflow)")"
