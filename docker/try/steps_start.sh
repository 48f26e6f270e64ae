# Steps of try.sh: from nothing to a server with users.
# shellcheck shell=bash disable=SC2154
versions() {
  docker version --format 'engine {{.Server.Version}}' | tee "$out/versions.txt"
  echo "compose $(compose version --short)" | tee -a "$out/versions.txt"
  "$python" -c 'from importlib.metadata import version as v; print("mlflow", v("mlflow"))' | tee -a "$out/versions.txt"
  paste -sd' ' "$out/versions.txt"
}

secrets() {
  MLFLOW_PORT=$port COMPOSE_PROJECT_NAME=$project docker/make-env.sh
  [[ $(stat -c %a docker/.env) == 600 ]]
  local before
  before=$(sha256sum docker/.env)
  refused docker/make-env.sh
  [[ $(sha256sum docker/.env) == "$before" ]]
  [[ $(grep -cE '^MLFLOW_(ADMIN|DB|DB_ADMIN)_PASSWORD=[0-9a-f]{48}$|^MLFLOW_FLASK_SERVER_SECRET_KEY=[0-9a-f]{48}$' docker/.env) == 4 ]]
  echo "4 random secrets of 24 bytes, mode 600, a second call refuses"
}

refuses_without_secrets() {
  cp -p docker/.env complete.env
  local name
  for name in '.*' MLFLOW_ADMIN_USERNAME MLFLOW_ADMIN_PASSWORD MLFLOW_DB_PASSWORD MLFLOW_DB_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY; do
    grep -v "^$name=" complete.env >docker/.env || true
    if literally up -d >refusal.txt 2>&1; then mv complete.env docker/.env && return 1; fi
    grep -q make-env.sh refusal.txt
  done
  mv complete.env docker/.env
  echo "with none of them, and with each of 5 missing"
}

builds() { literally build mlflow proxy && echo "every package of the server by hash"; }

starts() {
  local began=$SECONDS
  literally up -d
  wait_healthy mlflow 300
  wait_healthy proxy 120
  literally exec -T proxy cat /ca/ca.pem >docker/ca.pem
  echo "postgres $(literally exec -T db psql -U postgres -Atc 'SHOW server_version')" >>"$out/versions.txt"
  literally exec -T proxy nginx -v 2>&1 | sed -n 's#.*nginx/#nginx #p' | tr -d '\r' >>"$out/versions.txt"
  echo "healthy after $((SECONDS - began)) s"
}

is_closed() {
  [[ $(docker port "$(container proxy)") == "8443/tcp -> 127.0.0.1:$port" ]]
  [[ -z $(docker port "$(container mlflow)") && -z $(docker port "$(container db)") ]]
  local network
  for network in database server; do
    [[ $(docker network inspect -f '{{.Internal}}' "${project}_$network") == true ]]
  done
  [[ $(https_to /health) == OK ]]
  refused curl -s --cacert /etc/ssl/certs/ca-certificates.crt "$url/health"
  [[ $(curl -s -o /dev/null -w '%{http_code} %{redirect_url}' "http://127.0.0.1:$port/version") == "301 $url/version" ]]
  echo "the proxy alone, on 127.0.0.1, with its own authority; server and database on internal networks"
}

is_confined() {
  [[ $(compose exec -T mlflow id -u | tr -d '\r') == 10001 ]]
  [[ $(compose exec -T proxy id -u | tr -d '\r') == 10002 ]]
  local service
  for service in mlflow proxy db; do
    refused compose exec -T "$service" touch /etc/x
    [[ $(docker inspect -f '{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' "$(container "$service")") == '[ALL] [no-new-privileges:true]' ]]
    (($(docker inspect -f '{{.HostConfig.Memory}}' "$(container "$service")") > 0))
    (($(docker inspect -f '{{.HostConfig.PidsLimit}}' "$(container "$service")") > 0))
  done
  sed -n 's/.*_\(PASSWORD\|KEY\)=//p' docker/.env >secrets.txt
  [[ $(wc -l <secrets.txt) == 4 ]]
  for service in mlflow proxy db; do docker top "$(container "$service")" -o pid,args >>top.txt; done
  refused grep -Ff secrets.txt top.txt
  grep -q -- '--timeout-worker-healthcheck 60' top.txt
  rm secrets.txt
  docker top "$(container db)" -o pid,uid,args | tee top.txt
  grep -q bin/postgres top.txt
  refused grep -qE '^ *[0-9]+ +0 +[^ ]*/postgres ' top.txt
  [[ $(sql postgres <<<"SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = 'mlflow'") == f ]]
  refused compose exec -T mlflow python -c "from databases import connect; connect('mlflow').execute('COPY (SELECT 1) TO PROGRAM \$\$true\$\$')"
  refused compose exec -T mlflow python -c "from databases import connect; connect('postgres')"
  echo "no root, no capabilities, read-only, limits of memory and processes, no secret on a command line, no superuser"
}

refuses_strangers() {
  local admin guess host
  admin=$(admin_login)
  [[ $(status_of "$admin" /api/2.0/mlflow/experiments/search?max_results=1) == 200 ]]
  for guess in admin:wrong admin:password1234 admin:password admin:admin mlflow:mlflow admin: nobody:x; do
    [[ $(status_of "$guess" /api/2.0/mlflow/experiments/search?max_results=1) == 401 ]]
    [[ $(status_of "$guess" /api/2.0/mlflow-artifacts/artifacts) == 401 ]]
  done
  [[ $(https_to / -o /dev/null -w '%{http_code}') == 401 ]]
  [[ $(status_of "$admin" / -H 'Host: evil.example.org') == 403 ]]
  for host in 127.0.0.1 localhost '[::1]' "[::1]:$port" "localhost:$port"; do
    [[ $(status_of "$admin" /version -H "Host: $host") == 200 ]]
  done
  [[ $(https_to /version -H 'Authorization: Bearer x' -o /dev/null -w '%{http_code}') == 401 ]]
  [[ $(status_of "$admin" /api/3.0/mlflow/gateway/secrets/list) == 404 ]]
  [[ $(status_of "$admin" /gateway/x/mlflow/invocations) == 404 ]]
  sleep 61 # the proxy counts wrong logins by the minute
  echo "no, wrong and known default passwords and tokens: 401; a foreign Host header: 403; no gateway: 404"
}

adds_users() {
  docker/users.sh add lab >user.env
  docker/users.sh add guest >guest.env
  [[ $(user_status /) == 200 ]]
  refused docker/users.sh add 'a b' 2>name.txt
  grep -q "can't be a user" name.txt
  refused docker/users.sh add short --password-stdin <<<tiny 2>password.txt
  [[ $(grep -c Traceback name.txt password.txt) == $'name.txt:0\npassword.txt:0' ]]
  docker/users.sh list >users.txt
  grep -qx lab users.txt
  echo "two plain users with random passwords, each with the four lines that a client needs"
}
