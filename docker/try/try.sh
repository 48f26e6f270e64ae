#!/usr/bin/env bash
# The whole round on a real engine, in a copy of its own: start, attacks, faults, users, backup, restore, upgrade, the
# browser. Prints a table; exit code 0 only if every step passed. Your own server and docker/.env are not touched.
#
#   docker/try/try.sh                    with .venv/bin/python of this checkout (make setup)
#
# PYTHON=...           another interpreter with sdpa_exp's packages
# BUILD_NETWORK=host   where builds have a network only that way
# TRY_PORT=5099        the port on 127.0.0.1        TRY_OUT=DIR   keep logs, pictures and backups there
# TRY_IMAGE=1          also build the experiment image (8 GB) and run a sweep in it
# TRY_ONLY="a b"       after the start only these steps, by the names of their functions (rotates, backs_up, ...)
# TRY_GO_ON=1          other steps too after a failure           TRY_KEEP=1   after a failure leave the server up
# TRY_JSON=FILE        write the table there        TRY_ATTACKS_JSON=FILE   and there what the attacks did
set -uo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-$repository/.venv/bin/python}
out=$(realpath -m "${TRY_OUT:-$(mktemp -d)}")
port=${TRY_PORT:-5099}
export BUILD_NETWORK=${BUILD_NETWORK:-default}
mkdir -p "$out"
cp -r "$repository"/{docker,requirements.lock,.dockerignore,LICENSE,conf,sdpa_exp} "$out/"
rm -rf "$out"/docker/{.env,backups,.lock,ca.pem}
cd "$out" || exit 1
# What a user's shell may hold must not reach this server, nor this server's settings the user's.
unset COMPOSE_FILE COMPOSE_PROJECT_NAME SDPA_EXP_LOCKED "${!MLFLOW_@}"
# shellcheck source=../lib.sh
source "$out/docker/lib.sh"
cd "$out" || exit 1
# Both are for the steps, in other files.
# shellcheck disable=SC2034
url=https://127.0.0.1:$port project=sdpa-try-$$
start_steps="versions secrets refuses_without_secrets builds starts adds_users"
names=() results=() times=() notes=()

step() { # NAME FUNCTION: its last line of output is the note; the first failure ends the round
  local began=$SECONDS log
  [[ -z ${TRY_ONLY:-} || " $start_steps goes_down $TRY_ONLY " == *" $2 "* ]] || return 0
  log=$out/$(printf '%02d' ${#names[@]})_$2.log
  printf '%-62s' "$1"
  (set -eE; cd "$out"; trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2' ERR; "$2") >"$log" 2>&1
  local status=$?
  names+=("$1") times+=($((SECONDS - began))) notes+=("$(tail -n 1 "$log" | tr -d '\r')")
  if ((status)); then
    results+=(FAIL)
    echo "FAIL"
    tail -n 25 "$log"
    [[ -n ${TRY_GO_ON:-} ]] || end 1
    return 0
  fi
  results+=(pass)
  echo "pass  ${times[-1]} s"
}

# shellcheck disable=SC2154
end() {
  if [[ -z ${TRY_KEEP:-} ]]; then
    docker rm -f "$s3" >/dev/null 2>&1
    literally --profile run down -v >/dev/null 2>&1
    [[ ! -e $out/drill/docker/.env ]] || (cd "$out/drill/docker" && "${compose_command[@]}" down -v >/dev/null 2>&1)
  fi
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

for part in helpers steps_start steps_sweeps steps_attacks steps_backup steps_bucket; do
  # shellcheck disable=SC1090
  source "$repository/docker/try/$part.sh"
done

step "versions" versions
step "secrets are made" secrets
step "nothing starts without them" refuses_without_secrets
step "the images are built" builds
step "docker compose up: healthy" starts
step "only what should be reachable is" is_closed
step "containers are confined, the database's role too" is_confined
step "strangers are refused" refuses_strangers
step "users are added" adds_users
step "3 runs, 2 at a time, docker kill and a backup meanwhile" survives_a_kill
step "all 3 are there, every point once" is_complete
step "the backup of that restored, sent again: every point once" restores_a_sweep
step "it comes back by itself" comes_back
step "a local history is moved to it" moves_history
[[ -z ${TRY_IMAGE:-} ]] || step "a sweep in the experiment image" runs_in_a_container
step "a creation that lands after 75 s, and a second user" disowns_a_stray
step "what the client says, each to the cause" says_the_cause
step "rights: EDIT, READ with a grant, planted artifacts" keeps_rights
step "three cheap attacks" withstands_attacks
step "limits by path, and of requests at once" limits_bodies_and_requests
step "the database stopped: unhealthy; figures for Prometheus" knows_its_health
step "deleted runs lose their files" collects_garbage
step "artifacts in a bucket, with keys for that one" keeps_a_bucket
step "rotated secrets, another certificate" rotates
step "backup; old ones expire" backs_up
step "wipe" wipes
step "restore: all as before" restores
step "damaged and newer backups, two scripts at once: refused" refuses_backups
step "an encrypted copy, drilled in a second stack" drills
step "upgrade: backup, build, schemas, all as before" upgrades
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [[ -n $chromium ]]; then step "pages in headless Chromium, over https" shows; else echo "no Chromium here: no pictures"; fi
step "down" goes_down
[[ " ${results[*]} " != *" FAIL "* ]]
end $?
