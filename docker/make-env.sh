#!/usr/bin/env bash
# Writes docker/.env: random secrets, readable by you alone. Never overwrites one: the database keeps its password.
# --rotate: new passwords for the database and a new Flask key, in .env and in the running database.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
umask 077
if [[ ${1:-} == --rotate ]]; then
  # shellcheck source=lib.sh
  source ./lib.sh
  need_env
  lock
  new=$(mktemp .env.XXXXXX)
  trap 'rm -f "$new"' EXIT
  grep -vE '^(MLFLOW_DB_PASSWORD|MLFLOW_DB_ADMIN_PASSWORD|MLFLOW_FLASK_SERVER_SECRET_KEY)=' .env >"$new"
  admin=$(secret)
  printf '%s\n' "MLFLOW_DB_PASSWORD=$(secret)" "MLFLOW_DB_ADMIN_PASSWORD=$admin" "MLFLOW_FLASK_SERVER_SECRET_KEY=$(secret)" >>"$new"
  if [[ $(health db) == healthy ]]; then
    sql postgres <<<"ALTER ROLE postgres PASSWORD '$admin'"
  elif [[ $(health db) != absent ]]; then
    die "the database is not up: its superuser's password can't be changed. Nothing was changed."
  fi
  mv "$new" .env
  echo "docker/.env has new secrets. They take effect with: cd docker && docker compose up -d"
  exit
fi
if [[ -e .env ]]; then
  echo "docker/.env is there already and stays as it is: the database was made with its password." >&2
  echo "New secrets: docker/make-env.sh --rotate. To start from nothing: docker/README.md, Starting over." >&2
  exit 1
fi
new=$(mktemp .env.XXXXXX)
trap 'rm -f "$new"' EXIT
cat >"$new" <<ENV
# Secrets of the tracking server, made by make-env.sh. Keep a copy where you keep passwords; never commit this file.
# Names the containers and volumes; another one beside it on the same machine needs another name and port.
COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-sdpa-mlflow}
MLFLOW_ADMIN_USERNAME=admin
# Used once, when the first start makes this user; later: docker/users.sh reset admin
MLFLOW_ADMIN_PASSWORD=$(secret)
# Where the server listens. 127.0.0.1: this machine only. 0.0.0.0: other machines too, by the names below.
MLFLOW_BIND=127.0.0.1
MLFLOW_PORT=${MLFLOW_PORT:-5000}
# MLFLOW_SERVER_NAMES=mlflow.example.org,192.0.2.7
# What accounts may do with each other's experiments: EDIT, READ or NO_PERMISSIONS. README.md, Users and rights.
MLFLOW_DEFAULT_PERMISSION=EDIT
# The three that make-env.sh --rotate replaces.
MLFLOW_DB_PASSWORD=$(secret)
MLFLOW_DB_ADMIN_PASSWORD=$(secret)
MLFLOW_FLASK_SERVER_SECRET_KEY=$(secret)
ENV
mv "$new" .env
echo "docker/.env is written. The first user is admin; the password is MLFLOW_ADMIN_PASSWORD in it."
