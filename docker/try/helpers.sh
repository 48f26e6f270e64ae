# What the steps of try.sh share. They run in the copy that try.sh made, with `set -e`.
# shellcheck shell=bash disable=SC2154
literally() { "${compose_command[@]}" -f docker/docker-compose.yml "$@"; } # as README.md says, from the folder above
refused() { if "$@"; then return 1; fi; }
admin_login() { echo "admin:$(sed -n 's/^MLFLOW_ADMIN_PASSWORD=//p' docker/.env)"; }

# https_to PATH [MORE]: curl with the stack's own authority.
https_to() { curl -s --cacert "$out/docker/ca.pem" "${@:2}" "$url$1"; }

status_of() { # USER:PASSWORD PATH [MORE]: the HTTP status
  https_to "$2" -o /dev/null -w '%{http_code}' -u "$1" "${@:3}"
}

as_user() { # COMMAND with the tracking variables of a plain user, or of the one in $who
  (
    set -a
    # shellcheck disable=SC1090
    source "$out/${who:-user}.env"
    set +a
    exec "$@"
  )
}

# user_curl PATH [MORE]: as the user in $who.
user_curl() {
  # shellcheck disable=SC2016
  as_user sh -c 'path=$1; shift; exec curl -s --cacert "$MLFLOW_TRACKING_SERVER_CERT_PATH" \
    -u "$MLFLOW_TRACKING_USERNAME:$MLFLOW_TRACKING_PASSWORD" "$@" "$MLFLOW_TRACKING_URI$path"' sh "$@"
}
user_status() { user_curl "$@" -o /dev/null -w '%{http_code}'; }

# api METHOD JSON: what the server answers; api_status: the HTTP status alone; made METHOD JSON: the id of what it made.
api() { user_curl "/api/2.0/mlflow/$1" -H 'Content-Type: application/json' -d "$2"; }
api_status() { user_status "/api/2.0/mlflow/$1" -H 'Content-Type: application/json' -d "$2"; }
made() { api "$@" | sed -n "s/.*\"${1%%s/*}_id\": \"\([0-9a-f]*\)\".*/\1/p" | head -n 1; }
file_path() { echo "/api/2.0/mlflow-artifacts/artifacts/$1/$2/artifacts/file.txt"; } # EXPERIMENT RUN

train() { # FOLDER OVERRIDES...: small trainings of the same code that users run
  (cd "$repository" && as_user env OMP_NUM_THREADS=1 COLUMNS=120 "$python" -m sdpa_exp name="${experiment:-try}" \
    experiment=smoke train.epochs="${epochs:-3}" train.imgsz=64 telemetry.period_s=0.5 \
    "hydra.sweep.dir=$1" "hydra.run.dir=$1" "${@:2}")
}

says() { # WORDS COMMAND...: it fails, and its output has the words
  local words=$1
  if "${@:2}" >said.txt 2>&1; then
    cat said.txt
    echo "it did not fail: ${*:2}"
    return 1
  fi
  tr -s ' \n' '  ' <said.txt | grep -qE -- "$words" || { cat said.txt; echo "'$words' is missing"; return 1; }
}

up_again() { # Compose stops the proxy while the server behind it is made anew
  literally up -d
  wait_healthy mlflow 600
  wait_healthy proxy 120
}

store() { as_user "$python" docker/try/store.py "$@"; }
folders() { find "$@" -name plan.yaml -not -path '*/artifacts/*' -printf '%h\n' | sort; }

# Runs that are being sent, parents left out: asked of the database, which costs the trainings beside it least.
num_running() { sql mlflow <<<"SELECT count(*) FROM runs JOIN tags USING (run_uuid) WHERE status = 'RUNNING' AND key = 'run_dir'"; }

wait_until_running() { # NUM PROCESS: as long as that one lives
  until (($(num_running) >= $1)); do
    kill -0 "$2" || return 1
    sleep 1
  done
}
