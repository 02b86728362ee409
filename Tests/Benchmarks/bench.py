#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measure a release build of herd as a user would run it, beside a peer in the same run.

  bench.py fanout   one blob to N agents at once, disk to disk on loopback, against N curls from one nginx; and the same
                    with a client at each agent that reads the blob while it arrives
  bench.py small    many blobs of 1 MiB, one after the other at each of N agents at once: time from GET to last byte
  bench.py idle     cold start, resident memory and CPU of an idle herd

Prints a table and writes JSON. Needs curl, and nginx for fanout. Everything stays on loopback and in a
temporary directory. Memory that has been free for a while may be cold on a virtual machine (its first touch costs
seconds of CPU per GiB), so free memory is filled with clean page-cache pages before each timed run.
"""
import argparse, glob, hashlib, json, os, re, shutil, signal, statistics, subprocess, sys, tempfile, time
import urllib.error, urllib.request

UNITS = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
TICKS = os.sysconf("SC_CLK_TCK")
WARM_KEEP_MIB = 700  # free memory that warming leaves alone


def size(text):
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text)
    if not match or match.group(2).upper() not in UNITS:
        raise argparse.ArgumentTypeError(f"{text} is no size; write 256MiB or 1GiB")
    return int(match.group(1)) * UNITS[match.group(2).upper()]


def human(count):
    return f"{count / (1 << 30):g}GiB" if count >= 1 << 30 else f"{count / (1 << 20):g}MiB"


def warm_memory(folder):
    """Fill free memory with clean pages: read a sparse file as large as what is free. It stays until `folder` goes, so that
    the next call has only to fill what was freed meanwhile; the kernel takes clean pages back whenever it needs some."""
    free = int(re.search(r"MemFree:\s+(\d+)", open("/proc/meminfo").read()).group(1)) // 1024
    if free <= WARM_KEEP_MIB:
        return
    handle, _ = tempfile.mkstemp(dir=folder, prefix="warm-")
    with open(handle, "r+b", buffering=0) as file:
        file.truncate((free - WARM_KEEP_MIB) << 20)
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


def memory(pid, key):
    return int(re.search(key + r":\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) * 1024


def get_json(url):
    return json.load(urllib.request.urlopen(url, timeout=10))


class Herd:
    """One herd process on ephemeral ports, ready when the constructor returns."""

    def __init__(self, executable, folder, agents, extra=()):
        self.executable = executable
        self.folder, ready = folder, os.path.join(folder, "ready.json")
        if os.path.exists(ready):
            os.remove(ready)
        begin = time.monotonic()
        self.log = open(os.path.join(folder, "herd.log"), "ab")
        self.process = subprocess.Popen(
            [executable, "up", "--agents", str(agents), "--headless", "--ephemeral-ports", "--data-dir",
             os.path.join(folder, "data"), "--ready-file", ready, *extra],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() - begin > 60:
                self.stop()
                sys.exit(f"herd was not ready; its log: {self.log.name}")
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - begin
        self.components = json.load(open(ready))["components"]

    def addresses(self, kind, name):
        return [c["addresses"][name] for c in self.components if c["kind"] == kind]

    def push(self, image):
        reference = f"{self.addresses('proxy', 'registry')[0]}/bench/blob:v1"
        subprocess.run([self.executable, "push", image, reference], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def wait_until_cached(self, digest, begin):
        """Seconds from `begin` until each agent has the blob, in order."""
        name = digest.split(":")[1]
        seconds, waiting = [], [
            path for path in glob.glob(os.path.join(self.folder, "data", "agent-*"))]
        while waiting:
            here = [path for path in waiting
                    if os.path.exists(os.path.join(path, "cache", name[:2], name[2:4], name, "data"))]
            seconds += [time.monotonic() - begin] * len(here)
            waiting = [path for path in waiting if path not in here]
            if time.monotonic() - begin > 600:
                sys.exit("an agent does not get the blob")
            time.sleep(0.005)
        return seconds

    def counters(self):
        total = {}
        for address in self.addresses("agent", "http"):
            for key, value in get_json(f"http://{address}/status")["counters"].items():
                total[key] = total.get(key, 0) + value
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def make_image(folder, blob_bytes, layer_count=1):
    """An OCI image layout with layers of `blob_bytes` of noise each; answers their digests and paths."""
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def add(data):
        digest = hashlib.sha256(data).hexdigest()
        open(os.path.join(blobs, digest), "wb").write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    def add_noise():
        hasher, path = hashlib.sha256(), os.path.join(blobs, "layer")
        with open(path, "wb") as file:
            left = blob_bytes
            while left:
                chunk = os.urandom(min(left, 4 << 20))
                hasher.update(chunk)
                file.write(chunk)
                left -= len(chunk)
        os.rename(path, os.path.join(blobs, hasher.hexdigest()))
        return {"digest": "sha256:" + hasher.hexdigest(), "size": blob_bytes}

    layers = [add_noise() for _ in range(layer_count)]
    config = add(json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}).encode())
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = add(json.dumps({
        "schemaVersion": 2, "mediaType": manifest_type,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer} for layer in layers]}).encode())
    json.dump({"imageLayoutVersion": "1.0.0"}, open(os.path.join(folder, "oci-layout"), "w"))
    json.dump({"schemaVersion": 2, "manifests": [{
        "mediaType": manifest_type, **manifest, "annotations": {"org.opencontainers.image.ref.name": "v1"}}]},
        open(os.path.join(folder, "index.json"), "w"))
    return [(layer["digest"], os.path.join(blobs, layer["digest"].split(":")[1])) for layer in layers]


def race(commands):
    """Start every command at once; answers each one's seconds, their CPU seconds and the makespan."""
    before = os.times()
    begin = time.monotonic()
    running, seconds = {}, []
    for command in commands:
        child = subprocess.Popen(command)
        running[child.pid] = child
    while running:
        pid, status = os.wait()
        if pid in running:
            running.pop(pid)
            seconds.append(time.monotonic() - begin)
            if status:
                sys.exit(f"a client failed with status {status}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return sorted(seconds), cpu


def summary(name, blob_bytes, seconds, cpu, resident, share=None):
    gibibytes = blob_bytes * len(seconds) / (1 << 30)
    return {"name": name, "makespan_seconds": seconds[-1], "p50_seconds": statistics.median(seconds),
            "p99_seconds": seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))],
            "cpu_seconds_per_gib": cpu / gibibytes, "resident_bytes_peak": resident, "share_from_agents": share}


