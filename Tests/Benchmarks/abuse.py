# SPDX-License-Identifier: Apache-2.0
"""Clients that hold what a registry gives them and do nothing with it, and what others notice of them."""
import http.client, os, resource, select, socket, statistics, sys, tempfile, time
from herd_process import Herd
from machine import memory
from report import goal, percentile

IDLE_CONNECTIONS = 10_000
SLOW_HEADS, SLOW_BODIES, HALF_CLOSED, ABANDONED = 2_000, 500, 500, 500
DRIP_SECONDS = 1  # between two bytes of a slow client
PART_BYTES = 64 << 10  # what a half-closed or abandoned upload has sent
PATIENCE_SECONDS = 150  # more than any time-out of a server
RESIDENT_GOAL_MIB = 300
LATENCY_GOAL_MS = 100
REPOSITORY = "bench/abuse"


class Crowd:
    """Sockets to one address, all of which are open at the same time."""

    def __init__(self, address, count, first=b""):
        host, port = address.rsplit(":", 1)
        self.sockets = []
        for number in range(count):
            each = socket.socket()
            each.settimeout(10)
            try:
                each.connect((host, int(port)))
                part = first(number) if callable(first) else first
                if part:
                    each.sendall(part)
            except OSError:
                each.close()  # refused or closed at once: also an answer
                continue
            each.setblocking(False)
            self.sockets.append(each)

    def send(self, part):
        """Sends `part` on each that takes it."""
        for each in self.sockets:
            try:
                each.send(part)
            except OSError:
                pass  # full or closed; dropping closed ones is prune's

    def prune(self):
        """Forgets those that the server has closed; answers how many it has not."""
        poll, by_descriptor = select.poll(), {each.fileno(): each for each in self.sockets}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(0):
            each = by_descriptor[descriptor]
            try:
                while each.recv(65536):
                    pass
            except BlockingIOError:
                continue  # an answer, and still open
            except OSError:
                pass
            self.sockets.remove(each)
            each.close()
        return len(self.sockets)

    def close(self):
        for each in self.sockets:
            each.close()
        self.sockets = []


def ask(address, count=200):
    """Milliseconds of `count` requests, each on a connection of its own, of a client that means well."""
    times = []
    for _ in range(count):
        begin = time.monotonic()
        client = http.client.HTTPConnection(address, timeout=60)
        client.request("GET", "/v2/")
        answer = client.getresponse()
        answer.read()
        client.close()
        if answer.status != 200:
            sys.exit(f"{address} answers {answer.status}")
        times.append(1000 * (time.monotonic() - begin))
    return times


def begin_upload(address):
    client = http.client.HTTPConnection(address, timeout=60)
    client.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/", headers={"Content-Length": "0"})
    answer = client.getresponse()
    answer.read()
    client.close()
    if answer.status != 202:
        sys.exit(f"an upload could not begin: {answer.status}")
    return answer.headers["Location"]


def patch(location, length):
    return (f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def files_below(folder):
    return sum(len(files) for path, _, files in os.walk(folder) if "/upload" in path)


def measure(name, herd, address, make_crowd, drip=None, waits=True):
    """One kind of abuse: what it holds, what others notice, and how long it lasts."""
    pid = herd.process.pid
    before = memory(pid, "VmRSS")
    begin = time.monotonic()
    crowd = make_crowd()
    held, times = crowd.prune(), ask(address)
    peak, ended = memory(pid, "VmRSS"), None
    while waits and time.monotonic() - begin < PATIENCE_SECONDS:
        if crowd.prune() == 0:
            ended = time.monotonic() - begin
            break
        if drip:
            crowd.send(drip)
        time.sleep(DRIP_SECONDS)
        peak = max(peak, memory(pid, "VmRSS"))
    left = crowd.prune()
    crowd.close()
    times += ask(address)
    result = {"name": name, "held": held, "left": left, "ended_seconds": ended, "resident_bytes_before": before,
              "resident_bytes_peak": peak, "p50_ms": statistics.median(times), "p99_ms": percentile(times, 99),
              "max_ms": max(times), "upload_files": files_below(herd.folder)}
    closed = "" if not waits else f"{ended:.0f} s" if ended else f"{left} left"
    print(f"{name:<44}{held:>7}{closed:>10}{before >> 20:>8}{peak >> 20:>6}{result['p50_ms']:>9.1f}"
          f"{result['p99_ms']:>8.1f}{result['max_ms']:>8.1f}{result['upload_files']:>7}", flush=True)
    return result


def abuse(options):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < IDLE_CONNECTIONS + 100:
        sys.exit(f"this takes {IDLE_CONNECTIONS} open files; the limit (ulimit -Hn) is {hard}")
    print(f"{'':<44}{'held':>7}{'closed':>10}{'MiB':>8}{'peak':>6}{'p50 ms':>9}{'p99':>8}{'max':>8}{'files':>7}")
    results = [run(options, kind) for kind in KINDS]
    goals = [goal(f"{each['name']}: {what}", value, bound, unit) for each in results for what, value, bound, unit in (
        ("resident", each["resident_bytes_peak"] / (1 << 20), RESIDENT_GOAL_MIB, "MiB"),
        ("p99 of others", each["p99_ms"], LATENCY_GOAL_MS, "ms"))]
    return results, goals


def run(options, kind):
    """One kind of abuse of a fresh herd."""
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
        herd = Herd(options.herd, work, 1)
        try:
            return kind(herd, herd.addresses("proxy", "registry")[0])
        finally:
            herd.stop()


def idle_at_proxy(herd, proxy):
    return measure("idle connections to the proxy", herd, proxy, lambda: Crowd(proxy, IDLE_CONNECTIONS))


def idle_at_agent(herd, _):
    [agent] = herd.addresses("agent", "registry")
    return measure("idle connections to the agent", herd, agent, lambda: Crowd(agent, IDLE_CONNECTIONS))


def slow_heads(herd, proxy):
    return measure("heads, a byte a second", herd, proxy,
                   lambda: Crowd(proxy, SLOW_HEADS, b"GET /v2/ HTTP/1.1\r\nX: "), b"x")


def slow_bodies(herd, proxy):
    return measure("bodies, a byte a second", herd, proxy,
                   lambda: Crowd(proxy, SLOW_BODIES, lambda _: patch(begin_upload(proxy), 1 << 20) + b"x"), b"x")


def half_closed(herd, proxy):
    def make():
        crowd = Crowd(proxy, HALF_CLOSED, lambda _: patch(begin_upload(proxy), 1 << 20) + bytes(PART_BYTES))
        for each in crowd.sockets:
            each.shutdown(socket.SHUT_WR)
        return crowd
    return measure("half-closed uploads", herd, proxy, make)


def abandoned(herd, proxy):
    return measure("abandoned uploads", herd, proxy, lambda: Crowd(
        proxy, ABANDONED, lambda _: patch(begin_upload(proxy), PART_BYTES) + bytes(PART_BYTES)), waits=False)


KINDS = [idle_at_proxy, idle_at_agent, slow_heads, slow_bodies, half_closed, abandoned]
