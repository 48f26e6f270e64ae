"""Two buckets in an S3 server that asks for keys, and keys that docker/s3-policy.json limits to the one called `lab`.

bucket.py <s3-policy.json: in the container of the S3 server, moto. Prints the keys as lines of docker/.env.
"""

from __future__ import annotations

import json
import sys
from http.client import HTTPConnection
from typing import Any

import boto3

SERVER = "http://127.0.0.1:5000"
# Amazon asks for this right for each object; moto, where several are deleted at once, for the bucket, and MLflow does
# not look whether they were.
MOTO_DELETES = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::lab"}


def client(service: str) -> Any:
    """As anybody: keys count from the end of this program on."""
    keys = {"aws_access_key_id": "-", "aws_secret_access_key": "-"}
    return boto3.client(service, endpoint_url=SERVER, region_name="us-east-1", **keys)


if __name__ == "__main__":
    policy = json.loads(sys.stdin.read().replace("BUCKET", "lab"))
    policy["Statement"].append(MOTO_DELETES)
    for name in ("lab", "other"):
        client("s3").create_bucket(Bucket=name)
    users = client("iam")
    users.create_user(UserName="mlflow")
    users.put_user_policy(UserName="mlflow", PolicyName="lab", PolicyDocument=json.dumps(policy))
    key = users.create_access_key(UserName="mlflow")["AccessKey"]
    connection = HTTPConnection("127.0.0.1", 5000)
    connection.request("POST", "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
    assert connection.getresponse().status == 200
    print(f"MLFLOW_S3_ACCESS_KEY_ID={key['AccessKeyId']}\nMLFLOW_S3_SECRET_ACCESS_KEY={key['SecretAccessKey']}")