def herd_round(herd, digest, blob_bytes, work, streamed):
    """All agents at once. Not streamed: a client per agent asks for the last byte only; the agent is done when the whole
    blob, verified, is in its cache, so the blob goes from the origins' disks to the agents'. Streamed: the clients also
    read the whole blob from their agents meanwhile."""
    for address in herd.addresses("agent", "http"):
        urllib.request.urlopen(urllib.request.Request(f"http://{address}/blobs/{digest}", method="DELETE"))
    pid = herd.process.pid
    wait_until_freed(pid)
    warm_memory(work)
    open(f"/proc/{pid}/clear_refs", "w").write("5")  # start the peak anew
    wanted = [] if streamed else ["-r", str(blob_bytes - 1)]
    before, cpu_before = herd.counters(), cpu_seconds([pid])
    begin = time.monotonic()
    seconds, clients_cpu = race([
        ["curl", "-fsS", *wanted, "-o", "/dev/null", f"http://{address}/namespace/bench%2Fblob/blobs/{digest}"]
        for address in herd.addresses("agent", "http")])
    cached = herd.wait_until_cached(digest, begin)
    if not streamed:
        seconds = cached
    cpu = cpu_seconds([pid]) - cpu_before + clients_cpu
    after = herd.counters()
    agents, origins = (after[key] - before[key] for key in (
        "bytes_downloaded_from_agents", "bytes_downloaded_from_origins"))
    if agents + origins < blob_bytes * len(seconds):
        sys.exit(f"only {agents + origins} bytes reached the agents")
    return summary("herd, streamed" if streamed else "herd", blob_bytes, seconds, cpu, memory(pid, "VmHWM"),
                   agents / (agents + origins))


