#!/usr/bin/env bash
# Puts a backup in place of everything that the server holds now: docker/restore.sh FOLDER --yes
# Users and their passwords come back with it. Works on a fresh machine too, with a docker/.env of its own.
set -euo pipefail
[[ $# == 2 && $2 == --yes ]] || { sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
folder=$(realpath -m "$1")
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
[[ -f $folder/SHA256SUMS ]] || die "$folder is no backup: it has no SHA256SUMS. Nothing was changed."
(cd "$folder" && sha256sum --check --quiet SHA256SUMS) || die "$folder is not a whole backup: nothing was changed."

compose up -d db
wait_healthy db 120 || die "the database did not come up: see above."
compose stop mlflow >&2
for database in mlflow mlflow_auth; do
  compose exec -T db psql -q -v ON_ERROR_STOP=1 -U mlflow -d postgres \
    -c "DROP DATABASE IF EXISTS $database WITH (FORCE)" -c "CREATE DATABASE $database"
  compose exec -T db pg_restore -U mlflow --exit-on-error --no-owner -d "$database" <"$folder/$database.dump"
done
if [[ -f $folder/artifacts.tar ]]; then
  artifacts_in_volume || die "the backup holds artifacts, but this server keeps them in a bucket: copy them there."
  in_server_image mlflow sh -c 'find /mlartifacts -mindepth 1 -delete && tar -C /mlartifacts -xf -' <"$folder/artifacts.tar"
fi
compose up -d mlflow
wait_healthy mlflow 180 || die "the server does not come up. The backup was made with $(cat "$folder/made_with"): if
the log above says that a schema is another one, run docker/upgrade.sh."
echo "restored $folder. Runs sent since that backup: python -m sdpa_exp task=sync tracking=server sync.resend=true"
