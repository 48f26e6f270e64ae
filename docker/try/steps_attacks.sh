# Steps of try.sh: what attackers, plain users and faults can do to a server that is up.
# shellcheck shell=bash disable=SC2154
withstands_attacks() {
  COMPOSE_PROJECT_NAME=$project as_user "$python" docker/try/attack.py >attacks.json
  "$python" - "$out/versions.txt" attacks.json "${TRY_ATTACKS_JSON:-attacks_measured.json}" <<'PY'
import json, sys
versions_file, found_file, to = sys.argv[1:]
found = json.load(open(found_file))
assert found["body"]["attack"]["status"] == 413, found["body"]
assert found["json"]["attack"]["status"] == 413, found["json"]
assert not any(one["a_worker_was_killed"] for one in found.values()), found
grown_mib = found["body"]["memory_peak_mib"]["mlflow"] - found["body"]["memory_before_mib"]["mlflow"]
assert grown_mib < 500, grown_mib
statuses = found["guess"]["attack"]["statuses"]
assert statuses.get("401", 0) <= 2 * 20, statuses  # 20 s touch two of the proxy's minutes at most
assert statuses["429"] > 0, statuses
assert all(set(one["valid_user"]["statuses"]) == {"200"} for one in found.values()), found
versions = dict(line.split(" ", 1) for line in open(versions_file).read().splitlines())
json.dump({"measured_by": "docker/try/attack.py", "versions": versions, "attacks": found}, open(to, "w"), indent=2)
open(to, "a").write("\n")
print(f"1.5 GB without login: 413, {grown_mib:.0f} MiB more; 50 MB of JSON: 413; 30 guessers: {statuses}, "
      f"a valid user waits {found['guess']['valid_user']['max_s']} s at most and is always let in")
PY
}

limits_bodies_and_requests() {
  local id run file
  head -c 5000000 /dev/zero >five_mb
  id=$(made experiments/create '{"name": "limits"}')
  run=$(made runs/create "{\"experiment_id\": \"$id\"}")
  file=$(file_path "$id" "$run")
  [[ $(user_status /api/2.0/mlflow/runs/log-batch -H 'Content-Type: application/json' --data-binary @five_mb) == 413 ]]
  [[ $(user_status "$file" -T five_mb) == 200 ]]
  [[ $(https_to "$file" -T five_mb -o /dev/null -w '%{http_code}') == 401 ]]
  as_user "$python" docker/try/attack.py --hold "$file" | tee held.txt
  [[ $(<held.txt) == "160 unfinished requests at once: {'HTTP 429': 32, 'waiting': 128}" ]]
  [[ $(user_status /version) == 200 ]]
  echo "5 MB: 413, as an artifact 200, without login 401; $(<held.txt)"
}

default_right() {
  (
    unset who
    sed -i "s/^MLFLOW_DEFAULT_PERMISSION=.*/MLFLOW_DEFAULT_PERMISSION=$1/" docker/.env
    up_again
  )
}

