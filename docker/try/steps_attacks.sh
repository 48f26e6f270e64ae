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
assert statuses.get("401", 0) <= 20, statuses
assert statuses["429"] > 0, statuses
assert all(set(one["valid_user"]["statuses"]) == {"200"} for one in found.values()), found
versions = dict(line.split(" ", 1) for line in open(versions_file).read().splitlines())
json.dump({"measured_by": "docker/try/attack.py", "versions": versions, "attacks": found}, open(to, "w"), indent=2)
open(to, "a").write("\n")
print(f"1.5 GB without login: 413, {grown_mib:.0f} MiB more; 50 MB of JSON: 413; 30 guessers: {statuses}, "
      f"a valid user waits {found['guess']['valid_user']['max_s']} s at most and is always let in")
PY
}

keeps_rights() {
  local id status
  # EDIT, the default: others may rename, and write into, an experiment that they can't delete.
  id=$(api experiments/create '{"name": "of lab"}' | sed -n 's/.*"experiment_id": "\([0-9]*\)".*/\1/p')
  [[ -n $id ]]
  export who=guest
  [[ $(api_status experiments/update "{\"experiment_id\": \"$id\", \"new_name\": \"renamed by guest\"}") == 200 ]]
  [[ $(api_status runs/create "{\"experiment_id\": \"$id\"}") == 200 ]]
  [[ $(api_status experiments/delete "{\"experiment_id\": \"$id\"}") == 403 ]]
  # Planted: in either spelling, as JSON in a string, whatever the place.
  for status in '{"name": "p1", "artifact_location": "file:///mlartifacts/1"}' '{"name": "p2", "artifactLocation": "file:///proc/self"}' \
    '"{\"name\": \"p3\", \"artifact_location\": \"file:///etc\"}"' '{"name": "p4", "artifact_location": "mlflow-artifacts:/1"}' \
    '{"name": "p5", "artifact_location": "s3://another-bucket/x"}'; do
    [[ $(api_status experiments/create "$status") == 403 ]]
  done
  [[ $(api experiments/get-by-name '{}' | head -n 1) != *planted* ]]
  # READ, with a grant where it is wanted.
  unset who
  sed -i 's/^MLFLOW_DEFAULT_PERMISSION=.*/MLFLOW_DEFAULT_PERMISSION=READ/' docker/.env
  up_again
  export who=guest
  [[ $(api_status runs/create "{\"experiment_id\": \"$id\"}") == 403 ]]
  docker/users.sh grant guest 'renamed by guest' EDIT
  [[ $(api_status runs/create "{\"experiment_id\": \"$id\"}") == 200 ]]
  docker/users.sh grant guest 'renamed by guest' NONE
  [[ $(api_status runs/create "{\"experiment_id\": \"$id\"}") == 403 ]]
  unset who
  sed -i 's/^MLFLOW_DEFAULT_PERMISSION=.*/MLFLOW_DEFAULT_PERMISSION=EDIT/' docker/.env
  up_again
  echo "EDIT: rename and write, not delete; READ: neither, but with a grant; 5 planted places for artifacts: 403"
}

knows_its_health() {
  local page _ second
  printf 'COMPOSE_FILE=docker-compose.yml:docker-compose.metrics.yml\nMLFLOW_METRICS_PORT=%s\n' $((port + 1000)) >>docker/.env
  compose up -d
  wait_healthy exporter 300
  wait_healthy proxy 120
  for _ in $(seq 22); do status_of admin:wrong /version; done
  docker stop "$(container mlflow)"
  [[ $(https_to /health -o /dev/null -w '%{http_code}') == 503 ]]
  docker start "$(container mlflow)"
  wait_healthy mlflow 600
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
  local id run path
  id=$(api experiments/create '{"name": "to be deleted"}' | sed -n 's/.*"experiment_id": "\([0-9]*\)".*/\1/p')
  run=$(api runs/create "{\"experiment_id\": \"$id\"}" | sed -n 's/.*"run_id": "\([0-9a-f]*\)".*/\1/p' | head -n 1)
  path=/api/2.0/mlflow-artifacts/artifacts/$id/$run/artifacts/file.txt
  # shellcheck disable=SC2016
  as_user sh -c 'echo content | curl -s --cacert "$MLFLOW_TRACKING_SERVER_CERT_PATH" -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" -T - "$MLFLOW_TRACKING_URI$1"' sh "$path"
  compose exec -T mlflow test -s "/mlartifacts/$id/$run/artifacts/file.txt"
  [[ $(api_status runs/delete "{\"run_id\": \"$run\"}") == 200 ]]
  docker/gc.sh 30d
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
  up_again
  refused compose exec -T -e PGPASSWORD="$before" mlflow python -c "from databases import connect; connect('mlflow')"
  store num-running "$url"
  # A certificate from elsewhere, and back to its own.
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
  echo "passwords of the database and Flask's key are new, the old ones refused; a given certificate and back"
}
