# SPDX-License-Identifier: Apache-2.0
"""Many small blobs, one after the other at each of the agents at once."""
import os, statistics, subprocess, sys, tempfile
from herd_process import Herd, blob_url, make_image
from machine import cpu_seconds, end, settle, warm_memory
from report import goal, medians, percentile

P50_GOAL_MS, P99_GOAL_MS, CPU_GOAL_SECONDS = 20, 80, 8


def pull_all(herd, blobs):
    """Each agent's client gets every blob; answers all milliseconds from GET to last byte, and herd's CPU seconds."""
    before = cpu_seconds([herd.process.pid])
    clients = []
    try:
        for address in herd.agents:
            command = ["curl", "-fsS", "-w", "%{time_total}\n"]
            for digest, _ in blobs:
                command += ["-o", "/dev/null", blob_url(address, digest)]
            clients.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        times = [1000 * float(line) for client in clients for line in client.communicate()[0].split()]
    finally:
        end(clients)
    if len(times) < len(blobs) * len(clients) or any(client.returncode for client in clients):
        sys.exit("a client failed")
    return times, cpu_seconds([herd.process.pid]) - before


def run(options, outer):
    """One round, by a herd that has seen nothing yet."""
    with tempfile.TemporaryDirectory(dir=outer) as work:
        blobs = make_image(os.path.join(work, "image"), 1 << 20, options.blobs)
        settle(outer)  # before the herd starts, or else it would take pages of its
        herd = Herd(options.herd, work, options.agents)
        try:
            herd.push(os.path.join(work, "image"))
            warm_memory(outer)  # what has been free since may be cold again
            times, cpu = pull_all(herd, blobs)
        finally:
            herd.stop()
    return {"p50_ms": statistics.median(times), "p99_ms": percentile(times, 99), "max_ms": max(times),
            "cpu_seconds": cpu}


def small(options):
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as outer:
        rounds = [run(options, outer) for _ in range(options.rounds)]
    result = medians(rounds)
    label = f"{options.blobs} x 1MiB x {options.agents}"
    print(f"{'':<24}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'CPU s':>8}")
    print(f"{label:<24}{result['p50_ms']:>10.1f}{result['p99_ms']:>10.1f}{result['max_ms']:>10.1f}"
          f"{result['cpu_seconds']:>8.2f}", flush=True)
    return [{"blobs": options.blobs, "agents": options.agents, **result, "rounds": rounds}], [
        goal(f"{label}: p50", result["p50_ms"], P50_GOAL_MS, "ms"),
        goal(f"{label}: p99", result["p99_ms"], P99_GOAL_MS, "ms"),
        goal(f"{label}: CPU of the herd", result["cpu_seconds"], CPU_GOAL_SECONDS, "s")]
