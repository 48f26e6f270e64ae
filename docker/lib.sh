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

# One script at a time works on a server; those that it calls belong to it.
lock() {
  command -v flock >/dev/null || die "flock is missing: it keeps two scripts from working at once. Debian: apt install util-linux"
  [[ ${SDPA_EXP_LOCKED:-} != "$docker_folder" ]] || return 0
  exec 9>"$docker_folder/.lock"
  flock -n 9 || die "another script is at work on this server (docker/.lock): wait until it is done."
  export SDPA_EXP_LOCKED=$docker_folder
}

need_env() {
  [[ -f .env ]] || die "docker/.env is missing: run docker/make-env.sh first."
}

# setting NAME DEFAULT: the value that Compose would take.
setting() {
  local value=${!1:-}
  [[ -n $value ]] || value=$(sed -n "s/^$1=//p" "$docker_folder/.env" | tail -n 1)
  echo "${value:-$2}"
}

# As people reach it: by its first name where it listens for others, else on this machine.
server_url() {
  local bind host port
  bind=$(setting MLFLOW_BIND 127.0.0.1) host=$(setting MLFLOW_SERVER_NAMES '') port=$(setting MLFLOW_PORT 5000)
  host=${host%%,*}
  [[ $bind != 127.0.0.1 && -n $host ]] || host=127.0.0.1
  [[ $port != 443 ]] || { echo "https://$host"; return; }
  echo "https://$host:$port"
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
  local second
  for second in $(seq "$2"); do
    [[ $(health "$1") != healthy ]] || return 0
    ((second != 5)) || echo "waiting for $1, at most $2 s" >&2
    sleep 1
  done
  compose logs --tail 20 "$1" >&2
  return 1
}

# Waits for a server that is starting, as it is after a backup.
need_server() {
  local service
  for service in mlflow proxy; do
    case $(health "$service") in
      healthy) ;;
      starting | unhealthy) wait_healthy "$service" 240 || die "the server does not come up: see above." ;;
      *) die "the server is not up ($service): cd docker && docker compose up -d" ;;
    esac
  done
}

# Not `compose config | grep -q`: under pipefail that is false when grep has found it and Compose is still writing.
artifacts_in_volume() {
  local config
  config=$(compose config) || die "docker-compose.yml and docker/.env don't fit together: see above."
  [[ $config == *"MLFLOW_ARTIFACTS_DESTINATION: file:"* ]]
}

# In the server's image, with its volumes; never its database's port or its address.
in_server_image() { compose run --rm --no-deps -T "$@"; }

# sql DATABASE [OPTION...]: statements from standard input, as the database's superuser.
sql() { compose exec -T db psql -qAtX -v ON_ERROR_STOP=1 -U postgres -d "$@"; }
