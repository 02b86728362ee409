# SPDX-License-Identifier: Apache-2.0
"""What clients of a registry do, at a herd and at Docker's registry (distribution), with the same files in the same run."""
import hashlib, json, os, subprocess, sys, tempfile, time, urllib.request
from herd_process import Herd, make_blob
from machine import cpu_seconds, end, forget_memory_peak, free_ports, memory, race, settle, wait_until_answered
from report import goal, human, medians

REPOSITORY = "bench/registry"
CLIENTS = 10
SINGLE_PUSHES, SINGLE_PULLS, PULLS = 500, 5_000, 20_000  # of manifests, by one client and by all
WARMED_FROM_BYTES = 64 << 20
LISTINGS = 20  # one after the other
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
# As docker, skopeo and podman push a layer: a session, the bytes in one PATCH, the digest in a PUT.
PUSH = """
set -e
location() { sed -n 's/^[Ll]ocation: *//p' | tr -d '\\r' | sed "s|^/|$1/|"; }
session=$(curl -fsS -X POST -H 'Content-Length: 0' -D - -o /dev/null "$1/v2/$2/blobs/uploads/" | location "$1")
session=$(curl -fsS -X PATCH -H 'Content-Type: application/octet-stream' -D - -o /dev/null -T "$3" "$session" \
  | location "$1")
case $session in *\\?*) and='&' ;; *) and='?' ;; esac
curl -fsS -X PUT -H 'Content-Length: 0' -o /dev/null "$session${and}digest=$4"
"""


class DockerRegistry:
    """Docker's registry on its file system driver, ready when the constructor returns."""

    def __init__(self, work):
        config, [port] = os.path.join(work, "registry.json"), free_ports(1)
        json.dump({"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}},
                   "storage": {"filesystem": {"rootdirectory": os.path.join(work, "registry")}},
                   "http": {"addr": f"127.0.0.1:{port}"}}, open(config, "w"))  # JSON is YAML
        self.work = work
        self.push_url = self.pull_url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=subprocess.DEVNULL,
                                        stderr=open(os.path.join(work, "registry.log"), "wb"))
        if not wait_until_answered(f"{self.push_url}/v2/"):
            self.stop()
            sys.exit("docker-registry did not start")

    def drain(self):
        """It owes nobody anything."""

    def stop(self):
        end([self.process])


class HerdRegistry(Herd):
    """A herd of one origin, so that there is one copy as at the other one, and one agent: pushed to at its proxy, pulled from at its agent, as it is meant."""

    def __init__(self, executable, work):
        super().__init__(executable, work, 1, ["--origins", "1"])
        self.work = work
        self.push_url = f"http://{self.addresses('proxy', 'registry')[0]}"
        self.pull_url = f"http://{self.addresses('agent', 'registry')[0]}"

    def drain(self):
        """Waits until what was pushed is in the backend, too."""
        owners = self.addresses("origin", "http") + self.addresses("build-index", "http")
        def owed(address):
            status = json.load(urllib.request.urlopen(f"http://{address}/status", timeout=10))
            return sum(queue["pending_count"] + queue["failed_count"] for queue in status["queues"])
        while any(owed(address) for address in owners):
            time.sleep(0.1)


def timed(registry, commands, writes=0):
    """Runs all commands at once; what they took, and what it cost the registry, a herd's write-back included. `writes` is about how many bytes reach the
    disk: memory is made warm for more than a few, which takes its time."""
    if writes > WARMED_FROM_BYTES:
        settle(registry.work)
    pid = registry.process.pid
    forget_memory_peak(pid)
    before = cpu_seconds([pid])
    seconds, _ = race(commands)
    registry.drain()
    return {"seconds": seconds[-1], "cpu_seconds": cpu_seconds([pid]) - before, "resident_bytes_peak": memory(pid)}


def push(registry, blobs):
    return [["bash", "-c", PUSH, "push", registry.push_url, REPOSITORY, path, digest] for digest, path in blobs]


def pull(registry, digest, count):
    return [["curl", "-fsS", "-o", "/dev/null", f"{registry.pull_url}/v2/{REPOSITORY}/blobs/{digest}"]] * count


def shared_out(requests, clients, folder, name):
    """One curl per client, which does its part of `requests`, pairs of a URL and a file to put or None, on one connection."""
    commands = []
    for number in range(clients):
        path = os.path.join(folder, f"{name}-{number}")
        with open(path, "w") as file:
            for url, upload in requests[number::clients]:
                file.write(f'url="{url}"\noutput="/dev/null"\n')
                if upload:
                    file.write(f'upload-file="{upload}"\n')
        accept = ["-H", f"Content-Type: {MANIFEST_TYPE}", "-H", f"Accept: {MANIFEST_TYPE}"]
        commands.append(["curl", "-fsS", *accept, "-K", path])
    return commands


def make_manifests(folder, count, blob):
    """`count` manifests of an image of one tiny layer, all different; answers their digests and paths."""
    digest, path = blob
    descriptor = {"digest": digest, "size": os.path.getsize(path)}
    made = []
    for number in range(count):
        data = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "annotations": {"number": str(number)},
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **descriptor},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **descriptor}]}).encode()
        path = os.path.join(folder, f"manifest-{number}")
        open(path, "wb").write(data)
        made.append(("sha256:" + hashlib.sha256(data).hexdigest(), path))
    return made


