# SPDX-License-Identifier: Apache-2.0
"""Clusters of separate processes, each on a host of its own."""
import http.client, json, os, shutil, signal, subprocess, time, urllib.request

PORTS = {"origin": 15002, "tracker": 15003, "build-index": 15004, "proxy": 15005, "agent": 16002, "testfs": 14000}
REGISTRY_PORTS = {"proxy": 15000, "agent": 16000}
COUNTS = {"testfs": 1, "origin": 3, "tracker": 2, "build-index": 3, "proxy": 2, "agent": 4}
# What a herd does within minutes elsewhere has to happen within a test.
QUICK_RETRIES = {"retry_interval": "5s", "retry_interval_min": "200ms", "attempts_max": 1000}


class Component:
    def __init__(self, cluster, kind, number):
        self.cluster, self.kind, self.name = cluster, kind, f"{cluster.name}-{kind}-{number}"
        self.address = f"10.77.{cluster.number}.{10 * (1 + list(PORTS).index(kind)) + number}"
        self.namespace = cluster.network.add(self.address)
        self.folder = os.path.join(cluster.folder, self.name)
        self.process, self.fault = None, None

    @property
    def http(self):
        return f"{self.address}:{PORTS[self.kind]}"

    @property
    def registry(self):
        return f"{self.address}:{REGISTRY_PORTS[self.kind]}"

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        path = self.folder + ".yaml"
        with open(path, "w") as file:
            json.dump(self.cluster.configuration(self), file)
        flags = ["--host", self.address]
        if self.kind in ("origin", "agent"):
            flags += ["--peer-ip", self.address]
        if self.kind == "origin":
            flags += ["--blobserver-hostname", self.address]
        with open(self.folder + ".log", "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, self.cluster.executable, self.kind, "--config", path, *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def signal(self, number):
        # `ip netns exec` becomes the program, so that the process is the component itself.
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def wipe(self):
        shutil.rmtree(self.folder)

    def get(self, path, timeout=10):
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=timeout) as answer:
            return answer.read()

    def status(self):
        return json.loads(self.get("/status"))

    def answers(self, path="/health"):
        try:
            self.get(path, timeout=5)
            return True
        except (OSError, http.client.HTTPException):
            return False


class Cluster:
    def __init__(self, number, network, executable, folder):
        self.number, self.network, self.executable, self.folder = number, network, executable, folder
        self.name, self.remotes = "ab"[number - 1], {}
        self.components = [Component(self, kind, i) for kind, count in COUNTS.items() for i in range(count)]

    def of(self, kind):
        return [each for each in self.components if each.kind == kind]

    def configuration(self, component):
        def static(kind):
            return {"static": [each.http for each in self.of(kind)]}

        def backends(root, name_path):
            addr = self.of("testfs")[0].http
            return [{"namespace": ".*", "backend": {"testfs": {"addr": addr, "root": root, "name_path": name_path}}}]

        hosts = {kind: {"hosts": static(kind)} for kind in PORTS}
        data = {"data_dir": component.folder}
        if component.kind == "testfs":
            return {"directory": component.folder}
        if component.kind == "origin":
            return data | {"cluster": static("origin"), "hashring": {"max_replica": 2, "refresh_interval": "1s"},
                           "backends": backends("blobs", "identity"), "writeback": QUICK_RETRIES,
                           "blobserver": {"duplicate_write_back_stagger": "2s"}}
        if component.kind == "tracker":
            return {"origin": hosts["origin"], "trackerserver": {"announce_interval": "1s"}}
        if component.kind == "build-index":
            return data | {"cluster": hosts["build-index"], "origin": hosts["origin"], "backends": backends("tags", "docker_tag"),
                           "tag_types": [{"namespace": ".*", "type": "docker"}], "remotes": self.remotes,
                           "writeback": QUICK_RETRIES, "tag_replication": QUICK_RETRIES,
                           "tagserver": {"duplicate_put_stagger": "2s", "duplicate_replicate_stagger": "2s"}}
        if component.kind == "proxy":
            return data | {"origin": hosts["origin"], "build_index": hosts["build-index"], "access": {"anonymous": "push"}}
        return data | {"tracker": hosts["tracker"], "build_index": hosts["build-index"]}

    def start(self):
        for each in self.components:
            each.start()

    def wait(self, deadline, path="/readiness"):
        """Waits until all answer; those that did not by the deadline are the result."""
        waiting = list(self.components)
        while waiting and time.monotonic() < deadline:
            waiting = [each for each in waiting if not each.answers("/health" if each.kind == "testfs" else path)]
            time.sleep(0.1 if waiting else 0)
        return waiting

    def owed(self):
        """What queues hold, as {queue: number of tasks}, and how many of them were given up."""
        tasks, dead = {}, 0
        for each in self.of("origin") + self.of("build-index"):
            for queue in each.status().get("queues", []):
                count = queue["pending_count"] + queue["failed_count"]
                tasks[queue["name"]] = tasks.get(queue["name"], 0) + count
                dead += queue.get("dead_count", 0)
        return tasks, dead

    def stop(self):
        for each in self.components:
            if each.process and each.process.poll() is None:
                each.signal(signal.SIGCONT)
                each.signal(signal.SIGTERM)
        for each in self.components:
            if each.process:
                try:
                    each.process.wait(15)
                except subprocess.TimeoutExpired:
                    each.kill()