def wait_until_freed(pid):
    """Removed files keep their memory and blocks until they are closed, which the herd does in the background."""
    def is_removed(entry):
        try:
            return os.readlink(entry.path).endswith(" (deleted)") and os.stat(entry.path).st_size > 1 << 20
        except OSError:
            return False
    while any(is_removed(entry) for entry in os.scandir(f"/proc/{pid}/fd")):
        time.sleep(0.02)
    # The thread that closes the last one may still be at it.
    time.sleep(0.5)


def nginx_start(work, root):
    config, port = os.path.join(work, "nginx.conf"), 0
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    open(config, "w").write(f"""
        worker_processes {os.cpu_count()}; pid {work}/nginx.pid; error_log {work}/nginx.err; daemon off;
        user root; events {{ worker_connections 1024; }}
        http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {work}/nb; proxy_temp_path {work}/np;
          fastcgi_temp_path {work}/nf; uwsgi_temp_path {work}/nu; scgi_temp_path {work}/ns;
          server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }} }}""")
    process = subprocess.Popen(["nginx", "-c", config, "-p", work], stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/none", timeout=1)
        except urllib.error.HTTPError:
            return process, port
        except OSError:
            time.sleep(0.02)
    sys.exit("nginx did not start")


def nginx_round(process, port, blob_bytes, name, count, work):
    target = os.path.join(work, "copies")
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    warm_memory(work)
    workers = [int(p) for p in open(f"/proc/{process.pid}/task/{process.pid}/children").read().split()]
    before = cpu_seconds([process.pid, *workers])
    seconds, clients_cpu = race([
        ["curl", "-fsS", "-o", os.path.join(target, str(i)), f"http://127.0.0.1:{port}/{name}"] for i in range(count)])
    cpu = cpu_seconds([process.pid, *workers]) - before + clients_cpu
    resident = sum(memory(p, "VmHWM") for p in [process.pid, *workers])
    shutil.rmtree(target)
    return summary("nginx + curl", blob_bytes, seconds, cpu, resident)


def medians(rounds):
    keys = [k for k, v in rounds[0].items() if isinstance(v, (int, float))]
    return {"name": rounds[0]["name"], **{k: statistics.median(r[k] for r in rounds) for k in keys}}


def row(label, result):
    def cell(width, key, digits, scale=1.0, unit=""):
        value = result.get(key)
        return f"{'':>{width}}" if value is None else f"{f'{value * scale:.{digits}f}{unit}':>{width}}"
    return (f"{label:<24}{cell(10, 'makespan_seconds', 2)}{cell(9, 'p50_seconds', 2)}{cell(9, 'p99_seconds', 2)}"
            f"{cell(12, 'cpu_seconds_per_gib', 2)}{cell(10, 'resident_bytes_peak', 0, 1 / (1 << 20))}"
            f"{cell(10, 'share_from_agents', 0, 100, '%')}").rstrip()


def fanout(options):
    results = []
    print(f"{'':<24}{'makespan s':>10}{'p50 s':>9}{'p99 s':>9}{'CPU s/GiB':>12}{'RSS MiB':>10}{'agents':>10}")
    for blob_bytes in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
            [(digest, layer)] = make_image(os.path.join(work, "image"), blob_bytes)
            herd = Herd(options.herd, work, options.agents)
            nginx, port = nginx_start(work, os.path.dirname(layer))
            try:
                herd.push(os.path.join(work, "image"))
                ours, streamed, theirs = [], [], []
                for _ in range(options.rounds):
                    ours.append(herd_round(herd, digest, blob_bytes, work, streamed=False))
                    streamed.append(herd_round(herd, digest, blob_bytes, work, streamed=True))
                    theirs.append(nginx_round(nginx, port, blob_bytes, os.path.basename(layer), options.agents, work))
            finally:
                herd.stop()
                nginx.terminate()
                nginx.wait()
        a, c, b = medians(ours), medians(streamed), medians(theirs)
        label = f"{human(blob_bytes)} x {options.agents}"
        keys = ("makespan_seconds", "cpu_seconds_per_gib")
        ratios, streamed_ratios = ({k: x[k] / b[k] for k in keys} for x in (a, c))
        print(row(f"herd {label}", a))
        print(row("  ratio to nginx", ratios))
        print(row("herd, streamed", c))
        print(row("  ratio to nginx", streamed_ratios))
        print(row("nginx + curl", b), flush=True)
        results.append({"blob_bytes": blob_bytes, "agents": options.agents, "rounds": options.rounds, "herd": a,
                        "herd_streamed": c, "nginx": b, "ratio": ratios, "ratio_streamed": streamed_ratios,
                        "herd_rounds": ours, "herd_streamed_rounds": streamed, "nginx_rounds": theirs})
    return results


def small(options):
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
        blobs = make_image(os.path.join(work, "image"), 1 << 20, options.blobs)
        herd = Herd(options.herd, work, options.agents)
        try:
            herd.push(os.path.join(work, "image"))
            warm_memory(work)
            pid = herd.process.pid
            before = cpu_seconds([pid])
            clients = []
            for address in herd.addresses("agent", "http"):
                command = ["curl", "-fsS", "-w", "%{time_total}\n"]
                for digest, _ in blobs:
                    command += ["-o", "/dev/null", f"http://{address}/namespace/bench%2Fblob/blobs/{digest}"]
                clients.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            times = sorted(1000 * float(line) for client in clients for line in client.communicate()[0].split())
            cpu = cpu_seconds([pid]) - before
            if len(times) < options.blobs * options.agents or any(client.returncode for client in clients):
                sys.exit("a client failed")
        finally:
            herd.stop()
    result = {"blobs": options.blobs, "agents": options.agents, "p50_ms": statistics.median(times),
              "p99_ms": times[int(len(times) * 0.99)], "max_ms": times[-1], "cpu_seconds": cpu}
    print(f"{'':<24}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'CPU s':>8}")
    label = f"{options.blobs} x 1MiB x {options.agents}"
    print(f"{label:<24}{result['p50_ms']:>10.1f}{result['p99_ms']:>10.1f}{result['max_ms']:>10.1f}{cpu:>8.2f}", flush=True)
    return [result]


def idle(options):
    results = []
    print(f"{'':<24}{'start s':>10}{'RSS MiB':>10}{'CPU %':>8}")
    for agents in options.idle_agents:
        starts = []
        with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
            for _ in range(options.rounds):
                shutil.rmtree(os.path.join(work, "data"), ignore_errors=True)
                herd = Herd(options.herd, work, agents)
                starts.append(herd.start_seconds)
                if len(starts) < options.rounds:
                    herd.stop()
            time.sleep(options.settle)
            before, begin = cpu_seconds([herd.process.pid]), time.monotonic()
            time.sleep(options.idle_seconds)
            percent = 100 * (cpu_seconds([herd.process.pid]) - before) / (time.monotonic() - begin)
            resident = memory(herd.process.pid, "VmRSS")
            herd.stop()
        result = {"agents": agents, "start_seconds": statistics.median(starts), "start_seconds_all": starts,
                  "resident_bytes": resident, "cpu_percent": percent}
        print(f"{f'{agents} agents':<24}{result['start_seconds']:>10.2f}{resident / (1 << 20):>10.0f}{percent:>8.2f}", flush=True)
        results.append(result)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["fanout", "small", "idle"])
    parser.add_argument("--herd", default=".build/release/herd", type=os.path.abspath)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--sizes", type=lambda t: [size(s) for s in t.split(",")], default=[1 << 30])
    parser.add_argument("--blobs", type=int, default=100, help="of small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-agents", type=lambda t: [int(n) for n in t.split(",")], default=[10, 100])
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--settle", type=float, default=5)
    parser.add_argument("--work", default="/var/tmp", help="a folder on a real disk, not tmpfs")
    parser.add_argument("--json", help="where to write the results")
    options = parser.parse_args()
    results = {"benchmark": options.benchmark, "results": {"fanout": fanout, "small": small, "idle": idle}[options.benchmark](options)}
    if options.json:
        os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
        json.dump(results, open(options.json, "w"), indent=1)


if __name__ == "__main__":
    main()
