# SPDX-License-Identifier: Apache-2.0
"""What a BitTorrent swarm needs: a torrent of a file, and an HTTP tracker that introduces everybody to everybody."""
import hashlib, http.server, os, socket, struct, threading, urllib.parse

PIECE_BYTES = 4 << 20
ANNOUNCE_SECONDS = 5  # everybody announces once at the start; later ones are for whoever was missed then


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%b" % (len(value), value)
    if isinstance(value, str):
        return bencode(value.encode())
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def make_torrent(path, tracker_url, target):
    pieces = bytearray()
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            pieces += hashlib.sha1(piece).digest()
    info = {"length": os.path.getsize(path), "name": os.path.basename(path), "piece length": PIECE_BYTES,
            "pieces": bytes(pieces)}
    with open(target, "wb") as file:
        file.write(bencode({"announce": tracker_url, "info": info}))


class Tracker:
    """A tracker of one swarm, in a thread of this process."""

    def __init__(self):
        self.changed, self.left = threading.Condition(), {}  # port -> bytes that the peer there lacks
        tracker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query, encoding="latin-1")
                if "port" not in query:
                    return self.send_error(400)
                body = tracker.announce(*(query.get(key, ["0"])[0] for key in ("port", "left", "event")))
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # a peer that ends does not wait for the answer to its last announce

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/announce"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def announce(self, port, left, event):
        with self.changed:
            if event == "stopped":
                self.left.pop(int(port), None)
            else:
                self.left[int(port)] = int(left)
            self.changed.notify_all()
            others = [each for each in self.left if each != int(port)]
        address = socket.inet_aton("127.0.0.1")
        return bencode({"interval": ANNOUNCE_SECONDS, "peers": b"".join(
            address + struct.pack(">H", each) for each in others)})

    def wait_for_seeder(self, port, timeout=120):
        with self.changed:
            return self.changed.wait_for(lambda: self.left.get(port) == 0, timeout)

    def forget(self):
        with self.changed:
            self.left.clear()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
