# SPDX-License-Identifier: Apache-2.0
"""Clusters in network namespaces, whose components are killed, paused, cut off and wiped while clients push and pull:
reliability.py [--seed N] [--minutes M] [--clusters 1|2] [--herd EXECUTABLE] [--json FILE]. As root.

Holds, or exits with 1: nothing acknowledged is lost or served wrong, every pull completes, queues drain, and every tag that goes to
the other cluster arrives there with its last value. Faults and images follow from the seed; when what happens does not."""
import argparse, concurrent.futures, contextlib, json, os, random, shutil, signal, sqlite3, sys, tempfile, threading, time
from cluster import Cluster
from network import Network
from workload import Clients, Wrong, pull

START_SECONDS, DRAIN_SECONDS = 60, 180
# How long a pull may take while faults go on: each lasts up to FAULT_SECONDS, and several may follow one another.
PULL_SECONDS, FAULT_SECONDS, FAULTS_AT_ONCE = 180, 12, 3
# How long a tag may keep an old value when all components are well again.
SETTLE_SECONDS = 30
CHECKS_AT_ONCE = 8


class Faults:
    """Breaks one component after the other, and mends it."""

    def __init__(self, clusters, network, seed, clients):
        self.clusters, self.network, self.clients = clusters, network, clients
        self.draw, self.counts, self.lock = random.Random(f"{seed} faults"), {}, threading.Lock()
        self.threads = []

    def run(self, until):
        while time.monotonic() < until and not self.clients.stopped.is_set():
            broken = [each for cluster in self.clusters for each in cluster.components if each.fault]
            whole = [each for cluster in self.clusters for each in cluster.components if not each.fault and each.kind != "testfs"]
            if len(broken) < FAULTS_AT_ONCE * len(self.clusters):
                victim = self.draw.choice(whole)
                kind = self.draw.choice(["kill", "pause", "partition", "wipe"])
                seconds = self.draw.uniform(0.5, FAULT_SECONDS)
                victim.fault = kind
                thread = threading.Thread(target=self.guarded, args=(victim, kind, seconds), daemon=True)
                self.threads.append(thread)
                thread.start()
            time.sleep(self.draw.uniform(0.5, 3))
        for each in self.threads:
            each.join()

    def guarded(self, victim, kind, seconds):
        try:
            done = self.inflict(victim, kind, seconds)
            with self.lock:
                self.counts[done] = self.counts.get(done, 0) + 1
        except BaseException as error:
            self.clients.wrong.append(Wrong(f"{kind} of {victim.name}: {error!r}"))
            self.clients.stopped.set()
        finally:
            victim.fault = None

    def inflict(self, victim, kind, seconds):
        print(f"{time.strftime('%X')} {kind} {victim.name} for {seconds:.1f} s", flush=True)
        if victim.process.poll() is not None:
            raise RuntimeError(f"it had ended by itself with {victim.process.returncode}; its log: {victim.folder}.log")
        if kind == "pause":
            victim.signal(signal.SIGSTOP)
            time.sleep(seconds)
            victim.signal(signal.SIGCONT)
        elif kind == "partition":
            self.network.partition([victim.address])
            time.sleep(seconds)
            self.network.heal([victim.address])
        else:
            victim.kill()
            if kind == "wipe" and self.may_lose_disk(victim):
                victim.wipe()
            else:
                kind = "kill"
            time.sleep(seconds)
            victim.start()
        return kind

    @staticmethod
    def may_lose_disk(victim):
        """A disk that alone holds what was acknowledged a moment ago can't be lost without loss, so origins and build-indexes are
        wiped when they owe nothing: after they were killed, since a moment before they might still take something on."""
        if victim.kind not in ("origin", "build-index"):
            return victim.kind != "tracker"  # which keeps nothing
        path = os.path.join(victim.folder, "queue.sqlite")
        if not os.path.exists(path):
            return True  # it was killed before it could take anything on
        try:
            with contextlib.closing(sqlite3.connect(path)) as queue:
                return queue.execute("SELECT count(*) FROM task WHERE state <> 'dead'").fetchone() == (0,)
        except sqlite3.Error:
            return False  # it was killed while it made its tables


