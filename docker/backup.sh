#!/usr/bin/env bash
# Copies runs, users and artifacts into a new folder: docker/backup.sh [PARENT_FOLDER], default docker/backups.
# The server is stopped meanwhile, so that the parts agree; sweeps go on and send what waits when it is back.
set -euo pipefail
parent=$(realpath -m "${1:-"$(dirname "${BASH_SOURCE[0]}")/backups"}")
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
[[ $(health db) == healthy ]] || die "the database is not up: cd docker && docker compose up -d"
umask 077
folder=$parent/$(date +%Y-%m-%d_%H-%M-%S)
mkdir -p "$parent" && mkdir "$folder"

was_running=$(docker inspect -f '{{.State.Running}}' "$(container mlflow)" 2>/dev/null || echo false)
finish() {
  local status=$?
  if [[ $was_running == true ]]; then compose start mlflow >&2; fi
  if ((status)); then echo "the backup failed; what there is of it: $folder" >&2; fi
}
trap finish EXIT
if [[ $was_running == true ]]; then compose stop mlflow >&2; fi

for database in mlflow mlflow_auth; do
  compose exec -T db pg_dump -U mlflow -Fc "$database" >"$folder/$database.dump"
done
if artifacts_in_volume; then
  in_server_image mlflow tar -C /mlartifacts -cf - . >"$folder/artifacts.tar"
else
  echo "artifacts lie in a bucket: its own versioning or replication is their backup" >"$folder/artifacts.elsewhere"
fi
schema=$(compose exec -T db psql -U mlflow -d mlflow -Atc 'SELECT version_num FROM alembic_version')
echo "image $(docker inspect -f '{{.Config.Image}}' "$(container mlflow)" 2>/dev/null || echo unknown), schema $schema" >"$folder/made_with"
(cd "$folder" && sha256sum -- * >SHA256SUMS)
echo "$folder"