# README's table: what `guest` may do with an experiment of `lab`, by the default and by a grant.
keeps_rights() {
  local id run file place own
  id=$(made experiments/create '{"name": "of lab"}')
  run=$(made runs/create "{\"experiment_id\": \"$id\"}")
  file=$(file_path "$id" "$run")
  echo lab >lab.txt
  echo guest >guest.txt
  [[ $(user_status "$file" -T lab.txt) == 200 ]]
  export who=guest
  [[ $(api_status experiments/update "{\"experiment_id\": \"$id\", \"new_name\": \"renamed-by-guest\"}") == 200 ]]
  [[ $(api_status runs/create "{\"experiment_id\": \"$id\"}") == 200 ]]
  [[ $(user_status "$file" -T guest.txt) == 200 ]]
  [[ $(api_status experiments/delete "{\"experiment_id\": \"$id\"}") == 403 ]]
  own=$(made experiments/create '{"name": "of guest"}')
  [[ $(who=user api_status experiments/delete "{\"experiment_id\": \"$own\"}") == 403 ]]
  # Planted: in either spelling, as JSON in a string, whatever the place.
  for place in '{"name": "p1", "artifact_location": "file:///mlartifacts/1"}' '{"name": "p2", "artifactLocation": "file:///proc/self"}' \
    '"{\"name\": \"p3\", \"artifact_location\": \"file:///etc\"}"' '{"name": "p4", "artifact_location": "mlflow-artifacts:/1"}' \
    '{"name": "p5", "artifact_location": "s3://another-bucket/x"}'; do
    [[ $(api_status experiments/create "$place") == 403 ]]
  done
  [[ $(sql mlflow <<<"SELECT count(*) FROM experiments WHERE name ~ '^p[0-9]\$'") == 0 ]]
  default_right READ
  may_only_read "$id" "$file"
  experiment='renamed-by-guest' says "may not write to the experiment 'renamed-by-guest'" train "$out/client" tracking=server attention=sdpa
  may_write_with_a_grant "$id" "$file"
  default_right NO_PERMISSIONS
  [[ $(user_status "/api/2.0/mlflow/experiments/get?experiment_id=$id") == 403 ]]
  [[ $(user_status "$file") == 403 ]]
  docker/users.sh grant guest 'renamed-by-guest' READ
  may_only_read "$id" "$file"
  may_write_with_a_grant "$id" "$file"
  [[ $(api_status runs/create "{\"experiment_id\": \"$(made experiments/create '{"name": "of guest alone"}')\"}") == 200 ]]
  default_right EDIT
  echo "EDIT: rename, write and overwrite, not delete; READ and NO_PERMISSIONS: by a grant; 5 planted places for artifacts: 403"
}

may_only_read() { # EXPERIMENT FILE
  [[ $(user_status "/api/2.0/mlflow/experiments/get?experiment_id=$1") == 200 ]]
  [[ $(user_curl "$2") == guest ]]
  [[ $(api_status runs/create "{\"experiment_id\": \"$1\"}") == 403 ]]
  [[ $(user_status "$2" -T lab.txt) == 403 ]]
}

may_write_with_a_grant() { # EXPERIMENT FILE
  docker/users.sh grant guest 'renamed-by-guest' EDIT
  [[ $(api_status runs/create "{\"experiment_id\": \"$1\"}") == 200 ]]
  [[ $(user_status "$2" -T guest.txt) == 200 ]]
  docker/users.sh grant guest 'renamed-by-guest' NONE
  [[ $(api_status runs/create "{\"experiment_id\": \"$1\"}") == 403 ]]
}

knows_its_health() {
  local page _ second
  printf 'COMPOSE_FILE=docker-compose.yml:docker-compose.metrics.yml\nMLFLOW_METRICS_PORT=%s\n' $((port + 1000)) >>docker/.env
  compose up -d
  wait_healthy exporter 300
  wait_healthy proxy 120
  docker stop "$(container mlflow)"
  [[ $(https_to /health -o /dev/null -w '%{http_code}') == 503 ]]
  says 'HTTP 503: not ready: it is starting, stopped or in a backup' client A=b
  docker start "$(container mlflow)"
  wait_healthy mlflow 600
  for _ in $(seq 22); do status_of admin:wrong /version; done
  page=$(curl -s "http://127.0.0.1:$((port + 1000))/metrics")
  grep -qE '^mlflow_requests_total\{code="200"\} [1-9]' <<<"$page"
  grep -qE '^mlflow_requests_total\{code="503"\} [1-9]' <<<"$page"
  grep -qE '^mlflow_logins_refused_total [1-9]' <<<"$page"
  grep -qE '^mlflow_database_bytes\{database="mlflow"\} [1-9]' <<<"$page"
  grep -qE '^mlflow_artifacts_disk_free_bytes [1-9]' <<<"$page"
  docker stop "$(container db)"
  for second in $(seq 180); do
    [[ $(health mlflow) != unhealthy ]] || break
    sleep 1
  done
  [[ $(health mlflow) == unhealthy ]]
  page=$(curl -s "http://127.0.0.1:$((port + 1000))/metrics")
  grep -qF 'mlflow_database_up{database="mlflow"} 0' <<<"$page"
  docker start "$(container db)"
  wait_healthy db 120
  wait_healthy mlflow 120
  docker rm -f "$(container exporter)"
  sed -i '/^COMPOSE_FILE=/d;/^MLFLOW_METRICS_PORT=/d' docker/.env
  echo "unhealthy $second s after the database was stopped, healthy again with it; requests, 5xx, logins, databases, disk"
}

