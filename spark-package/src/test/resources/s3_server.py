"""An S3-compatible server on loopback for a test: moto, with one user, buckets, and signatures that count.

Arguments: the buckets. Prints one line of JSON once it serves: `endpoint`, `accessKey`, `secretKey`. Ends when its standard
input does, as it does with the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

# The server is on loopback, which a proxy does not reach.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"

ANY_OBJECT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


def prepare(endpoint: str, buckets: list[str]) -> dict[str, str]:
    """Makes user and buckets; the user's key. From then on a request must be signed with it."""

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="setup",
            aws_secret_access_key="setup",
        )

    users = client("iam")
    users.create_user(UserName="tester")
    users.put_user_policy(UserName="tester", PolicyName="s3", PolicyDocument=json.dumps(ANY_OBJECT))
    for bucket in buckets:
        client("s3").create_bucket(Bucket=bucket)
    key = users.create_access_key(UserName="tester")["AccessKey"]
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    return {"accessKey": key["AccessKeyId"], "secretKey": key["SecretAccessKey"]}


def main() -> None:
    """Serves until standard input ends."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    print(json.dumps({"endpoint": endpoint, **prepare(endpoint, sys.argv[1:])}), flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
