# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks ask of the machine: processes and what they cost, memory made warm, waiting for files."""
import os, re, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
WARM_KEEP_MIB = 700  # free memory that warming leaves alone
STOP_SECONDS = 15  # how long a process has to end before it is killed
warms = True  # whether memory is warmed at all; not worth its time in a trial of the benchmarks themselves
holds_old_pages = True  # whether memory is full of what this machine read and wrote before


def settle(folder):
    """What precedes each timed run: the disk has nothing left to write of the run before, and memory is warm."""
    if warms:
        os.sync()
        drop_old_pages()
    warm_memory(folder)


def drop_old_pages():
    """Once: what was built or read before lies in pages that the kernel has to reclaim one by one, at twice the CPU for
    everything that writes. Only root may say so."""
    global holds_old_pages
    if holds_old_pages and os.geteuid() == 0:
        with open("/proc/sys/vm/drop_caches", "w") as control:
            control.write("1")
    holds_old_pages = False


def wait_until_freed(pid):
    """Removed files keep their memory and blocks until they are closed, which a herd does in the background."""
    def is_removed(entry):
        try:
            return os.readlink(entry.path).endswith(" (deleted)") and os.stat(entry.path).st_size > 1 << 20
        except OSError:
            return False
    while any(is_removed(entry) for entry in os.scandir(f"/proc/{pid}/fd")):
        time.sleep(0.02)
    time.sleep(0.5)  # the thread that closes the last one may still be at it


def warm_memory(folder):
    """Touch what memory is free, by reading a sparse file as large as that. The file goes at once: free pages are taken
    faster than clean ones, which the kernel has to reclaim first."""
    if not warms:
        return
    free = int(re.search(r"MemFree:\s+(\d+)", open("/proc/meminfo").read()).group(1)) // 1024
    if free <= WARM_KEEP_MIB:
        return
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
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


def stolen_seconds():
    """CPU seconds that a virtual machine's processors wanted and its host gave to others, since it started."""
    return int(open("/proc/stat").readline().split()[8]) / TICKS


def memory(pid, key="VmHWM"):
    """A size in bytes out of a process's status: VmRSS is what is resident, VmHWM its peak."""
    return int(re.search(key + r":\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) * 1024


def forget_memory_peak(pid):
    open(f"/proc/{pid}/clear_refs", "w").write("5")


def wait_until_answered(url, attempts=500):
    """Whether a server answers `url`, with whatever status, before long."""
    for _ in range(attempts):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            time.sleep(0.02)
    return False


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def race(commands):
    """Start every command at once; answers each one's seconds, sorted, and their CPU seconds."""
    before = os.times()
    begin = time.monotonic()
    running, seconds = {}, []
    try:
        for command in commands:
            child = subprocess.Popen(command)
            running[child.pid] = child
        while running:
            pid, status = os.wait()
            child = running.pop(pid, None)
            if child:
                child.returncode = os.waitstatus_to_exitcode(status)
                seconds.append(time.monotonic() - begin)
                if status:
                    sys.exit(f"a client failed with status {child.returncode}")
    finally:
        end(running.values())
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return sorted(seconds), cpu


def wait_for_files(paths, begin, timeout=900, processes=()):
    """Seconds from `begin` until each of `paths` is there, sorted; `processes` must live on meanwhile."""
    seconds, waiting = [], list(paths)
    while waiting:
        here = [path for path in waiting if os.path.exists(path)]
        seconds += [time.monotonic() - begin] * len(here)
        waiting = [path for path in waiting if path not in here]
        if time.monotonic() - begin > timeout:
            sys.exit(f"{len(waiting)} of {len(seconds) + len(waiting)} downloads did not end in {timeout} s")
        for process in processes:
            if process.poll() is not None:
                sys.exit(f"{process.args[0]} ended with status {process.returncode} during a download")
        time.sleep(0.005)
    return seconds


def end(processes):
    """Ends these child processes, all at once."""
    living = [process for process in processes if process.poll() is None]
    for process in living:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in living:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
