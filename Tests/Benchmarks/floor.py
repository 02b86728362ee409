# SPDX-License-Identifier: Apache-2.0
"""What moving bytes costs at least: sendfile at one end, recv and pwrite at the other, and nothing else.

No protocol, no choice of pieces, no check: each of N receivers takes the whole blob from one sender on loopback, in
order, into a file of its own. A call moves up to 256 KiB, so the interpreter's share is some percent at most. With
`hashed` a receiver also takes the SHA-256 of what comes, as whoever verifies what it stores has to.
"""
import hashlib, os, shutil, socket, subprocess, sys, tempfile, threading
from machine import cpu_seconds, race, settle
from report import human, medians, print_heading, print_row, summary

CALL_BYTES = 256 << 10


def send(path, count):
    """Sends the file to `count` receivers, each on a thread of its own; prints the port first."""
    server = socket.create_server(("127.0.0.1", 0), backlog=count)
    print(server.getsockname()[1], flush=True)
    blob = os.open(path, os.O_RDONLY)
    size = os.fstat(blob).st_size

    def serve(connection):
        with connection:
            offset = 0
            while offset < size:
                offset += os.sendfile(connection.fileno(), blob, offset, min(CALL_BYTES, size - offset))

    while True:
        connection, _ = server.accept()
        threading.Thread(target=serve, args=[connection], daemon=True).start()


def receive(port, path, hashed):
    """Takes what the sender sends into the file `path`."""
    buffer = memoryview(bytearray(CALL_BYTES))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        offset, digest = 0, hashlib.sha256()
        while count := connection.recv_into(buffer):
            if hashed:
                digest.update(buffer[:count])
            os.pwrite(file, buffer[:count], offset)
            offset += count
        os.close(file)


def one_round(work, blob, blob_bytes, count, hashed):
    sender = subprocess.Popen([sys.executable, __file__, "send", blob, str(count)], stdout=subprocess.PIPE, text=True)
    try:
        port = sender.stdout.readline().strip()
        target = os.path.join(work, "copies")
        os.makedirs(target)
        settle(work)
        before = cpu_seconds([sender.pid])
        seconds, cpu = race([
            [sys.executable, __file__, "receive", port, os.path.join(target, str(i)), "hashed" if hashed else ""]
            for i in range(count)])
        cpu += cpu_seconds([sender.pid]) - before
        shutil.rmtree(target)
        return summary(blob_bytes, seconds, cpu, None)
    finally:
        sender.kill()
        sender.wait()


def floor(options):
    results = []
    print_heading()
    for blob_bytes in options.sizes or [1 << 30]:
        with tempfile.TemporaryDirectory(dir=options.work, prefix="herd-bench-") as work:
            blob = os.path.join(work, "blob")
            with open(blob, "wb") as file:
                for _ in range(blob_bytes >> 20):
                    file.write(os.urandom(1 << 20))
            plain, hashed = [], []
            for _ in range(options.rounds):
                plain.append(one_round(work, blob, blob_bytes, options.agents, False))
                hashed.append(one_round(work, blob, blob_bytes, options.agents, True))
        label = f"{human(blob_bytes)} x {options.agents}"
        print_row(f"floor {label}", medians(plain))
        print_row("  with SHA-256", medians(hashed))
        results.append({"blob_bytes": blob_bytes, "receivers": options.agents, "plain": medians(plain),
                        "hashed": medians(hashed), "plain_rounds": plain, "hashed_rounds": hashed})
    return results, []


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(sys.argv[2], int(sys.argv[3]))
    else:
        receive(int(sys.argv[2]), sys.argv[3], sys.argv[4] == "hashed")
