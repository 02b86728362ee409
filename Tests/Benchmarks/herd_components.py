# SPDX-License-Identifier: Apache-2.0
"""A cluster of separate processes, for what one process does not offer: an origin with a limit of its own."""
import http.client, json, os, subprocess, sys, time, urllib.error, urllib.request
from herd_process import NAMESPACE, cached
from machine import end, free_ports

START_SECONDS = 60
# As in fixtures/config/origin.yaml.
PIECE_LENGTHS = {"0": "1MB", "512MB": "2MB", "2GB": "4MB", "4GB": "8MB"}


class Cluster:
    """One origin, one tracker, one build-index and `count` agents. The origin and the agents may send, and receive,
    `rate` bytes a second. Ready when the constructor returns."""

    def __init__(self, executable, folder, count, rate):
        self.executable, self.folder, self.processes = executable, folder, []
        self.origin, self.tracker, self.index = (f"127.0.0.1:{port}" for port in free_ports(3))
        limited = {"conn": {"bandwidth": {
            "enable": True, "egress_bits_per_sec": rate * 8, "ingress_bits_per_sec": rate * 8}}}
        backends = [{"namespace": ".*", "backend": {"file": {
            "root": os.path.join(folder, "backend"), "name_path": "identity"}}}]
        origins = {"hosts": {"static": [self.origin]}}
        try:
            self.start("origin", "origin", {
                "cluster": {"static": [self.origin]}, "backends": backends, "scheduler": limited,
                "metainfogen": {"piece_lengths": PIECE_LENGTHS}},
                "--peer-ip", "127.0.0.1", "--peer-port", str(free_ports(1)[0]),
                "--blobserver-hostname", "127.0.0.1", "--blobserver-port", self.origin.split(":")[1])
            self.start("tracker", "tracker", {"origin": origins}, "--port", self.tracker.split(":")[1])
            self.start("build-index", "build-index", {"origin": origins, "backends": backends},
                       "--port", self.index.split(":")[1])
            ports = free_ports(3 * count)
            self.agents = [f"127.0.0.1:{port}" for port in ports[:count]]
            for i in range(count):
                self.start("agent", f"agent-{i}", {
                    "tracker": {"hosts": {"static": [self.tracker]}},
                    "build_index": {"hosts": {"static": [self.index]}}, "scheduler": limited},
                    "--peer-ip", "127.0.0.1", "--peer-port", str(ports[count + i]),
                    "--agent-server-port", str(ports[i]), "--agent-registry-port", str(ports[2 * count + i]))
            self.wait_until_ready([self.origin, self.tracker, self.index, *self.agents])
        except BaseException:
            self.stop()
            raise

    def start(self, kind, name, configuration, *flags):
        path = os.path.join(self.folder, f"{name}.yaml")
        if kind != "tracker":
            configuration["data_dir"] = os.path.join(self.folder, name)
        with open(path, "w") as file:
            json.dump(configuration, file)  # JSON is YAML, too
        with open(os.path.join(self.folder, f"{name}.log"), "ab") as log:
            self.processes.append(subprocess.Popen(
                [self.executable, kind, "--config", path, "--host", "127.0.0.1", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def wait_until_ready(self, addresses):
        deadline, waiting = time.monotonic() + START_SECONDS, list(addresses)
        while waiting:
            try:
                urllib.request.urlopen(f"http://{waiting[0]}/health", timeout=5).close()
                waiting.pop(0)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline or any(each.poll() is not None for each in self.processes):
                    sys.exit(f"{waiting[0]} does not start; its log is in {self.folder}")
                time.sleep(0.02)

    def upload(self, path, digest):
        """Gives the origin a blob, in one chunk, as a proxy does."""
        connection = http.client.HTTPConnection(self.origin, timeout=120)
        begin = f"/namespace/{NAMESPACE}/blobs/{digest}/uploads"

        def send(method, target, body=None, headers={}):
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status // 100 != 2:
                sys.exit(f"{method} {target} at the origin: status {answer.status}")
            return answer.headers

        upload = f"{begin}/{send('POST', begin)['Location']}"
        length = os.path.getsize(path)
        with open(path, "rb") as file:
            send("PATCH", upload, file, {"Content-Range": f"0-{length}", "Content-Length": str(length)})
        send("PUT", upload)
        connection.close()

    def cached(self, digest):
        """Where each agent has a blob once it is whole."""
        return [cached(os.path.join(self.folder, f"agent-{i}"), digest) for i in range(len(self.agents))]

    def status(self, address):
        return json.load(urllib.request.urlopen(f"http://{address}/status", timeout=10))

    def stop(self):
        end(self.processes)