def drain(clusters):
    """Waits until no queue holds anything; answers the seconds it took."""
    begin = time.monotonic()
    while True:
        owed = {cluster.name: cluster.owed() for cluster in clusters}
        if not any(sum(tasks.values()) for tasks, _ in owed.values()):
            break
        if time.monotonic() - begin > DRAIN_SECONDS:
            raise Wrong(f"queues do not drain: {owed}")
        time.sleep(0.2)
    dead = {name: dead for name, (_, dead) in owed.items() if dead}
    if dead:
        raise Wrong(f"tasks were given up: {dead}")
    return time.monotonic() - begin


def lose_disks(clusters, kinds):
    """Kills all components of these kinds, wipes them, and starts them again."""
    victims = [each for cluster in clusters for kind in kinds for each in cluster.of(kind)]
    for each in victims:
        each.kill()
        each.wipe()
    for each in victims:
        each.start()
    wait_until_ready(clusters, f"after all of {kinds} lost their disks")


def wait_until_ready(clusters, when):
    deadline = time.monotonic() + START_SECONDS
    late = [each.name for cluster in clusters for each in cluster.wait(deadline)]
    if late:
        raise Wrong(f"not ready within {START_SECONDS} s {when}: {late}")


def check_everything(clusters, clients):
    """Every tag, from one agent each of its own cluster, and of the other one if it goes there; answers how many that were."""
    def check(book, tag, agent):
        pull(book, tag, agent, time.monotonic() + SETTLE_SECONDS, latest=True)

    with concurrent.futures.ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        checks = []
        for cluster in clusters:
            book = clients.books[cluster.name]
            for i, tag in enumerate(book.known()):
                for place in [cluster] + [each for each in clusters if each is not cluster and tag.startswith("rep/")]:
                    agents = place.of("agent")
                    checks.append(pool.submit(check, book, tag, agents[i % len(agents)]))
        for each in checks:
            each.result()
    return len(checks)


def play(arguments, network, folder):
    clusters = [Cluster(number + 1, network, arguments.herd, folder) for number in range(arguments.clusters)]
    for cluster in clusters:
        for other in clusters:
            if other is not cluster:
                # One of its build-indexes: it may be down at times, and replication waits for it then.
                cluster.remotes[other.of("build-index")[0].http] = ["^rep/"]
    network.enter()
    clients = Clients(clusters, arguments.seed, PULL_SECONDS)
    try:
        for cluster in clusters:
            cluster.start()
        wait_until_ready(clusters, "at the start")
        begin = time.monotonic()
        faults = Faults(clusters, network, arguments.seed, clients)
        clients.start()
        faults.run(begin + 60 * arguments.minutes)
        clients.stop()
        if clients.wrong:
            raise clients.wrong[0]
        wait_until_ready(clusters, "after the last fault")
        seconds = drain(clusters)
        # First what origins and build-indexes hold, then what the backends do.
        lose_disks(clusters, ["agent"])
        checked = check_everything(clusters, clients)
        lose_disks(clusters, ["origin", "build-index", "agent"])
        check_everything(clusters, clients)
        figures = {"seed": arguments.seed, "minutes": arguments.minutes, "clusters": arguments.clusters,
                   "processes": sum(len(each.components) for each in clusters), "faults": dict(sorted(faults.counts.items())),
                   "drain_seconds": round(seconds, 1), "tags_checked_at_the_end": checked,
                   "stalest_answer_seconds": round(max(each.stalest for each in clients.books.values()), 1),
                   "longest_pull_seconds": round(max(each.longest_pull for each in clients.books.values()), 1)}
        for name in next(iter(clients.books.values())).counts:
            figures[name] = sum(book.counts[name] for book in clients.books.values())
        return figures
    finally:
        clients.stopped.set()
        for cluster in clusters:
            cluster.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--clusters", type=int, choices=[1, 2], default=2)
    parser.add_argument("--herd", default=".build/release/herd")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if os.geteuid():
        sys.exit("network namespaces need root")
    arguments.herd = os.path.abspath(arguments.herd)
    print(f"seed {arguments.seed}", flush=True)
    folder, network = tempfile.mkdtemp(prefix="herd-reliability-"), Network()
    try:
        figures = play(arguments, network, folder)
    except Wrong as error:
        sys.exit(f"seed {arguments.seed}: {error}\nlogs and data: {folder}")
    finally:
        network.remove()
    shutil.rmtree(folder)
    print(json.dumps(figures, indent=1))
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(figures, file)


if __name__ == "__main__":
    main()
