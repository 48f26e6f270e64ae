# Steps of try.sh: backup, restore, upgrade, end.
# shellcheck shell=bash disable=SC2154
backs_up() {
  store dump "$url" before.json
  local _
  for _ in 1 2; do docker/backup.sh --keep 1 "$out/backups" | tee backup.txt; done
  [[ $(find backups -name SHA256SUMS) == backups/"$(basename "$(<backup.txt)")"/SHA256SUMS ]]
  [[ $(stat -c %a "$(tail -n 1 backup.txt)") == 700 ]]
  wait_healthy mlflow 300
  [[ -s $(tail -n 1 backup.txt)/artifacts.tar ]]
  (cd "$(tail -n 1 backup.txt)" && ls -l && sha256sum --check SHA256SUMS)
  echo "$(du -sh --apparent-size "$(tail -n 1 backup.txt)" | cut -f1); of two the newer is kept"
}

wipes() {
  literally down
  docker volume rm "${project}_db" "${project}_artifacts"
  [[ -z $(docker volume ls -q --filter "name=${project}_db" --filter "name=${project}_artifacts") ]]
  echo "runs, users and files are gone; what clients trust is kept"
}

restores() {
  docker/restore.sh "$(tail -n 1 backup.txt)" --yes
  store dump "$url" after.json
  "$python" docker/try/store.py same before.json after.json
}

refuses_backups() {
  local good bad
  good=$(tail -n 1 backup.txt)
  # Cut short within its data, with sums that match; and one that ends within its list.
  for bad in 60 1; do
    copy_broken "$good"
    truncate -s $(($(stat -c %s broken/mlflow.dump) * bad / 100)) broken/mlflow.dump
    sum_broken
    says 'Nothing was changed' docker/restore.sh broken --yes
    [[ $(status_of "$(admin_login)" /version) == 200 ]]
  done
  copy_broken "$good"
  echo x >>broken/mlflow.dump
  says 'not a whole backup. Nothing was changed' docker/restore.sh broken --yes
  copy_broken "$good"
  sed -i 's/^schema_of_runs=.*/schema_of_runs=ffffffffffff/' broken/made_with
  sum_broken
  says 'mlflow has schema ffffffffffff, .* of a newer server .* Nothing was changed' docker/restore.sh broken --yes
  # Whole in every way that can be looked at, and yet no server starts with it: what was there comes back.
  copy_broken "$good"
  sql postgres <<<'CREATE DATABASE spoiled'
  compose exec -T db pg_restore -U postgres --no-owner -d spoiled <broken/mlflow_auth.dump
  sql spoiled <<<'DROP TABLE users CASCADE'
  compose exec -T db pg_dump -U postgres -Fc spoiled >broken/mlflow_auth.dump
  sql postgres <<<'DROP DATABASE spoiled'
  sum_broken
  says 'does not work with the backup.* It has what it had before' env RESTORE_PATIENCE_S=60 docker/restore.sh broken --yes
  wait_healthy mlflow 300
  wait_healthy proxy 120
  rm -rf broken
  flock docker/.lock sleep 8 &
  sleep 1
  says 'another script is at work' docker/backup.sh "$out/backups"
  says 'another script is at work' docker/restore.sh "$good" --yes
  says 'another script is at work' docker/upgrade.sh
  says 'another script is at work' docker/gc.sh
  wait
  [[ $(sql postgres <<<"SELECT count(*) FROM pg_database WHERE datname LIKE 'mlflow%' AND datname !~ '_new$'") == 2 ]]
  store dump "$url" after.json
  "$python" docker/try/store.py same before.json after.json
  echo "cut short twice, altered, newer, one that no server starts with, four scripts at once; all is still there"
}
copy_broken() { rm -rf broken && cp -r "$1" broken; }
sum_broken() { (cd broken && sha256sum -- *[!S] >SHA256SUMS); }

# README's commands: an encrypted copy elsewhere, and the drill, in a copy of docker/ with a name and port of its own.
drills() {
  local name
  name=$(basename "$(tail -n 1 backup.txt)")
  head -c 32 /dev/urandom | base64 >passphrase
  GNUPGHOME=$(mktemp -d) && export GNUPGHOME
  tar -C backups -cf - "$name" | gpg --batch --quiet --symmetric --passphrase-file passphrase -o "offsite-$name.tar.gpg"
  mkdir -p drill && cp -r docker requirements.lock .dockerignore conf sdpa_exp drill/ && rm -rf drill/docker/{.env,.lock,backups}
  gpg --batch --quiet --passphrase-file passphrase -d "offsite-$name.tar.gpg" | tar -C drill -xf -
  (
    cd drill || exit 1
    COMPOSE_PROJECT_NAME=$project-drill MLFLOW_PORT=$((port + 1)) docker/make-env.sh
    SDPA_EXP_LOCKED='' docker/restore.sh "$name" --yes
    docker/users.sh reset lab >"$out/drill.env"
  )
  who=drill as_user "$python" docker/try/store.py dump "https://127.0.0.1:$((port + 1))" drilled.json
  (cd drill/docker && "${compose_command[@]}" down -v)
  "$python" docker/try/store.py same before.json drilled.json
}

upgrades() {
  store dump "$url" before_upgrade.json
  docker/upgrade.sh
  store dump "$url" upgraded.json
  "$python" docker/try/store.py same before_upgrade.json upgraded.json
}

goes_down() {
  literally --profile run down -v
  [[ -z $(docker volume ls -q --filter "name=${project}_") ]]
  [[ -z $(docker ps -aq --filter "name=$project") ]]
  echo "no container, volume or network is left"
}
