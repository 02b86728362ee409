# SPDX-License-Identifier: Apache-2.0
"""The first byte of a blob at an agent that lacks it while others have it; and the blob deleted and fetched again."""
import http.client, os, sys, tempfile, time
from bittorrent import PIECE_BYTES
from herd_process import Herd, blob_url, forget, last_byte, make_image
from machine import race, settle
from report import goal, human, medians

FIRST_BYTE_GOAL_MS = 100  # and the time of one piece
AGAIN_GOAL = 1.15  # "as fast as the first time", given how rounds differ


def read(address, digest, blob_bytes):
    """A client reads a blob from an agent; answers the seconds to its first byte and to its last."""
    host, path = blob_url(address, digest).removeprefix("http://").split("/", 1)
    buffer, left = bytearray(1 << 20), blob_bytes - 1
    begin = time.monotonic()
    connection = http.client.HTTPConnection(host, timeout=300)
    connection.request("GET", "/" + path)
    answer = connection.getresponse()
    if len(answer.read(1)) != 1:
        sys.exit(f"{address} answers nothing, status {answer.status}")
    first = time.monotonic() - begin
    while count := answer.readinto(buffer):
        left -= count
    last = time.monotonic() - begin
    connection.close()
    if left:
        sys.exit(f"{address} answers {blob_bytes - left} of {blob_bytes} bytes")
    return first, last


def rounds_of(options, blob_bytes):
    """Each round is that of an agent that never had the blob."""
    seeded = max(1, options.agents - options.rounds)
    rounds = []
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
        [(digest, _)] = make_image(os.path.join(work, "image"), blob_bytes)
        herd = Herd(options.herd, work, seeded + options.rounds)
        try:
            herd.push(os.path.join(work, "image"))
            begin = time.monotonic()
            race([last_byte(blob_bytes, address, digest) for address in herd.agents[:seeded]])
            herd.wait_until_cached(digest, begin, range(seeded))
            for number in range(seeded, seeded + options.rounds):
                figures = {}
                for name in ("", "again_"):
                    settle(work)
                    first, last = read(herd.agents[number], digest, blob_bytes)
                    herd.wait_until_cached(digest, time.monotonic(), [number])
                    figures |= {f"{name}first_byte_ms": 1000 * first, f"{name}last_byte_seconds": last}
                    if not name:
                        forget(herd.agents[number], digest)
                # What one piece takes at the pace of this download.
                figures["piece_ms"] = 1000 * figures["last_byte_seconds"] * min(1, PIECE_BYTES / blob_bytes)
                rounds.append(figures)
        finally:
            herd.stop()
    return seeded, rounds


def first_byte(options):
    results, goals = [], []
    print(f"{'':<24}{'first byte ms':>15}{'last byte s':>13}{'piece ms':>10}")
    for blob_bytes in options.sizes or [1 << 30]:
        seeded, rounds = rounds_of(options, blob_bytes)
        result, label = medians(rounds), human(blob_bytes)
        print(f"{label:<24}{result['first_byte_ms']:>15.1f}{result['last_byte_seconds']:>13.2f}"
              f"{result['piece_ms']:>10.1f}")
        print(f"{'  deleted, and again':<24}{result['again_first_byte_ms']:>15.1f}"
              f"{result['again_last_byte_seconds']:>13.2f}", flush=True)
        again = result["again_last_byte_seconds"] / result["last_byte_seconds"]
        bound = FIRST_BYTE_GOAL_MS + result["piece_ms"]
        goals += [goal(f"{label}: first byte", result["first_byte_ms"], bound, "ms"),
                  goal(f"{label}: first byte after deletion", result["again_first_byte_ms"], bound, "ms"),
                  goal(f"{label}: last byte after deletion", again, AGAIN_GOAL, "× the first time")]
        results.append({"blob_bytes": blob_bytes, "agents_before": seeded, **result, "rounds": rounds})
    return results, goals