class Files:
    """What all registries get."""

    def __init__(self, folder, blob_bytes, tags):
        self.folder = folder
        self.blobs = [self.blob(blob_bytes) for _ in range(1 + CLIENTS)]
        self.tiny = self.blob(1024)
        self.manifests = make_manifests(folder, tags + min(SINGLE_PUSHES, tags), self.tiny)

    def blob(self, count):
        digest = make_blob(self.folder, count)
        return digest, os.path.join(self.folder, digest.split(":")[1])


def measure_blobs(registry, files, blob_bytes):
    """Rows of blobs: pushed and pulled by one client and by ten."""
    size, [first, *others] = human(blob_bytes), files.blobs
    yield f"push {size}, one client", timed(registry, push(registry, [first]), blob_bytes), 1
    yield f"push {size} each, {CLIENTS} clients", timed(registry, push(registry, others), blob_bytes * CLIENTS), 1
    race(pull(registry, others[0][0], 1))  # an agent has to get it first
    yield f"pull {size}, one client", timed(registry, pull(registry, others[0][0], 1)), 1
    yield f"pull {size} each, {CLIENTS} clients", timed(registry, pull(registry, others[0][0], CLIENTS)), 1


def measure_manifests(registry, files, tags):
    """Rows of manifests, and of the list of their tags."""
    race(push(registry, [files.tiny]))
    base = f"/v2/{REPOSITORY}/manifests"
    puts = [(f"{registry.push_url}{base}/t{number:05}", path) for number, (_, path) in enumerate(files.manifests)]
    singles, all_ = puts[tags:], puts[:tags]
    for index, (url, path) in enumerate(singles):  # to another repository, for the list's sake
        singles[index] = url.replace(REPOSITORY, "bench/single"), path
    race([["bash", "-c", PUSH, "push", registry.push_url, "bench/single", files.tiny[1], files.tiny[0]]])
    yield "push manifests, one client", timed(registry, shared_out(singles, 1, files.folder, "put")), len(singles)
    yield f"push manifests, {CLIENTS} clients", timed(registry, shared_out(all_, CLIENTS, files.folder, "put")), tags
    asked = min(100, tags)
    by_tag = [(f"{registry.pull_url}{base}/t{number % asked:05}", None) for number in range(PULLS)]
    by_digest = [(f"{registry.pull_url}{base}/{files.manifests[number % asked][0]}", None) for number in range(PULLS)]
    race(shared_out(by_tag[:asked], 1, files.folder, "get"))
    for name, gets in (("tag", by_tag), ("digest", by_digest)):
        for clients, count in ((1, SINGLE_PULLS), (CLIENTS, PULLS)):
            label = f"pull by {name}, {'one client' if clients == 1 else f'{clients} clients'}"
            yield label, timed(registry, shared_out(gets[:count], clients, files.folder, "get")), count
    listing = f"{registry.pull_url}/v2/{REPOSITORY}/tags/list"
    names = json.load(urllib.request.urlopen(listing, timeout=60))["tags"]
    if len(names) != tags:
        sys.exit(f"{listing} has {len(names)} tags, not {tags}")
    yield f"list {tags} tags", timed(registry, shared_out([(listing, None)] * LISTINGS, 1, files.folder, "list")), LISTINGS


def rounds_of(options, blob_bytes):
    """Each row's rounds, of both registries, taken in turns on fresh folders."""
    rows = {}
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as outer:
        files = Files(outer, blob_bytes, options.tags)
        order = ["herd", "distribution"]
        for _ in range(options.rounds):
            for name in order:
                with tempfile.TemporaryDirectory(dir=outer) as work:
                    registry = HerdRegistry(options.herd, work) if name == "herd" else DockerRegistry(work)
                    try:
                        for measure, amount in ((measure_manifests, options.tags), (measure_blobs, blob_bytes)):
                            for label, figures, count in measure(registry, files, amount):
                                row = rows.setdefault(label, {"count": count, "herd": [], "distribution": []})
                                row[name].append(figures)
                    finally:
                        registry.stop()
            # Some file systems go through the inodes of files that were just removed for each one that is made.
            order.reverse()
    return rows


def registry(options):
    results, goals = [], []
    for blob_bytes in options.sizes or [1 << 30]:
        print(f"{'':<32}{'herd':>10}{'':>8}{'CPU s':>8}{'MiB':>6}{'distribution':>15}{'':>8}{'CPU s':>8}{'MiB':>6}")
        for label, row in rounds_of(options, blob_bytes).items():
            ours, theirs = medians(row["herd"]), medians(row["distribution"])
            cells = "".join(
                f"{each['seconds']:>{width}.2f} s{each_second(row['count'], each, blob_bytes):>8}{each['cpu_seconds']:>8.2f}"
                f"{each['resident_bytes_peak'] / (1 << 20):>6.0f}" for each, width in ((ours, 8), (theirs, 13)))
            print(f"{label:<32}{cells}", flush=True)
            for key, what, unit in (("seconds", "time", ""), ("cpu_seconds", "CPU", "")):
                goals.append(goal(f"{label}: {what}", ours[key] / max(theirs[key], 0.01), 1, "× distribution"))
            results.append({"row": label, **row})
        peak = {name: max(figures["resident_bytes_peak"] for row in results for figures in row[name])
                for name in ("herd", "distribution")}
        goals.append(goal("peak of resident memory", peak["herd"] / peak["distribution"], 1, "× distribution"))
    return results, goals


def each_second(count, figures, blob_bytes):
    """Requests a second, where there were many."""
    return f"{count / figures['seconds']:.0f}/s" if count > 1 else ""
