#!/usr/bin/env bash
# The whole round on a real engine, in a copy of its own: secrets, refusals, start, a sweep of four runs during which the
# server is killed, exactly-once, moved history, backup, wipe, restore, upgrade, pictures. Prints a table; exit code 0
# only if every step passed. Your own server, its volumes and docker/.env are not touched.
#
#   docker/try.sh                        with .venv/bin/python of this checkout (make setup)
#
# PYTHON=...           another interpreter with sdpa_exp's packages
# BUILD_NETWORK=host   where builds have a network only that way
# TRY_PORT=5099        the port on 127.0.0.1        TRY_OUT=DIR   keep logs, pictures and backups there
# TRY_IMAGE=1          also build the experiment image (8 GB) and run a sweep in it
# TRY_JSON=FILE        write the table there
set -uo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$repository/.venv/bin/python}
out=$(realpath -m "${TRY_OUT:-$(mktemp -d)}")
port=${TRY_PORT:-5099}
export BUILD_NETWORK=${BUILD_NETWORK:-default}
mkdir -p "$out"
cp -r "$repository/docker" "$out/" && rm -rf "$out"/docker/{.env,backups}
cd "$out" || exit 1
# What a user's shell may hold must not reach this server, nor this server's settings the user's.
unset MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD MLFLOW_RUN_ID COMPOSE_FILE
unset COMPOSE_PROJECT_NAME "${!MLFLOW_@}"
source "$out/docker/lib.sh"
cd "$out" || exit 1
literally() { "${compose_command[@]}" -f docker/docker-compose.yml "$@"; }  # as README.md says, from the folder above
refused() { if "$@"; then return 1; fi; }
url=http://127.0.0.1:$port
names=() results=() times=() notes=()

