# SPDX-License-Identifier: Apache-2.0
"""One blob to all agents at once, against as many curls from one nginx."""
import os, shutil, subprocess, sys, tempfile
from herd_process import Herd, make_image
from machine import cpu_seconds, end, free_ports, memory, race, settle, wait_until_answered
from report import goal, human, medians, print_heading, print_row, ratios, summary

RATIO_GOAL = 0.8  # of nginx's makespan and CPU seconds
RESIDENT_GOAL_MIB = 300


class Nginx:
    """An nginx that serves a folder, ready when the constructor returns."""

    def __init__(self, work, root):
        config, [port] = os.path.join(work, "nginx.conf"), free_ports(1)
        open(config, "w").write(f"""
            worker_processes {os.cpu_count()}; pid {work}/nginx.pid; error_log {work}/nginx.err; daemon off;
            user root; events {{ worker_connections 1024; }}
            http {{ access_log off; sendfile on; tcp_nopush on;
              client_body_temp_path {work}/nb; proxy_temp_path {work}/np; fastcgi_temp_path {work}/nf;
              uwsgi_temp_path {work}/nu; scgi_temp_path {work}/ns;
              server {{ listen 127.0.0.1:{port} backlog=1024; root {root}; }} }}""")
        self.work, self.url = work, f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(["nginx", "-c", config, "-p", work], stderr=subprocess.DEVNULL)
        if not wait_until_answered(f"{self.url}/none"):
            self.stop()
            sys.exit("nginx did not start")

    def download(self, name, blob_bytes, count):
        target = os.path.join(self.work, "copies")
        os.makedirs(target)
        settle(self.work)
        pid = self.process.pid
        pids = [pid, *map(int, open(f"/proc/{pid}/task/{pid}/children").read().split())]
        before = cpu_seconds(pids)
        seconds, clients_cpu = race([
            ["curl", "-fsS", "-o", os.path.join(target, str(i)), f"{self.url}/{name}"] for i in range(count)])
        cpu = cpu_seconds(pids) - before + clients_cpu
        resident = sum(memory(each) for each in pids)
        shutil.rmtree(target)
        return summary(blob_bytes, seconds, cpu, resident)

    def stop(self):
        end([self.process])


def rounds_of(options, blob_bytes):
    """The rounds of herd, of herd with reading clients, and of nginx, taken in turns."""
    with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
        [(digest, layer)] = make_image(os.path.join(work, "image"), blob_bytes)
        herd = Herd(options.herd, work, options.agents)
        nginx = None
        try:
            nginx = Nginx(work, os.path.dirname(layer))
            herd.push(os.path.join(work, "image"))
            herds, streams, nginxes = [], [], []
            for _ in range(options.rounds):
                herds.append(herd.download(digest, blob_bytes))
                streams.append(herd.download(digest, blob_bytes, streamed=True))
                nginxes.append(nginx.download(os.path.basename(layer), blob_bytes, options.agents))
        finally:
            herd.stop()
            if nginx:
                nginx.stop()
    return herds, streams, nginxes


def fanout(options):
    results, goals = [], []
    print_heading()
    for blob_bytes in options.sizes or [1 << 30]:
        rounds = rounds_of(options, blob_bytes)
        herd, streamed, nginx = map(medians, rounds)
        ratio, streamed_ratio = ratios(herd, nginx), ratios(streamed, nginx)
        label = f"{human(blob_bytes)} x {options.agents}"
        print_row(f"herd {label}", herd)
        print_row("  ratio to nginx", ratio)
        print_row("herd, streamed", streamed)
        print_row("  ratio to nginx", streamed_ratio)
        print_row("nginx + curl", nginx)
        for name, each in (("", ratio), (" streamed", streamed_ratio)):
            goals += [goal(f"{label}{name}: makespan", each["makespan_seconds"], RATIO_GOAL, "× nginx"),
                      goal(f"{label}{name}: CPU seconds", each["cpu_seconds_per_gib"], RATIO_GOAL, "× nginx")]
        peak = max(herd["resident_bytes_peak"], streamed["resident_bytes_peak"]) / (1 << 20)
        goals.append(goal(f"{label}: peak resident memory", peak, RESIDENT_GOAL_MIB, "MiB"))
        results.append({
            "blob_bytes": blob_bytes, "agents": options.agents, "rounds": options.rounds, "herd": herd,
            "herd_streamed": streamed, "nginx": nginx, "ratio": ratio, "ratio_streamed": streamed_ratio,
            **dict(zip(("herd_rounds", "herd_streamed_rounds", "nginx_rounds"), rounds))})
    return results, goals
