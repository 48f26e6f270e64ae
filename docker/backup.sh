#!/usr/bin/env bash
# Copies runs, users and artifacts into a new folder: docker/backup.sh [--keep NUM] [PARENT_FOLDER], default docker/backups.
# --keep removes all but the newest NUM whole backups in it. The server is stopped meanwhile, so that the parts agree;
# sweeps go on and send what waits when it is back.
set -euo pipefail
keep=''
if [[ ${1:-} == --keep ]]; then
  [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "--keep ${2:-}: expected a number from 1" >&2; exit 2; }
  keep=$2
  shift 2
fi
parent=$(realpath -m "${1:-"$(dirname "${BASH_SOURCE[0]}")/backups"}")
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
lock
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
  compose exec -T db pg_dump -U postgres -Fc "$database" >"$folder/$database.dump"
  compose exec -T db pg_restore --list <"$folder/$database.dump" >/dev/null
done
if artifacts_in_volume; then
  in_server_image mlflow tar -C /mlartifacts --exclude=./.new --exclude=./.old -cf - . >"$folder/artifacts.tar"
else
  echo "artifacts lie in a bucket: its own versioning or replication is their backup" >"$folder/artifacts.elsewhere"
fi
{
  echo "image=$(docker inspect -f '{{.Config.Image}}' "$(container mlflow)" 2>/dev/null || echo unknown)"
  echo "schema_of_runs=$(sql mlflow <<<'SELECT version_num FROM alembic_version')"
  echo "schema_of_users=$(sql mlflow_auth <<<'SELECT version_num FROM alembic_version_auth')"
} >"$folder/made_with"
(cd "$folder" && sha256sum -- * >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)

if [[ -n $keep ]]; then
  whole=("$parent"/[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]_[0-9][0-9]-[0-9][0-9]-[0-9][0-9]/SHA256SUMS)
  for ((i = 0; i < ${#whole[@]} - keep; i++)); do
    rm -r "${whole[i]%/SHA256SUMS}"
    echo "removed ${whole[i]%/SHA256SUMS}" >&2
  done
fi
echo "$folder"
