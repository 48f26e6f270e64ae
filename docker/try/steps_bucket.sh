# Step of try.sh: artifacts in a bucket, with an S3 server of its own (moto, which checks signatures and policies).
# shellcheck shell=bash disable=SC2154
s3=$project-s3

keeps_a_bucket() {
  local id run file secret
  starts_s3
  {
    echo COMPOSE_FILE=docker-compose.yml:docker-compose.s3.yml
    echo MLFLOW_S3_DESTINATION=s3://lab/mlflow
    echo "MLFLOW_S3_ENDPOINT_URL=http://$s3:5000"
    docker exec -i "$s3" python /bucket.py <docker/s3-policy.json
  } >>docker/.env
  secret=$(sed -n 's/^MLFLOW_S3_SECRET_ACCESS_KEY=//p' docker/.env)
  [[ -n $secret ]]
  compose up -d mlflow
  docker network connect "${project}_outside" "$s3"
  wait_healthy mlflow 600
  wait_healthy proxy 120

  # Files of a run, small ones and one that is sent in parts, lie in the bucket and not on the volume.
  id=$(made experiments/create '{"name": "in_a_bucket"}')
  run=$(made runs/create "{\"experiment_id\": \"$id\"}")
  file=$(file_path "$id" "$run")
  head -c 20000000 /dev/urandom >twenty_mb
  [[ $(user_status "$file" -T twenty_mb) == 200 ]]
  user_curl "$file" | cmp - twenty_mb
  [[ $(num_objects "mlflow/$id/$run/artifacts/file.txt") == 1 ]]
  refused compose exec -T mlflow test -e "/mlartifacts/$id"
  experiment=in_a_bucket train "$out/bucket_run" tracking=server attention=sdpa
  [[ $(num_objects "mlflow/$id/") -gt 5 ]]
  # The client fetches them from the server, not from the bucket, whose name it can't even look up.
  who=guest store dump "$url" bucket.json
  [[ $(user_status "/api/2.0/mlflow-artifacts/presigned/$id/$run/artifacts/file.txt") == 404 ]]
  user_curl /api/3.0/mlflow/server-info | tee info.json
  grep -q 'multipart_downloads_enabled": *false' info.json
  refused grep -rqF "$secret" bucket_run bucket.json user.env

  # What its keys reach.
  says 'AccessDenied.* PutObject' with_the_keys 'put_object(Bucket="other", Key="x", Body=b"x")'
  says 'AccessDenied.* ListObjectsV2' with_the_keys 'list_objects_v2(Bucket="other")'
  says 'AccessDenied.* ListBuckets' with_the_keys 'list_buckets()'
  with_the_keys 'list_objects_v2(Bucket="lab")' >/dev/null

  # A backup is of the databases alone; one with files is not put where files lie in a bucket.
  docker/backup.sh "$out/bucket_backups" | tee bucket_backup.txt
  wait_healthy mlflow 300
  [[ -s $(<bucket_backup.txt)/artifacts.elsewhere && ! -e $(<bucket_backup.txt)/artifacts.tar ]]
  copy_broken "$(<bucket_backup.txt)"
  touch broken/artifacts.tar
  sum_broken
  says 'keeps them in a bucket: copy them there. Nothing was changed' docker/restore.sh broken --yes
  rm -rf broken
  docker/restore.sh "$(<bucket_backup.txt)" --yes
  user_curl "$file" | cmp - twenty_mb

  # Deleted for good: its files, too.
  [[ $(api_status experiments/delete "{\"experiment_id\": \"$id\"}") == 200 ]]
  sleep 2
  docker/gc.sh 1s
  [[ $(num_objects "mlflow/$id/") == 0 ]]

  sed -i '/^COMPOSE_FILE=/d;/^MLFLOW_S3_/d' docker/.env
  up_again
  ends_s3
  echo "files of 20 MB and of a training are in the bucket alone; its keys reach no other, and no client has them; backup, restore, gc"
}

starts_s3() {
  docker build --network "$BUILD_NETWORK" -t sdpa-exp-try-s3 -f - docker/try <<'DOCKERFILE'
FROM python:3.11-slim-bookworm
RUN pip install --no-cache-dir 'moto[server]==5.2.5'
COPY bucket.py /
CMD ["moto_server", "-H", "0.0.0.0", "-p", "5000"]
DOCKERFILE
  docker run -d --name "$s3" sdpa-exp-try-s3
  until docker exec "$s3" python -c 'from urllib.request import urlopen; urlopen("http://127.0.0.1:5000/moto-api/")' 2>/dev/null; do sleep 1; done
}

ends_s3() {
  docker rm -f "$s3"
  docker network rm "${project}_outside"
}

# with_the_keys CALL: of boto3's S3 client, in the server's container, with what the server has.
with_the_keys() {
  compose exec -T mlflow python -c "import boto3, os; print(boto3.client('s3', endpoint_url=os.environ['MLFLOW_S3_ENDPOINT_URL']).$1)"
}
num_objects() { with_the_keys "list_objects_v2(Bucket='lab', Prefix='$1').get('KeyCount')"; }
