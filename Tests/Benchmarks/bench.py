#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure a release build of herd as a user would run it, beside others in the same run.

  bench.py fanout      one blob to N agents at once, disk to disk on loopback, against N curls from one nginx; and
                       the same with a client at each agent that reads the blob while it arrives
  bench.py swarms      one blob to N agents at once, disk to disk, against swarms of aria2 and of libtorrent
  bench.py floor       what moving the same bytes costs at least: sendfile, recv, pwrite, with and without SHA-256
  bench.py costs       system calls, context switches and allocations for each piece of one blob to N agents
  bench.py capped      one blob to N agents at once, each of them and the origin capped to a rate, beside the bound
  bench.py first-byte  time to the first byte of a blob that other agents have, and the same after it was deleted
  bench.py small       many blobs of 1 MiB, one after the other at each of N agents at once: time from GET to last byte
  bench.py idle        cold start, resident memory and CPU of an idle herd
  bench.py registry    pushes, pulls, manifests and lists of tags, by one client and by ten, against Docker's registry
  bench.py abuse       10,000 idle connections, slow clients, abandoned uploads: memory, and what others notice
  bench.py interface   CPU and bytes of the terminal UI, idle and busy, and a blob to N agents with and without it
  bench.py tls         one blob to N agents at once over TLS, peers and clients, beside the same in the open
  bench.py goals FILE… the goals in the JSON of earlier runs, in one table

Prints tables and writes JSON. Needs curl; nginx for fanout; docker-registry for registry; aria2 and python3-libtorrent for swarms; strace for costs (make bench-deps).
Everything stays on loopback and in a temporary directory. Memory that has been free for a while may be cold on a
virtual machine (its first touch costs seconds of CPU per GiB), so free memory is filled with clean page-cache pages
before each timed run. Figures are medians over the rounds. What a virtual machine's host took of its processors meanwhile is told at
the end: a hundredth of it in one place is a stall of a second to somebody.
"""
import argparse, json, os, signal, sys, time
import machine
from abuse import abuse
from capped import capped
from costs import costs
from fanout import fanout
from first_byte import first_byte
from floor import floor
from idle import idle
from interface import interface
from registry import registry
from report import print_goals, size
from small import small
from swarms import swarms
from tls import tls

BENCHMARKS = {
    "fanout": fanout, "floor": floor, "costs": costs, "swarms": swarms, "capped": capped, "first-byte": first_byte,
    "small": small, "idle": idle, "interface": interface, "registry": registry, "abuse": abuse, "tls": tls}


def list_of(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=[*BENCHMARKS, "goals"])
    parser.add_argument("files", nargs="*", metavar="FILE", help="of goals")
    parser.add_argument("--herd", default=".build/release/herd", type=os.path.abspath)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--sizes", type=list_of(size), help="of the blob; 1GiB, when capped 256MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=list_of(str), default=["aria2", "libtorrent"],
                        help="of swarms: whom to measure")
    parser.add_argument("--capped-agents", type=list_of(int), default=[10, 30], help="of capped")
    parser.add_argument("--rate", type=size, default=25 * 10**6, help="of capped: bytes a second, up and down; 25MB")
    parser.add_argument("--blobs", type=int, default=100, help="of small")
    parser.add_argument("--tags", type=int, default=10_000, help="of registry: how many are listed")
    parser.add_argument("--idle-agents", type=list_of(int), default=[10, 100])
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--settle", type=float, default=5, help="of idle: seconds before measuring")
    parser.add_argument("--work", default="/var/tmp", help="a folder on a real disk, not tmpfs")
    parser.add_argument("--json", help="where to write the results")
    parser.add_argument("--cold", action="store_true",
                        help="do not warm memory: for a trial whose figures do not matter")
    return parser.parse_args()


def main():
    options = parse()
    if options.benchmark == "goals":
        print_goals([each for path in options.files for each in json.load(open(path))["goals"]])
        return
    machine.warms = not options.cold
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that what was started is ended
    stolen, begin = machine.stolen_seconds(), time.monotonic()
    results, goals = BENCHMARKS[options.benchmark](options)
    print_goals(goals)
    stolen, seconds = machine.stolen_seconds() - stolen, time.monotonic() - begin
    print(f"taken by the machine's host: {stolen:.1f} CPU seconds of {seconds * os.cpu_count():.0f}; whoever waited for them was slow for it")
    if options.json:
        os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
        with open(options.json, "w") as file:
            json.dump({"benchmark": options.benchmark, "results": results, "goals": goals,
                       "stolen_cpu_seconds": stolen, "seconds": seconds}, file, indent=1)


if __name__ == "__main__":
    main()