step() { # NAME FUNCTION: its last line of output is the note; the first failure ends the round
  local began=$SECONDS log
  log=$out/$(printf '%02d' ${#names[@]})_$2.log
  printf '%-62s' "$1"
  (set -e; cd "$out"; trap 'echo "line $LINENO failed" >&2' ERR; "$2") >"$log" 2>&1
  local status=$?
  names+=("$1") times+=($((SECONDS - began))) notes+=("$(tail -n 1 "$log" | tr -d '\r')")
  if ((status)); then
    results+=(FAIL)
    echo "FAIL"
    tail -n 25 "$log"
    end 1
  fi
  results+=(pass)
  echo "pass  ${times[-1]} s"
}

end() {
  [[ -n ${TRY_KEEP:-} ]] || literally --profile run down -v >/dev/null 2>&1
  printf '\n%-62s %-5s %5s  %s\n' step result s note
  local i
  for i in "${!names[@]}"; do
    printf '%-62s %-5s %5s  %s\n' "${names[i]}" "${results[i]}" "${times[i]}" "${notes[i]}"
  done
  [[ -z ${TRY_JSON:-} ]] || write_json
  echo "logs and pictures: $out"
  exit "$1"
}

write_json() {
  { for i in "${!names[@]}"; do
    printf '%s\t%s\t%s\t%s\n' "${names[i]}" "${results[i]}" "${times[i]}" "${notes[i]}"
  done; } | "$python" "$repository/docker/try/table.py" "$out/versions.txt" "$TRY_JSON"
}

status_of() { # USER:PASSWORD PATH [MORE]: the HTTP status
  curl -s -o /dev/null -w '%{http_code}' -u "$1" "${@:3}" "$url$2"
}

as_user() { # COMMAND with the tracking variables of a plain user
  env MLFLOW_TRACKING_URI="$url" "$(sed -n 's/^export //p' "$out/user.env" | sed -n 1p)" \
    "$(sed -n 's/^export //p' "$out/user.env" | sed -n 2p)" "$@"
}

train() { # FOLDER OVERRIDES...: small trainings of the same code that users run
  (cd "$repository" && as_user env OMP_NUM_THREADS=1 COLUMNS=120 "$python" -m sdpa_exp name=try experiment=smoke \
    train.epochs=3 train.imgsz=64 telemetry.period_s=0.5 \
    "hydra.sweep.dir=$1" "hydra.run.dir=$1" "${@:2}")
}

folders() { find "$@" -name plan.yaml -not -path '*/artifacts/*' -printf '%h\n' | sort; }

versions() {
  docker version --format 'engine {{.Server.Version}}' | tee "$out/versions.txt"
  echo "compose $(compose version --short)" | tee -a "$out/versions.txt"
  "$python" -c 'from importlib.metadata import version as v; print("mlflow", v("mlflow"))' | tee -a "$out/versions.txt"
  paste -sd' ' "$out/versions.txt"
}

secrets() {
  MLFLOW_PORT=$port COMPOSE_PROJECT_NAME=sdpa-try-$$ docker/make-env.sh
  [[ $(stat -c %a docker/.env) == 600 ]]
  local before
  before=$(sha256sum docker/.env)
  refused docker/make-env.sh
  [[ $(sha256sum docker/.env) == "$before" ]]
  [[ $(grep -cE '^MLFLOW_(ADMIN|DB)_PASSWORD=[0-9a-f]{48}$|^MLFLOW_FLASK_SERVER_SECRET_KEY=[0-9a-f]{48}$' docker/.env) == 3 ]]
  echo "3 random secrets of 24 bytes, mode 600, a second call refuses"
}

refuses_without_secrets() {
  cp -p docker/.env complete.env
  local name
  for name in '.*' MLFLOW_ADMIN_USERNAME MLFLOW_ADMIN_PASSWORD MLFLOW_DB_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY; do
    grep -v "^$name=" complete.env >docker/.env || true
    if literally up -d >refusal.txt 2>&1; then mv complete.env docker/.env && return 1; fi
    grep -q make-env.sh refusal.txt
  done
  mv complete.env docker/.env
  echo "with none of them, and with each of 4 missing"
}

builds() { literally build mlflow && echo "every package by hash"; }

starts() {
  local began=$SECONDS
  literally up -d
  wait_healthy mlflow 300
  echo "postgres $(literally exec -T db psql -U mlflow -Atc 'SHOW server_version')" >>"$out/versions.txt"
  echo "healthy after $((SECONDS - began)) s"
}

is_closed() {
  [[ $(docker port "$(container mlflow)") == "5000/tcp -> 127.0.0.1:$port" ]]
  [[ -z $(docker port "$(container db)") ]]
  [[ $(docker network inspect -f '{{.Internal}}' "sdpa-try-${PROJECT_ID}_database") == true ]]
  echo "listens on 127.0.0.1 alone; the database on an internal network alone"
}

is_confined() {
  [[ $(compose exec -T mlflow id -u | tr -d '\r') == 10001 ]]
  refused compose exec -T mlflow touch /opt/mlflow-server/x
  refused compose exec -T db touch /etc/x
  [[ $(docker inspect -f '{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' "$(container mlflow)") == '[ALL] [no-new-privileges:true]' ]]
  docker top "$(container mlflow)" -o pid,args >top.txt
  sed -n 's/.*_\(PASSWORD\|KEY\)=//p' docker/.env >secrets.txt
  [[ $(wc -l <secrets.txt) == 3 ]]
  refused grep -Ff secrets.txt top.txt
  rm secrets.txt
  docker top "$(container db)" -o pid,uid,args | tee top.txt
  grep -q bin/postgres top.txt
  refused grep -qE '^ *[0-9]+ +0 +[^ ]*/postgres ' top.txt
  echo "no root, read-only root file systems, no capabilities, no secret on a command line"
}

refuses_strangers() {
  local admin guess
  admin=admin:$(sed -n 's/^MLFLOW_ADMIN_PASSWORD=//p' docker/.env)
  [[ $(status_of "$admin" /api/2.0/mlflow/experiments/search?max_results=1) == 200 ]]
  for guess in admin:wrong admin:password1234 admin:password admin:admin mlflow:mlflow admin: nobody:x; do
    [[ $(status_of "$guess" /api/2.0/mlflow/experiments/search?max_results=1) == 401 ]]
    [[ $(status_of "$guess" /) == 401 ]]
    [[ $(status_of "$guess" /api/2.0/mlflow-artifacts/artifacts) == 401 ]]
  done
  [[ $(curl -s -o /dev/null -w '%{http_code}' "$url/") == 401 ]]
  [[ $(status_of "$admin" / -H 'Host: evil.example.org') == 403 ]]
  echo "no, wrong and known default passwords: 401 on pages, API and artifacts; a foreign Host header: 403"
}

adds_a_user() {
  docker/users.sh add lab >user.env
  [[ $(as_user sh -c 'curl -s -o /dev/null -w "%{http_code}" -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" "$MLFLOW_TRACKING_URI/"') == 200 ]]
  refused docker/users.sh add 'a b' 2>name.txt
  grep -q "can't be a user" name.txt
  refused docker/users.sh add short --password-stdin <<<tiny 2>password.txt
  [[ $(grep -c Traceback name.txt password.txt) == $'name.txt:0\npassword.txt:0' ]]
  docker/users.sh list >users.txt
  grep -qx lab users.txt
  echo "a plain user with a random password"
}

survives_a_kill() {
  train "$out/runs/a" tracking=server attention=stock,sdpa seed=0 -m >a.txt 2>&1 &
  local a=$!
  train "$out/runs/b" tracking=server attention=stock,sdpa seed=1 -m >b.txt 2>&1 &
  local b=$! _ num=0
  for _ in $(seq 300); do
    num=$(as_user "$python" docker/try/store.py num-running "$url" 2>/dev/null || echo 0)
    ((num < 2)) || break
    sleep 1
  done
  ((num >= 2)) || { cat a.txt b.txt; return 1; }
  docker kill "$(container mlflow)"
  local left
  left=$(( 4 - $(find runs -name result.json -not -path '*/artifacts/*' | wc -l) ))
  ((left >= 2))
  sleep 25
  compose start mlflow
  wait_healthy mlflow 300
  wait $a
  wait $b
  cat a.txt b.txt
  train "$out/sync" task=sync tracking=server "sync.folder=$out/runs" | tail -n 3
  echo "2 runs were being sent and $left unfinished when it was killed; 25 s away; both sweeps end with exit code 0"
}

is_complete() {
  train "$out/reference" task=sync "tracking.uri=sqlite:///$out/reference.db" "sync.folder=$out/runs"
  as_user "$python" docker/try/store.py dump "$url" server.json
  "$python" docker/try/store.py dump "sqlite:///$out/reference.db" reference.json
  # shellcheck disable=SC2046
  "$python" docker/try/store.py as-sent server.json reference.json $(folders runs)
}

comes_back() {
  local began
  began=$(docker inspect -f '{{.State.StartedAt}}' "$(container mlflow)")
  compose exec -T mlflow python -c 'import os, signal; os.kill(1, signal.SIGTERM)'
  local _
  for _ in $(seq 60); do
    [[ $(docker inspect -f '{{.State.StartedAt}}' "$(container mlflow)") == "$began" ]] || break
    sleep 1
  done
  [[ $(docker inspect -f '{{.State.StartedAt}}' "$(container mlflow)") != "$began" ]]
  wait_healthy mlflow 300
  compose restart db
  wait_healthy db 120
  as_user "$python" docker/try/store.py num-running "$url"
  echo "after its process ended, and after a restart of the database"
}

moves_history() {
  train "$out/local/run" attention=sdpa "tracking.uri=sqlite:///$out/local/mlflow.db"
  train "$out/move" task=sync tracking=server "sync.folder=$out/local" | tail -n 3
  "$python" docker/try/store.py dump "sqlite:///$out/local/mlflow.db" local.json
  as_user "$python" docker/try/store.py dump "$url" server.json
  "$python" docker/try/store.py as-sent server.json local.json local/run
}

runs_in_a_container() {
  docker build --network "$BUILD_NETWORK" -t sdpa-exp:0.1.0 -f "$repository/docker/Dockerfile" \
    --build-arg "COMMIT=$(git -C "$repository" rev-parse HEAD)" "$repository"
  as_user "${compose_command[@]}" -f docker/docker-compose.yml --profile run run --rm -T experiment \
    name=try experiment=smoke train.imgsz=64 attention=flash,sdpa seed=0 -m | tee container.txt
  grep -q 'ran flash' container.txt
  grep -q "see the runs:  $url" container.txt
  as_user "$python" docker/try/store.py dump "$url" server.json
}

backs_up() {
  as_user "$python" docker/try/store.py dump "$url" before.json
  docker/backup.sh "$out/backups" >backup.txt
  [[ $(stat -c %a "$(tail -n 1 backup.txt)") == 700 ]]
  wait_healthy mlflow 300
  [[ -s $(tail -n 1 backup.txt)/artifacts.tar ]]
  (cd "$(tail -n 1 backup.txt)" && ls -l && sha256sum --check SHA256SUMS)
  du -sh --apparent-size "$(tail -n 1 backup.txt)" | cut -f1
}

wipes() {
  literally down
  docker volume rm "sdpa-try-${PROJECT_ID}_db" "sdpa-try-${PROJECT_ID}_artifacts"
  literally up -d
  wait_healthy mlflow 300
  [[ $(status_of "$(sed -n 's/^export MLFLOW_TRACKING_USERNAME=//p' user.env):$(sed -n 's/^export MLFLOW_TRACKING_PASSWORD=//p' user.env)" /) == 401 ]]
  echo "its volumes gone; a fresh server knows neither runs nor the user"
}

restores() {
  docker/restore.sh "$(tail -n 1 backup.txt)" --yes
  as_user "$python" docker/try/store.py dump "$url" after.json
  "$python" docker/try/store.py same before.json after.json
}

upgrades() {
  docker/upgrade.sh
  as_user "$python" docker/try/store.py dump "$url" upgraded.json
  "$python" docker/try/store.py same before.json upgraded.json
}

shows() { as_user docker/try/screens.sh "$chromium" "$python" "$out/screens"; }

goes_down() {
  literally --profile run down -v
  [[ -z $(docker volume ls -q --filter "name=sdpa-try-${PROJECT_ID}_") ]]
  [[ -z $(docker ps -aq --filter "name=sdpa-try-$PROJECT_ID") ]]
  echo "no container, volume or network is left"
}

PROJECT_ID=$$
step "versions" versions
step "secrets are made" secrets
step "nothing starts without them" refuses_without_secrets
step "the image is built" builds
step "docker compose up: healthy" starts
step "only what should be reachable is" is_closed
step "containers are confined" is_confined
step "strangers are refused" refuses_strangers
step "a user is added" adds_a_user
step "4 runs, 2 at a time, docker kill meanwhile" survives_a_kill
step "all 4 are there, every point once" is_complete
step "it comes back by itself" comes_back
step "a local history is moved to it" moves_history
[[ -z ${TRY_IMAGE:-} ]] || step "a sweep in the experiment image" runs_in_a_container
step "backup" backs_up
step "wipe" wipes
step "restore: all as before" restores
step "upgrade: backup, build, schemas, all as before" upgrades
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [[ -n $chromium ]]; then step "pages in headless Chromium" shows; else echo "no Chromium here: no pictures"; fi
step "down" goes_down
end 0
