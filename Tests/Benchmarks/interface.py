# SPDX-License-Identifier: Apache-2.0
"""What the terminal UI costs: the CPU of its thread, the bytes it sends, and what the cluster loses by it."""
import fcntl, os, pty, select, struct, subprocess, tempfile, termios, threading, time
from herd_process import Herd, last_byte, make_image
from machine import race
from report import goal, human, medians, print_heading, print_row

ROWS, COLUMNS = 36, 120
THREAD = "herd-screen"
IDLE_GOAL, BUSY_GOAL = 2.0, 5.0  # percent of a core
MAKESPAN_GOAL = 1.02  # of a herd's without a screen
SWARM_KEY = b"2"


class WatchedHerd(Herd):
    """A herd that draws in a terminal, which is read unless it is stalled."""

    def launch(self, command):
        self.terminal, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.sent, self.is_read, self.is_over = 0, threading.Event(), False
        self.is_read.set()
        process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"})
        os.close(slave)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return process

    def read(self):
        while not self.is_over:
            self.is_read.wait()
            try:
                if select.select([self.terminal], [], [], 0.1)[0]:
                    self.sent += len(os.read(self.terminal, 65536))
            except OSError:
                return  # the herd has gone

    def press(self, keys):
        os.write(self.terminal, keys)

    def drawing_seconds(self):
        """CPU seconds of the thread that draws, so far."""
        tasks = f"/proc/{self.process.pid}/task"
        [task] = [each for each in os.listdir(tasks) if open(f"{tasks}/{each}/comm").read().strip() == THREAD]
        return int(open(f"{tasks}/{task}/schedstat").read().split()[0]) / 1e9

    def cost(self, seconds):
        """Percent of a core that drawing takes, and bytes a second that it sends."""
        cpu, sent, begin = self.drawing_seconds(), self.sent, time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - begin
        return 100 * (self.drawing_seconds() - cpu) / passed, (self.sent - sent) / passed

    def stop(self):
        self.is_read.set()
        super().stop()
        self.is_over = True
        self.reader.join()
        os.close(self.terminal)


def drawing(options, agents):
    """The cost of an idle herd's overview, and of its swarm while all agents fetch an image."""
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
        herd = WatchedHerd(options.herd, work, agents, ["--bandwidth", "2MB/s"])
        try:
            time.sleep(options.settle)
            idle = herd.cost(options.idle_seconds)
            [(digest, _)] = make_image(os.path.join(work, "image"), 64 << 20)
            herd.push(os.path.join(work, "image"))
            herd.press(SWARM_KEY)
            clients = [last_byte(64 << 20, address, digest) for address in herd.agents]
            downloads = threading.Thread(target=lambda: race(clients), daemon=True)
            downloads.start()
            time.sleep(2)
            busy = herd.cost(options.idle_seconds / 2)
            downloads.join()
        finally:
            herd.stop()
    return idle, busy


def throughput(options, blob_bytes):
    """Rounds of downloads without a screen, with one, and with one whose terminal nobody reads; taken in turns."""
    rounds = {"headless": [], "drawing": [], "stalled": []}
    for _ in range(options.rounds):
        for name, each in rounds.items():
            with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
                [(digest, _)] = make_image(os.path.join(work, "image"), blob_bytes)
                herd = (Herd if name == "headless" else WatchedHerd)(options.herd, work, options.agents)
                try:
                    herd.push(os.path.join(work, "image"))
                    if name != "headless":
                        herd.press(SWARM_KEY)
                    if name == "stalled":
                        herd.is_read.clear()
                    each.append(herd.download(digest, blob_bytes))
                finally:
                    herd.stop()
    return rounds


def interface(options):
    results, goals = [], []
    print(f"{'':<24}{'CPU %':>8}{'bytes/s':>10}")
    for agents in options.idle_agents:
        idle, busy = drawing(options, agents)
        for name, (percent, sent), bound in (("idle", idle, IDLE_GOAL), ("all fetching", busy, BUSY_GOAL)):
            print(f"{f'{agents} agents, {name}':<24}{percent:>8.2f}{sent:>10.0f}", flush=True)
            goals.append(goal(f"{agents} agents, {name}: CPU of the screen's thread", percent, bound, "%"))
        results.append({"agents": agents, **{
            name: {"cpu_percent": each[0], "bytes_per_second": each[1]} for name, each in (("idle", idle), ("busy", busy))}})
    print_heading()
    for blob_bytes in options.sizes or [1 << 30]:
        rounds = throughput(options, blob_bytes)
        figures = {name: medians(each) for name, each in rounds.items()}
        for name, each in figures.items():
            print_row(f"{human(blob_bytes)} x {options.agents}, {name}", each)
        for name in ("drawing", "stalled"):
            ratio = figures[name]["makespan_seconds"] / figures["headless"]["makespan_seconds"]
            goals.append(goal(f"{human(blob_bytes)} x {options.agents}, {name}: makespan", ratio, MAKESPAN_GOAL,
                              "× headless"))
        results.append({"blob_bytes": blob_bytes, "agents": options.agents, "rounds": rounds, **figures})
    return results, goals
