# SPDX-License-Identifier: Apache-2.0
"""Clients that push and pull, and remember what they were told."""
import hashlib, http.client, json, random, threading, time, urllib.parse

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REQUEST_SECONDS = 60


class Wrong(Exception):
    """Something was served that is not what was pushed, or what was acknowledged is gone."""


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def request(address, method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(address, timeout=REQUEST_SECONDS)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


class Image:
    """Random layers, so that each is a blob of its own, and the manifest that names them."""

    def __init__(self, draw):
        self.blobs = {}
        layers = [self.add(draw.randbytes(draw.randrange(1000, 2 << 20)), LAYER) for _ in range(draw.randrange(1, 4))]
        config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers]}}
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": self.add(json.dumps(config).encode(), CONFIG), "layers": layers}).encode()
        self.digest = digest(self.manifest)

    def add(self, data, media_type):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


class Book:
    """What was pushed under each tag, in order, and up to where it was acknowledged. A tag has one pusher at a time."""

    def __init__(self):
        self.lock, self.images, self.acknowledged, self.tags = threading.Lock(), {}, {}, {}
        self.counts = {"pushes": 0, "pushes_acknowledged": 0, "pulls": 0, "pull_attempts": 0, "stale_answers": 0, "bytes_pulled": 0}
        self.longest_pull, self.stalest, self.times = 0.0, 0.0, {}

    def count(self, name, amount=1):
        with self.lock:
            self.counts[name] += amount

    def begin(self, tag, image):
        with self.lock:
            self.images[image.digest] = image
            self.tags.setdefault(tag, []).append(image.digest)
            self.counts["pushes"] += 1
            return len(self.tags[tag]) - 1

    def acknowledge(self, tag, index):
        with self.lock:
            self.acknowledged[tag] = index
            self.times[tag, index] = time.monotonic()
            self.counts["pushes_acknowledged"] += 1

    def known(self):
        with self.lock:
            return sorted(self.acknowledged)

    def floor(self, tag):
        with self.lock:
            return self.acknowledged[tag]

    def judge(self, tag, floor, seen):
        """Whether a pull that began when `floor` was acknowledged sees that, or what was pushed since. Else it sees what the
        tag was before, as a build-index says that has not heard of the change, or nothing that was ever pushed there."""
        with self.lock:
            values = self.tags[tag]
            if seen in values[floor:]:
                return True
            if seen not in values:
                raise Wrong(f"{tag} is {seen}, which nobody pushed there")
            successor = min(index for (name, index) in self.times if name == tag and index > values.index(seen))
            self.counts["stale_answers"] += 1
            self.stalest = max(self.stalest, time.monotonic() - self.times[tag, successor])
            return False


def push(book, tag, image, address):
    """Whether it was acknowledged. What fails is begun anew by the next push, like any client does that gives up."""
    index, repository = book.begin(tag, image), tag.split(":")[0]
    try:
        for name, data in image.blobs.items():
            status, headers, _ = request(address, "POST", f"/v2/{repository}/blobs/uploads/")
            if status != 202:
                return False
            place = urllib.parse.urlsplit(headers["Location"])
            query = (place.query + "&" if place.query else "") + "digest=" + name
            status, _, _ = request(address, "PUT", f"{place.path}?{query}", data, {"Content-Type": "application/octet-stream"})
            if status != 201:
                return False
        status, _, _ = request(
            address, "PUT", f"/v2/{repository}/manifests/{tag.split(':')[1]}", image.manifest, {"Content-Type": MANIFEST})
        if status != 201:
            return False
    except (OSError, http.client.HTTPException):
        return False
    book.acknowledge(tag, index)
    return True


def pull(book, tag, agent, deadline, latest=False):
    """Pulls `tag` from the component `agent`, as often as it takes until `deadline`, and checks every byte; with `latest`, until
    it is the value that was acknowledged last."""
    begin, last, attempts = time.monotonic(), "never tried", 0
    floor = book.floor(tag)
    repository, reference = tag.split(":")
    while time.monotonic() < deadline:
        attempts += 1
        book.count("pull_attempts")
        try:
            status, _, manifest = request(agent.registry, "GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": MANIFEST})
            if status == 200:
                current = book.judge(tag, floor, digest(manifest))
                if latest and not current:
                    last = f"{digest(manifest)} although another value was acknowledged since"
                elif bytes_of_layers(book, repository, manifest, agent):
                    book.count("pulls")
                    with book.lock:
                        book.longest_pull = max(book.longest_pull, time.monotonic() - begin)
                    return
                else:
                    last = "a layer failed"
            else:
                last = f"status {status}: {manifest[:300]!r}"
        except (OSError, http.client.HTTPException) as error:
            last = f"{type(error).__name__}: {error}"
        time.sleep(0.2)
    raise Wrong(f"{agent.name} did not deliver {tag} within {time.monotonic() - begin:.0f} s and {attempts} attempts: {last}")


def bytes_of_layers(book, repository, manifest, agent):
    content = json.loads(manifest)
    for each in [content["config"], *content["layers"]]:
        status, _, data = request(agent.registry, "GET", f"/v2/{repository}/blobs/{each['digest']}")
        if status != 200:
            return False
        if digest(data) != each["digest"]:
            raise Wrong(f"{agent.name} served {len(data)} bytes as {each['digest']} that are {digest(data)}")
        book.count("bytes_pulled", len(data))
    return True


class Clients:
    """Threads that push and pull until told to stop; the first wrong thing stops all."""

    def __init__(self, clusters, seed, patience):
        self.clusters, self.patience, self.stopped, self.wrong = clusters, patience, threading.Event(), []
        self.books = {cluster.name: Book() for cluster in clusters}
        self.threads = []
        for cluster in clusters:
            for i in range(2):
                self.spawn(self.pushing, cluster, random.Random(f"{seed} push {cluster.name} {i}"), i)
                self.spawn(self.pulling, cluster, random.Random(f"{seed} pull {cluster.name} {i}"))

    def spawn(self, work, *arguments):
        def guarded():
            try:
                work(*arguments)
            except BaseException as error:
                self.wrong.append(error if isinstance(error, Wrong) else Wrong(f"the driver failed: {error!r}"))
                self.stopped.set()
        self.threads.append(threading.Thread(target=guarded, daemon=True))

    def start(self):
        for each in self.threads:
            each.start()

    def pushing(self, cluster, draw, number):
        book = self.books[cluster.name]
        while not self.stopped.is_set():
            # Half of the tags move; those below rep/ go to the other cluster.
            kind = draw.choice(["rep", "own"])
            tag = f"{kind}/{cluster.name}{number}:" + (f"v{draw.randrange(5)}" if draw.random() < 0.5 else f"n{draw.randrange(10**9)}")
            push(book, tag, Image(draw), draw.choice(cluster.of("proxy")).registry)
            self.stopped.wait(draw.uniform(0.1, 1))

    def pulling(self, cluster, draw):
        book = self.books[cluster.name]
        while not self.stopped.is_set():
            known = book.known()
            if known:
                pull(book, draw.choice(known), draw.choice(cluster.of("agent")), time.monotonic() + self.patience)
            self.stopped.wait(draw.uniform(0.1, 0.5))

    def stop(self):
        self.stopped.set()
        for each in self.threads:
            each.join()
