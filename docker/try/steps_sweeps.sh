# Steps of try.sh: sweeps, what interrupts them, and what people see of them.
# shellcheck shell=bash disable=SC2154
# A sweep of two runs and a single run beside it; in its second run a backup is made, which stops the server, too.
survives_a_kill() {
  epochs=15 train "$out/runs/sweep" tracking=server attention=stock,sdpa seed=0 -m >sweep.txt 2>&1 &
  local sweep=$!
  epochs=60 train "$out/runs/single" tracking=server attention=sdpa seed=1 >single.txt 2>&1 &
  local single=$!
  wait_until_running 2 $sweep || { cat sweep.txt single.txt; return 1; }
  docker kill "$(container mlflow)"
  local left
  left=$((3 - $(find runs -name result.json -not -path '*/artifacts/*' | wc -l)))
  ((left >= 2))
  sleep 25
  compose start mlflow
  wait_healthy mlflow 300
  wait_until_running 1 $sweep
  docker/backup.sh "$out/sweep_backups" | tee backup_of_sweep.txt
  wait $sweep
  wait $single
  cat sweep.txt single.txt
  train "$out/sync" task=sync tracking=server "sync.folder=$out/runs" | tail -n 3
  echo "2 runs were being sent and $left unfinished when it was killed; 25 s away; both command lines end with exit code 0"
}

is_complete() {
  train "$out/reference" task=sync "tracking.uri=sqlite:///$out/reference.db" "sync.folder=$out/runs"
  store dump "$url" server.json
  "$python" docker/try/store.py dump "sqlite:///$out/reference.db" reference.json
  # shellcheck disable=SC2046
  "$python" docker/try/store.py as-sent server.json reference.json $(folders runs)
}

comes_back() {
  local began _
  began=$(docker inspect -f '{{.State.StartedAt}}' "$(container mlflow)")
  compose exec -T mlflow python -c 'import os, signal; os.kill(1, signal.SIGTERM)'
  for _ in $(seq 60); do
    [[ $(docker inspect -f '{{.State.StartedAt}}' "$(container mlflow)") == "$began" ]] || break
    sleep 1
  done
  [[ $(docker inspect -f '{{.State.StartedAt}}' "$(container mlflow)") != "$began" ]]
  wait_healthy mlflow 300
  compose restart db
  wait_healthy db 120
  wait_healthy mlflow 120
  [[ $(user_status "/api/2.0/mlflow/experiments/search?max_results=1") == 200 ]]
  echo "after its process ended, and after a restart of the database"
}

# What a backup in mid-sweep holds is put in place of all, and the folders are sent again.
restores_a_sweep() {
  docker/restore.sh "$(<backup_of_sweep.txt)" --yes
  num_running | tee num.txt
  (($(<num.txt) >= 1))
  train "$out/resync" task=sync tracking=server sync.resend=true "sync.folder=$out/runs" | tail -n 3
  store dump "$url" server.json
  # shellcheck disable=SC2046
  "$python" docker/try/store.py as-sent server.json reference.json $(folders runs)
}

# The folder of the single run, as one that only a store on this machine knows.
moves_history() {
  mkdir local && cp -r runs/single local/run && rm local/run/tracking.json
  train "$out/move" task=sync "tracking.uri=sqlite:///$out/local/mlflow.db" "sync.folder=$out/local" | tail -n 3
  train "$out/move" task=sync tracking=server "sync.folder=$out/local" | tail -n 3
  "$python" docker/try/store.py dump "sqlite:///$out/local/mlflow.db" local.json
  store dump "$url" server.json
  "$python" docker/try/store.py as-sent server.json local.json local/run
}

