#!/usr/bin/env bash
# Writes docker/.env: random secrets, readable by you alone. Never overwrites one: the database keeps its password.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if [[ -e .env ]]; then
  echo "docker/.env is there already and stays as it is: the database was made with its password." >&2
  echo "To start from nothing: docker/README.md, Starting over." >&2
  exit 1
fi
secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
umask 077
new=$(mktemp .env.XXXXXX)
trap 'rm -f "$new"' EXIT
cat >"$new" <<ENV
# Secrets of the tracking server, made by make-env.sh. Keep a copy where you keep passwords; never commit this file.
# Names the containers and volumes; another one beside it on the same machine needs another name and port.
COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-sdpa-mlflow}
MLFLOW_ADMIN_USERNAME=admin
# Used once, when the first start makes this user; later: docker/users.sh reset admin
MLFLOW_ADMIN_PASSWORD=$(secret)
MLFLOW_DB_PASSWORD=$(secret)
MLFLOW_FLASK_SERVER_SECRET_KEY=$(secret)
# Where the server listens. 127.0.0.1: this machine only. Read README.md, TLS, before you change it.
MLFLOW_BIND=127.0.0.1
MLFLOW_PORT=${MLFLOW_PORT:-5000}
# MLFLOW_ALLOWED_HOSTS=localhost:*,127.0.0.1:*,mlflow:5000,mlflow.example.org
# MLFLOW_CORS_ORIGINS=http://localhost:*,http://127.0.0.1:*,https://mlflow.example.org
ENV
mv "$new" .env
echo "docker/.env is written. The first user is admin; the password is MLFLOW_ADMIN_PASSWORD in it."
