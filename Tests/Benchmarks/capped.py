# SPDX-License-Identifier: Apache-2.0
"""One blob to all agents at once where uplinks are the limit: the agents and the origin have one rate, up and down."""
import os, tempfile, time
from herd_components import Cluster
from herd_process import last_byte, make_blob, whole
from machine import cpu_seconds, memory, race, settle, wait_for_files
from report import goal, human, medians, print_heading, print_row, summary

GOALS = {10: 12.3, 30: 12.9}  # seconds for 256 MiB at 25 MB/s, by the number of agents
GOALS_BYTES, GOALS_RATE = 256 << 20, 25 * 10**6


def bound(blob_bytes, agents, rate):
    """The origin has to send every byte once, each agent to receive it, and all together to send it to all."""
    return max(blob_bytes / rate, agents * blob_bytes / ((agents + 1) * rate))


def run(options, outer, blob_bytes, count, streamed):
    """One round, by processes that have seen nothing yet. Streamed: a client at each agent reads meanwhile."""
    with tempfile.TemporaryDirectory(dir=outer) as work:
        digest = make_blob(work, blob_bytes)
        settle(outer)  # before the processes start, or else it would take pages of theirs
        cluster = Cluster(options.herd, work, count, options.rate)
        try:
            cluster.upload(os.path.join(work, digest.split(":")[1]), digest)
            pids = [process.pid for process in cluster.processes]
            before = cpu_seconds(pids)
            begin = time.monotonic()
            seconds, clients_cpu = race([
                whole(address, digest) if streamed else last_byte(blob_bytes, address, digest)
                for address in cluster.agents])
            cached_seconds = wait_for_files(cluster.cached(digest), begin, processes=cluster.processes)
            cpu, resident = cpu_seconds(pids) - before + clients_cpu, sum(map(memory, pids))
            counters = [cluster.status(address)["counters"] for address in cluster.agents]
        finally:
            cluster.stop()
    agents, origins, duplicates = (sum(each[key] for each in counters) for key in (
        "bytes_downloaded_from_agents", "bytes_downloaded_from_origins", "pieces_duplicate"))
    return {**summary(blob_bytes, seconds if streamed else cached_seconds, cpu, resident, agents / (agents + origins)),
            "origin_copies": origins / blob_bytes, "pieces_duplicate": duplicates}


def rounds_of(options, blob_bytes, count):
    """The rounds without and with reading clients, taken in turns."""
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as outer:
        rounds = {"herd": [], "streamed": []}
        for _ in range(options.rounds):
            for name in rounds:
                rounds[name].append(run(options, outer, blob_bytes, count, streamed=name == "streamed"))
    return rounds


def capped(options):
    results, goals = [], []
    print_heading()
    for blob_bytes in options.sizes or [GOALS_BYTES]:
        for count in options.capped_agents:
            rounds, label = rounds_of(options, blob_bytes, count), f"{human(blob_bytes)} x {count}"
            least = bound(blob_bytes, count, options.rate)
            print_row(f"bound {label}", {"makespan_seconds": least})
            result = {"blob_bytes": blob_bytes, "agents": count, "bytes_per_second": options.rate,
                      "bound_seconds": least}
            for name, each in rounds.items():
                result[name], result[f"{name} rounds"] = medians(each), each
                print_row(name, result[name])
                print(f"  {result[name]['origin_copies']:.2f} copies from the origin, "
                      f"{result[name]['pieces_duplicate']:.0f} duplicate pieces", flush=True)
                if (blob_bytes, options.rate) == (GOALS_BYTES, GOALS_RATE) and count in GOALS:
                    reached = result[name]["makespan_seconds"]
                    goals.append(goal(f"{name} {label} at 25 MB/s: makespan", reached, GOALS[count], "s"))
            results.append(result)
    return results, goals
