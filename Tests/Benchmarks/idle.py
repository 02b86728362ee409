# SPDX-License-Identifier: Apache-2.0
"""A herd that has nothing to do: cold start, resident memory, CPU."""
import os, shutil, statistics, tempfile, time
from herd_process import Herd
from machine import cpu_seconds, memory


def idle(options):
    results = []
    print(f"{'':<24}{'start s':>10}{'RSS MiB':>10}{'CPU %':>8}")
    for agents in options.idle_agents:
        starts = []
        with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
            for _ in range(options.rounds - 1):
                herd = Herd(options.herd, work, agents)
                starts.append(herd.start_seconds)
                herd.stop()
                shutil.rmtree(os.path.join(work, "data"))
            herd = Herd(options.herd, work, agents)
            starts.append(herd.start_seconds)
            try:
                time.sleep(options.settle)
                before, begin = cpu_seconds([herd.process.pid]), time.monotonic()
                time.sleep(options.idle_seconds)
                percent = 100 * (cpu_seconds([herd.process.pid]) - before) / (time.monotonic() - begin)
                resident = memory(herd.process.pid, "VmRSS")
            finally:
                herd.stop()
        result = {"agents": agents, "start_seconds": statistics.median(starts), "start_seconds_all": starts,
                  "resident_bytes": resident, "cpu_percent": percent}
        print(f"{f'{agents} agents':<24}{result['start_seconds']:>10.2f}{resident / (1 << 20):>10.0f}{percent:>8.2f}",
              flush=True)
        results.append(result)
    return results, []
