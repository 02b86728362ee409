#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a store of S3's kind takes and gives: s3_client.py ENDPOINT BUCKET FILE PART_BYTES. AWS's own client sends FILE in parts and gets it back, several
parts at a time; keys come from the environment. The faster of four and of ten at a time counts. Prints MiB a second."""
import os, sys, time, uuid
import boto3
from boto3.s3.transfer import TransferConfig

endpoint, bucket, path, part_bytes = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
mebibytes = os.path.getsize(path) / (1 << 20)
best = {"up": 0, "down": 0}
for connections in (4, 10):
    config = TransferConfig(multipart_threshold=1, multipart_chunksize=int(part_bytes), max_concurrency=connections)
    key = str(uuid.uuid4())
    start = time.monotonic()
    client.upload_file(path, bucket, key, Config=config)
    middle = time.monotonic()
    client.download_file(bucket, key, path + ".back", Config=config)
    end = time.monotonic()
    best["up"] = max(best["up"], mebibytes / (middle - start))
    best["down"] = max(best["down"], mebibytes / (end - middle))
    os.remove(path + ".back")
    client.delete_object(Bucket=bucket, Key=key)
for direction, rate in best.items():
    print(f"S3 {direction} by boto3: {rate:.1f} MiB/s")
