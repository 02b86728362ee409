# SPDX-License-Identifier: Apache-2.0
"""A herd in one process, as `herd up` starts it, and what is downloaded from it."""
import hashlib, json, os, ssl, subprocess, sys, time, urllib.request
from machine import cpu_seconds, end, forget_memory_peak, memory, race, settle, wait_for_files, wait_until_freed
from report import summary

NAMESPACE = "bench%2Fblob"
# Of the herd's own authority, which nobody has to be sure of here.
TRUSTING = ssl._create_unverified_context()


def url(address):
    """Where an agent is: in the open, unless its address says otherwise."""
    return address if "://" in address else f"http://{address}"


def blob_url(address, digest):
    """Where an agent serves a blob, and downloads it for that if need be."""
    return f"{url(address)}/namespace/{NAMESPACE}/blobs/{digest}"


def forget(address, digest):
    """Deletes a blob at an agent."""
    urllib.request.urlopen(
        urllib.request.Request(f"{url(address)}/blobs/{digest}", method="DELETE"), timeout=60, context=TRUSTING).close()


def cached(data_folder, digest):
    """Where a component has a blob once it is whole and verified."""
    name = digest.split(":")[1]
    return os.path.join(data_folder, "cache", name[:2], name[2:4], name, "data")


def last_byte(blob_bytes, address, digest):
    """A client that has an agent download a blob and takes no more than its last byte."""
    return ["curl", "-fsSk", "-r", str(blob_bytes - 1), "-o", "/dev/null", blob_url(address, digest)]


def whole(address, digest):
    """A client that reads a blob from an agent while the agent downloads it."""
    return ["curl", "-fsSk", "-o", "/dev/null", blob_url(address, digest)]


class Herd:
    """One herd process on ephemeral ports, ready when the constructor returns."""

    def __init__(self, executable, folder, agents, extra=()):
        self.executable = executable
        self.folder, ready = folder, os.path.join(folder, "ready.json")
        if os.path.exists(ready):
            os.remove(ready)
        begin = time.monotonic()
        self.log = open(os.path.join(folder, "herd.log"), "ab")
        self.process = self.launch(
            [executable, "up", "--agents", str(agents), "--ephemeral-ports", "--data-dir",
             os.path.join(folder, "data"), "--ready-file", ready, *extra])
        while not os.path.exists(ready):
            if self.process.poll() is not None or time.monotonic() - begin > 60:
                self.stop()
                sys.exit(f"herd was not ready; its log: {self.log.name}")
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - begin
        self.components = json.load(open(ready))["components"]
        self.is_secure = "--tls" in extra
        self.agents = [("https://" if self.is_secure else "") + each for each in self.addresses("agent", "http")]

    def launch(self, command):
        return subprocess.Popen([*command, "--headless"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def addresses(self, kind, name):
        return [c["addresses"][name] for c in self.components if c["kind"] == kind]

    def push(self, image):
        reference = f"{self.addresses('proxy', 'registry')[0]}/bench/blob:v1"
        trust = ["--cacert", os.path.join(self.folder, "data", "tls", "ca.pem")] if self.is_secure else []
        subprocess.run([self.executable, "push", image, reference, *trust], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def wait_until_cached(self, digest, begin, agents=None):
        """Seconds from `begin` until each agent has the blob, in order; of the agents with these numbers, or of all."""
        numbers = range(len(self.agents)) if agents is None else agents
        paths = [cached(os.path.join(self.folder, "data", f"agent-{number}"), digest) for number in numbers]
        return wait_for_files(paths, begin, processes=[self.process])

    def counters(self):
        total = {}
        for address in self.agents:
            status = json.load(urllib.request.urlopen(f"{url(address)}/status", timeout=10, context=TRUSTING))
            for key, value in status["counters"].items():
                total[key] = total.get(key, 0) + value
        return total

    def download(self, digest, blob_bytes, streamed=False):
        """All agents download a blob at once, and forget it. Not streamed: a client per agent asks for the last byte
        only; the agent is done when the whole blob, verified, is in its cache, so the blob goes from the origins' disks
        to the agents'. Streamed: the clients also read the whole blob from their agents meanwhile."""
        settle(self.folder)
        pid = self.process.pid
        forget_memory_peak(pid)
        before, cpu_before = self.counters(), cpu_seconds([pid])
        begin = time.monotonic()
        seconds, clients_cpu = race([
            whole(address, digest) if streamed else last_byte(blob_bytes, address, digest) for address in self.agents])
        cached_seconds = self.wait_until_cached(digest, begin)
        cpu = cpu_seconds([pid]) - cpu_before + clients_cpu
        resident, after = memory(pid), self.counters()
        agents, origins = (after[key] - before[key] for key in (
            "bytes_downloaded_from_agents", "bytes_downloaded_from_origins"))
        if agents + origins < blob_bytes * len(self.agents):
            sys.exit(f"only {agents + origins} bytes reached the agents")
        for address in self.agents:
            forget(address, digest)
        wait_until_freed(pid)
        return summary(blob_bytes, seconds if streamed else cached_seconds, cpu, resident, agents / (agents + origins))

    def stop(self):
        end([self.process])


def make_image(folder, blob_bytes, layer_count=1):
    """An OCI image layout with layers of `blob_bytes` of noise each; answers their digests and paths."""
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def add(data):
        digest = hashlib.sha256(data).hexdigest()
        open(os.path.join(blobs, digest), "wb").write(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    layers = [{"digest": make_blob(blobs, blob_bytes), "size": blob_bytes} for _ in range(layer_count)]
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


def make_blob(folder, blob_bytes):
    """A file of noise, named by the SHA-256 of its bytes; answers its digest."""
    hasher, path = hashlib.sha256(), os.path.join(folder, "blob")
    with open(path, "wb") as file:
        left = blob_bytes
        while left:
            chunk = os.urandom(min(left, 4 << 20))
            hasher.update(chunk)
            file.write(chunk)
            left -= len(chunk)
    os.rename(path, os.path.join(folder, hasher.hexdigest()))
    return "sha256:" + hasher.hexdigest()
