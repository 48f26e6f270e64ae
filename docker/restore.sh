#!/usr/bin/env bash
# Puts a backup in place of everything that the server holds now: docker/restore.sh FOLDER --yes
# Users and their passwords come back with it. Works on a fresh machine too, with a docker/.env of its own. The backup is
# unpacked beside what is there, which goes only when the server works with it; until then nothing is lost.
# RESTORE_PATIENCE_S (600): how long the server may take to start with it.
set -euo pipefail
[[ $# == 2 && $2 == --yes ]] || { sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
folder=$(realpath -m "$1")
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need_env
lock
databases=(mlflow mlflow_auth)
unchanged="Nothing was changed."
made_with() { sed -n "s/^$1=//p" "$folder/made_with"; }

[[ -f $folder/SHA256SUMS ]] || die "$folder is no backup: it has no SHA256SUMS. $unchanged"
(cd "$folder" && sha256sum --check --quiet SHA256SUMS) || die "$folder is not a whole backup. $unchanged"
if [[ -f $folder/artifacts.tar ]]; then
  artifacts_in_volume || die "the backup holds artifacts, but this server keeps them in a bucket: copy them there. $unchanged"
fi
compose up -d db >&2
wait_healthy db 120 || die "the database did not come up: see above."
in_server_image setup
for database in "${databases[@]}"; do
  compose exec -T db pg_restore --list <"$folder/$database.dump" >/dev/null || die "$database.dump can't be read. $unchanged"
done
in_server_image mlflow python /opt/mlflow-server/databases.py known "$(made_with schema_of_runs)" "$(made_with schema_of_users)" ||
  die "the backup is of a newer server ($(made_with image)): check out the version that made it, or a later one, and run docker/upgrade.sh. $unchanged"

echo "unpacking beside what is there" >&2
for database in "${databases[@]}"; do
  sql postgres <<<"DROP DATABASE IF EXISTS ${database}_new WITH (FORCE);
CREATE DATABASE ${database}_new OWNER mlflow;"
  compose exec -T db pg_restore -U postgres --exit-on-error --no-owner --role=mlflow -d "${database}_new" \
    <"$folder/$database.dump" || die "$database.dump is damaged. $unchanged"
done
in_server_image mlflow python /opt/mlflow-server/migrate.py _new >&2 || die "its schema can't be brought up to date. $unchanged"
in_server_image mlflow sh -c 'rm -rf /mlartifacts/.new && mkdir /mlartifacts/.new'
if [[ -f $folder/artifacts.tar ]]; then
  in_server_image mlflow tar -C /mlartifacts/.new -xf - <"$folder/artifacts.tar" || die "artifacts.tar is damaged. $unchanged"
fi

# exchange FROM TO: what is in use goes to TO, what is in FROM comes into use; both databases or none.
exchange() {
  compose stop mlflow >&2
  {
    for database in "${databases[@]}"; do
      echo "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$database';"
      echo "DROP DATABASE IF EXISTS $database$2 WITH (FORCE);"
    done
    echo "BEGIN;"
    for database in "${databases[@]}"; do
      echo "ALTER DATABASE $database RENAME TO $database$2; ALTER DATABASE $database$1 RENAME TO $database;"
    done
    echo "COMMIT;"
  } | sql postgres >/dev/null
  if artifacts_in_volume; then
    in_server_image mlflow sh -ec 'cd /mlartifacts; rm -rf ".$2"; mkdir ".$2"
      find . -mindepth 1 -maxdepth 1 ! -name .new ! -name .old -exec mv -t ".$2" {} +
      find ".$1" -mindepth 1 -maxdepth 1 -exec mv -t . {} +
      rmdir ".$1"' sh "${1#_}" "${2#_}"
  fi
}
exchange _new _old
compose up -d mlflow >&2 # alone: Compose v2 ends with an error where the proxy waits in vain for it
if ! wait_healthy mlflow "${RESTORE_PATIENCE_S:-600}"; then
  exchange _old _new
  compose up -d >&2 || true
  die "the server does not work with the backup: see above. It has what it had before; the backup lies in the databases ${databases[*]/%/_new}."
fi
for database in "${databases[@]}"; do sql postgres <<<"DROP DATABASE ${database}_old"; done
in_server_image mlflow rm -rf /mlartifacts/.old
compose up -d >&2
wait_healthy proxy 120 || die "the proxy does not come up: see above."
echo "restored $folder. Runs sent since that backup: python -m sdpa_exp task=sync tracking=server sync.resend=true"