collects_garbage() {
  local id run
  id=$(made experiments/create '{"name": "to be deleted"}')
  run=$(made runs/create "{\"experiment_id\": \"$id\"}")
  echo content >content.txt
  [[ $(user_status "$(file_path "$id" "$run")" -T content.txt) == 200 ]]
  compose exec -T mlflow test -s "/mlartifacts/$id/$run/artifacts/file.txt"
  [[ $(api_status runs/delete "{\"run_id\": \"$run\"}") == 200 ]]
  docker restart "$(container mlflow)"
  docker/gc.sh 30d # waits for the server, as after a backup
  compose exec -T mlflow test -s "/mlartifacts/$id/$run/artifacts/file.txt"
  sleep 2
  docker/gc.sh 1s
  refused compose exec -T mlflow test -e "/mlartifacts/$id/$run/artifacts/file.txt"
  [[ $(api_status runs/restore "{\"run_id\": \"$run\"}") == 4?? ]]
  refused grep -q '^gc-' <(docker/users.sh list)
  echo "row and file of a deleted run are gone, at its age and not before; the admin that it takes is gone too"
}

rotates() {
  local before after
  before=$(sed -n 's/^MLFLOW_DB_PASSWORD=//p' docker/.env)
  docker/make-env.sh --rotate
  after=$(sed -n 's/^MLFLOW_DB_PASSWORD=//p' docker/.env)
  [[ $before != "$after" && $(stat -c %a docker/.env) == 600 ]]
  refused by_name /health
  echo MLFLOW_SERVER_NAMES=mlflow.example.org,192.0.2.7 >>docker/.env
  up_again
  refused compose exec -T -e PGPASSWORD="$before" mlflow python -c "from databases import connect; connect('mlflow')"
  [[ $(user_status "/api/2.0/mlflow/experiments/search?max_results=1") == 200 ]]
  # Its own certificate by other names, by the authority that clients know already; one from elsewhere, and back.
  [[ $(by_name / -u "$(admin_login)" -o /dev/null -w '%{http_code}') == 200 ]]
  compose exec -T proxy /opt/proxy/certificate.sh show | grep 192.0.2.7
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout given.key -out given.pem -subj /CN=lab -addext subjectAltName=IP:127.0.0.1 2>/dev/null
  refused compose exec -T proxy /opt/proxy/certificate.sh given <given.pem 2>refusal.txt
  grep -q 'no private key' refusal.txt
  cat given.pem given.key | compose exec -T proxy /opt/proxy/certificate.sh given
  sleep 2
  [[ $(curl -s --cacert given.pem "$url/health") == OK ]]
  refused curl -s --cacert docker/ca.pem "$url/health"
  compose exec -T proxy curl -sf --cacert /ca/ca.pem --connect-to proxy:8443:127.0.0.1:8443 https://proxy:8443/health
  compose exec -T proxy /opt/proxy/certificate.sh own
  sleep 2
  [[ $(https_to /health) == OK ]]
  sed -i '/^MLFLOW_SERVER_NAMES=/d' docker/.env
  up_again
  echo "passwords of the database and Flask's key are new, the old ones refused; names of its own, a given certificate and back"
}
by_name() { curl -s --cacert docker/ca.pem --resolve "mlflow.example.org:$port:127.0.0.1" "https://mlflow.example.org:$port$1" "${@:2}"; }