runs_in_a_container() {
  docker build --network "$BUILD_NETWORK" -t sdpa-exp:0.2.0 -f "$repository/docker/Dockerfile" \
    --build-arg "COMMIT=$(git -C "$repository" rev-parse HEAD)" "$repository"
  as_user "${compose_command[@]}" -f docker/docker-compose.yml --profile run run --rm -T experiment \
    name=try experiment=smoke train.imgsz=64 attention=flash,sdpa seed=0 -m | tee container.txt
  grep -q 'ran flash' container.txt
  grep -q "see the runs:  $url" container.txt
  store dump "$url" server.json
}

# A user who didn't make the experiment, a creation that is answered after the client gave up, and three syncs.
disowns_a_stray() {
  cp -r local/run stray_run && rm -f stray_run/tracking.json
  local through held proxy _
  exec {held}< <(PYTHONPATH=$repository who=guest as_user "$python" docker/try/holding_proxy.py 75)
  read -r -u "$held" through proxy
  says 'did not create the run: no answer in time' sync_stray "$through"
  sync_stray "$through"
  for _ in $(seq 120); do
    [[ $(store with-key "$url" stray_run) != 2 ]] || break
    sleep 1
  done
  [[ $(store with-key "$url" stray_run) == 2 ]]
  sync_stray "$through" | tee stray.txt
  [[ $(store with-key "$url" stray_run) == 1 ]]
  sync_stray "$through" | tee -a stray.txt
  refused grep -q 'left out' stray.txt
  kill "$proxy"
  store strays "$url"
}
sync_stray() { who=guest train "$out/stray_sync" task=sync tracking=server "tracking.uri=$1" "sync.folder=$out/stray_run" 2>&1; }

# Each refusal as a user meets it, at the check before anything starts.
says_the_cause() {
  local name
  name=$(printf 'x%.0s' {1..257})
  says "sends us on to $url: set tracking.uri=$url" client MLFLOW_TRACKING_URI="http://127.0.0.1:$port"
  says 'own accounts take none. Unset MLFLOW_TRACKING_TOKEN' client -u MLFLOW_TRACKING_USERNAME -u MLFLOW_TRACKING_PASSWORD MLFLOW_TRACKING_TOKEN=x
  says 'the proxy http://127.0.0.1:9 .https_proxy in the environment. can.t be reached' client https_proxy=http://127.0.0.1:9 no_proxy= NO_PROXY=
  says 'refuses the user or password' client MLFLOW_TRACKING_PASSWORD=wrong-wrong-wrong
  says 'isn.t trusted here: set MLFLOW_TRACKING_SERVER_CERT_PATH' client MLFLOW_TRACKING_SERVER_CERT_PATH=/etc/ssl/certs/ca-certificates.crt
  experiment=$name says 'expected at most 100 letters' train "$out/client" tracking=server attention=sdpa
  docker/users.sh add leaver >leaver.env
  who=leaver epochs=1000 train "$out/leaver" tracking=server attention=sdpa >leaver.txt 2>&1 &
  local run=$!
  wait_until_running 1 $run || { cat leaver.txt; return 1; }
  docker/users.sh remove leaver
  [[ $(who=leaver user_status /api/2.0/mlflow/experiments/search?max_results=1) == 401 ]]
  until tr -s ' \n' '  ' <leaver.txt | grep -q 'HTTP 401: the user or password is no longer accepted'; do
    kill -0 $run
    sleep 1
  done
  pgrep -f "sdpa_exp .*hydra.run.dir=$out/leaver " | xargs kill
  wait $run || true
  cat leaver.txt
  [[ -s leaver/result.json ]]
  echo "redirect, token, dead proxy, password, certificate, 257 characters, and a user removed in mid-run"
}

client() { # VARIABLES...: a sync of a run folder with them
  (cd "$repository" && as_user env "$@" COLUMNS=300 "$python" -m sdpa_exp name=try task=sync tracking=server \
    "sync.folder=$out/local" "hydra.run.dir=$out/client")
}

shows() { PYTHONPATH=$repository as_user "$python" docker/try/browser.py "$chromium" "$out/screens"; }
