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
  [[ -n $value ]] || value=$(sed -n "s/^$1=//p" .env | tail -n 1)
  echo "${value:-$2}"
}

server_url() {
  local bind
  bind=$(setting MLFLOW_BIND 127.0.0.1)
  [[ $bind != 0.0.0.0 ]] || bind=127.0.0.1
  echo "http://$bind:$(setting MLFLOW_PORT 5000)"
}

container() { compose ps -q "$1" | head -n 1; }

health() { docker inspect -f '{{.State.Health.Status}}' "$(container "$1")" 2>/dev/null || echo absent; }

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

artifacts_in_volume() {
  compose config | grep -q 'MLFLOW_ARTIFACTS_DESTINATION: file:'
}

# In the server's image, with its volumes; never its database's port or its address.
in_server_image() { compose run --rm --no-deps -T "$@"; }
