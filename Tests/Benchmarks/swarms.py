# SPDX-License-Identifier: Apache-2.0
"""One blob to all agents at once, disk to disk, against swarms of BitTorrent clients: one seeder, as many leechers."""
import os, select, shutil, subprocess, sys, tempfile, time
from bittorrent import Tracker, make_torrent
from herd_process import Herd, make_image
from machine import cpu_seconds, end, free_ports, memory, settle, wait_for_files
from report import goal, human, medians, print_heading, print_row, ratios, summary

MAKESPAN_GOAL, CPU_GOAL = 0.4, 0.5  # of the better of the others
TIMEOUT = 900


class Swarm:
    """A swarm for one download: its files, ports and processes. Subclasses start the processes."""

    def __init__(self, work, layer, torrent, tracker, count):
        self.layer, self.torrent, self.tracker = layer, torrent, tracker
        self.folder = tempfile.mkdtemp(dir=work, prefix="swarm-")
        self.seeder_port, *self.ports = free_ports(count + 1)
        self.folders = [os.path.join(self.folder, f"leecher-{i}") for i in range(count)]
        for folder in self.folders:
            os.mkdir(folder)
        self.processes = []

    def start(self, command, **options):
        process = subprocess.Popen(command, stderr=open(os.path.join(self.folder, "log"), "ab"), **options)
        self.processes.append(process)
        return process

    def download(self, blob_bytes):
        """One download by all leechers at once; afterwards nothing is left of it."""
        try:
            self.tracker.forget()
            self.prepare()
            if not self.tracker.wait_for_seeder(self.seeder_port):
                sys.exit(f"the seeder does not announce; its log: {self.folder}/log")
            settle(os.path.dirname(self.folder))
            before = cpu_seconds(process.pid for process in self.processes)
            begin = time.monotonic()
            seconds = self.run(begin)
            pids = [process.pid for process in self.processes]
            cpu, resident = cpu_seconds(pids) - before, sum(map(memory, pids))
            for folder in self.folders:
                if os.path.getsize(os.path.join(folder, os.path.basename(self.layer))) != blob_bytes:
                    sys.exit(f"a file in {folder} has not the right size")
            return summary(blob_bytes, seconds, cpu, resident)
        finally:
            end(self.processes)
            shutil.rmtree(self.folder)


class Aria2(Swarm):
    OPTIONS = [
        "--no-conf", "--quiet", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--seed-ratio=0",
        "--file-allocation=falloc", "--disable-ipv6", "--interface=127.0.0.1", "--bt-max-peers=0",
        "--bt-request-peer-speed-limit=0"]

    def peer(self, folder, port, *extra):
        return self.start(["aria2c", *self.OPTIONS, f"--dir={folder}", f"--listen-port={port}", *extra, self.torrent],
                          stdout=subprocess.DEVNULL)

    def prepare(self):
        self.peer(os.path.dirname(self.layer), self.seeder_port, "--bt-seed-unverified")

    def run(self, begin):
        hook = os.path.join(self.folder, "done")
        with open(hook, "w") as file:
            file.write('#!/bin/sh\n: > "$3.done"\n')
        os.chmod(hook, 0o755)
        leechers = [self.peer(folder, port, f"--on-bt-download-complete={hook}")
                    for folder, port in zip(self.folders, self.ports)]
        marks = [os.path.join(folder, os.path.basename(self.layer) + ".done") for folder in self.folders]
        return wait_for_files(marks, begin, TIMEOUT, leechers)


class Libtorrent(Swarm):
    python = None  # an interpreter that has the module

    def peer(self, folder, port, role):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libtorrent_peer.py")
        process = self.start(
            [self.python, program, self.torrent, folder, str(port), role],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != "ready\n":
            sys.exit(f"a libtorrent peer does not start; its log: {self.folder}/log")
        return process

    def prepare(self):
        self.go(self.peer(os.path.dirname(self.layer), self.seeder_port, "seed"))
        self.leechers = [self.peer(folder, port, "leech") for folder, port in zip(self.folders, self.ports)]

    def go(self, process):
        process.stdin.write("\n")
        process.stdin.flush()

    def run(self, begin):
        for leecher in self.leechers:
            self.go(leecher)
        seconds, waiting = [], {leecher.stdout: leecher for leecher in self.leechers}
        while waiting:
            ready, _, _ = select.select(waiting, [], [], max(0, TIMEOUT - (time.monotonic() - begin)))
            if not ready:
                sys.exit(f"{len(waiting)} libtorrent leechers did not end in {TIMEOUT} s")
            seconds += [time.monotonic() - begin] * len(ready)
            for stream in ready:
                if stream.readline() != "done\n":
                    sys.exit(f"a libtorrent peer ended; its log: {self.folder}/log")
                waiting.pop(stream)
        return seconds


def find_peers(names):
    """The swarms to measure by these names, after a look whether what they need is there."""
    known = {"aria2": Aria2, "libtorrent": Libtorrent}
    for name in names:
        if name not in known:
            sys.exit(f"{name} is none of {', '.join(known)}")
    if "aria2" in names and not shutil.which("aria2c"):
        sys.exit("aria2c is missing; install aria2 with make bench-deps")
    if "libtorrent" in names:
        # apt installs the module for the system's interpreter, which need not be this one.
        for python in (sys.executable, "/usr/bin/python3"):
            if subprocess.run([python, "-c", "import libtorrent"], stderr=subprocess.DEVNULL).returncode == 0:
                Libtorrent.python = python
                break
        else:
            sys.exit("the module libtorrent is missing; install python3-libtorrent with make bench-deps")
    return {name: known[name] for name in names}


def rounds_of(options, peers, blob_bytes):
    """The rounds of herd and of each other swarm, taken in turns."""
    rounds = {"herd": [], **{name: [] for name in peers}}
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
        [(digest, layer)] = make_image(os.path.join(work, "image"), blob_bytes)
        tracker, torrent = Tracker(), os.path.join(work, "blob.torrent")
        make_torrent(layer, tracker.url, torrent)
        herd = Herd(options.herd, work, options.agents)
        try:
            herd.push(os.path.join(work, "image"))
            for _ in range(options.rounds):
                rounds["herd"].append(herd.download(digest, blob_bytes))
                for name, peer in peers.items():
                    rounds[name].append(peer(work, layer, torrent, tracker, options.agents).download(blob_bytes))
        finally:
            herd.stop()
            tracker.stop()
    return rounds


def swarms(options):
    peers, results, goals = find_peers(options.peers), [], []
    print_heading()
    for blob_bytes in options.sizes or [1 << 30]:
        rounds = rounds_of(options, peers, blob_bytes)
        result = {name: medians(each) for name, each in rounds.items()}
        better = {key: min(result[name][key] for name in peers) for key in ("makespan_seconds", "cpu_seconds_per_gib")}
        ratio = ratios(result["herd"], better)
        label = f"{human(blob_bytes)} x {options.agents}"
        print_row(f"herd {label}", result["herd"])
        print_row("  ratio to the better", ratio)
        for name in peers:
            print_row(name, result[name])
        goals += [goal(f"{label}: makespan", ratio["makespan_seconds"], MAKESPAN_GOAL, "× the better swarm"),
                  goal(f"{label}: CPU seconds", ratio["cpu_seconds_per_gib"], CPU_GOAL, "× the better swarm")]
        results.append({"blob_bytes": blob_bytes, "agents": options.agents, "rounds": options.rounds, **result,
                        "ratio": ratio, **{f"{name}_rounds": each for name, each in rounds.items()}})
    return results, goals
