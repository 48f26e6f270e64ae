# What the scripts share. They work on the stack that docker/.env describes (COMPOSE_FILE there adds overrides).
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

die() {
  echo "$*" >&2
  exit 1
}

if docker compose version >/dev/null 2>&1; then
  compose_command=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose_command=(docker-compose)
else
  die "neither 'docker compose' nor 'docker-compose' is here: install one."
fi
docker_folder=$PWD
compose() { (cd "$docker_folder" && "${compose_command[@]}" "$@"); }

need_env() {
  [[ -f .env ]] || die "docker/.env is missing: run docker/make-env.sh first."
}

# setting NAME DEFAULT: the value that Compose would take.
setting() {
  local value=${!1:-}
  [[ -n $value ]] || value=$(sed -n "s/^$1=//p" "$docker_folder/.env" | tail -n 1)
  echo "${value:-$2}"
}

server_url() {
  local bind
  bind=$(setting MLFLOW_BIND 127.0.0.1)
  [[ $bind != 0.0.0.0 ]] || bind=127.0.0.1
  echo "http://$bind:$(setting MLFLOW_PORT 5000)"
}

# container SERVICE: its id, running or not. Compose's own `ps -q` leaves out stopped ones in v2 and keeps them in 1.29.
container() {
  docker ps -aq --filter "label=com.docker.compose.project=$(setting COMPOSE_PROJECT_NAME docker)" \
    --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False | head -n 1
}

health() { # a stopped container keeps its last status
  docker inspect -f '{{if .State.Running}}{{.State.Health.Status}}{{else}}stopped{{end}}' "$(container "$1")" 2>/dev/null || echo absent
}

# wait_healthy SERVICE SECONDS
wait_healthy() {
  local _
  for _ in $(seq "$2"); do
    [[ $(health "$1") != healthy ]] || return 0
    sleep 1
  done
  compose logs --tail 20 "$1" >&2
  return 1
}

# Not `compose config | grep -q`: under pipefail that is false when grep has found it and Compose is still writing.
artifacts_in_volume() {
  local config
  config=$(compose config) || die "docker-compose.yml and docker/.env don't fit together: see above."
  [[ $config == *"MLFLOW_ARTIFACTS_DESTINATION: file:"* ]]
}

# In the server's image, with its volumes; never its database's port or its address.
in_server_image() { compose run --rm --no-deps -T "$@"; }
