# SPDX-License-Identifier: Apache-2.0
"""What one piece costs while a blob goes to all agents: system calls, context switches, allocations. Counts, no times."""
import os, re, shutil, signal, struct, subprocess, sys, tempfile, time
from herd_process import Herd, last_byte, make_image
from machine import race
from report import human

SHIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "count_allocations.c")
SHOWN = 14  # the system calls that are named; the rest is in the sum


def build_shim(folder):
    compiler = shutil.which("cc") or shutil.which("clang") or sys.exit("costs needs a C compiler")
    library = os.path.join(folder, "count.so")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SHIM], check=True)
    return library


def switches(pid):
    """Voluntary and other context switches of all threads of a process so far."""
    total = [0, 0]
    for thread in os.listdir(f"/proc/{pid}/task"):
        text = open(f"/proc/{pid}/task/{thread}/status").read()
        for index, key in enumerate(("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")):
            total[index] += int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1))
    return total


def system_calls(text):
    """Calls by name, out of what `strace -c` prints."""
    calls = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 5 and words[0].replace(".", "").isdigit() and words[-1] != "total":
            calls[words[-1]] = int(words[3])
    return calls


def download(herd, digest, blob_bytes):
    begin = time.monotonic()
    race([last_byte(blob_bytes, address, digest) for address in herd.agents])
    herd.wait_until_cached(digest, begin)


def measured(options, blob_bytes, work, traced):
    """One download by a herd that has seen nothing; counted by strace, or by what costs less."""
    [(digest, _)] = make_image(os.path.join(work, "image"), blob_bytes)
    counts = os.path.join(work, "counts")
    if not traced:
        os.environ.update(LD_PRELOAD=build_shim(work), COUNT_FILE=counts)
    try:
        herd = Herd(options.herd, work, options.agents)
    finally:
        os.environ.pop("LD_PRELOAD", None)
        os.environ.pop("COUNT_FILE", None)
    try:
        herd.push(os.path.join(work, "image"))
        if traced:
            output = os.path.join(work, "strace")
            tracer = subprocess.Popen(["strace", "-f", "-c", "-o", output, "-p", str(herd.process.pid)],
                                      stderr=subprocess.PIPE, text=True)
            tracer.stderr.readline()  # "attached"
            download(herd, digest, blob_bytes)
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
            return system_calls(open(output).read())
        before = (*struct.unpack("qq", open(counts, "rb").read()), *switches(herd.process.pid))
        download(herd, digest, blob_bytes)
        after = (*struct.unpack("qq", open(counts, "rb").read()), *switches(herd.process.pid))
        return [b - a for a, b in zip(before, after)]
    finally:
        herd.stop()


def costs(options):
    if not shutil.which("strace"):
        sys.exit("costs needs strace")
    results = []
    for blob_bytes in options.sizes or [1 << 30]:
        pieces = options.agents * -(-blob_bytes // (4 << 20))
        with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as outer:
            folders = [os.path.join(outer, name) for name in ("counted", "traced")]
            for folder in folders:
                os.makedirs(folder)
            allocations, bytes_asked, voluntary, forced = measured(options, blob_bytes, folders[0], False)
            calls = measured(options, blob_bytes, folders[1], True)
        each = {
            "allocations": allocations / pieces, "allocated_bytes": bytes_asked / pieces,
            "voluntary_switches": voluntary / pieces, "other_switches": forced / pieces,
            "system_calls": {name: count / pieces for name, count in sorted(calls.items(), key=lambda c: -c[1])},
            "system_calls_in_all": sum(calls.values()) / pieces}
        results.append({"blob_bytes": blob_bytes, "agents": options.agents, "per_4MiB": each})
        print(f"{human(blob_bytes)} x {options.agents}, for each 4 MiB delivered:")
        print(f"  {each['allocations']:.0f} allocations of {each['allocated_bytes'] / 1024:.0f} KiB in all, "
              f"{each['voluntary_switches']:.1f} + {each['other_switches']:.1f} context switches, "
              f"{each['system_calls_in_all']:.0f} system calls (under strace):")
        print("  " + ", ".join(f"{name} {count:.1f}" for name, count in list(each["system_calls"].items())[:SHOWN]),
              flush=True)
    return results, []
