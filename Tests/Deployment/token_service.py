# SPDX-License-Identifier: Apache-2.0
"""A token service for Docker's registry: token_service.py FOLDER. Users herd and pusher have the password herd-secret; pusher may
delete nothing. Tokens end as many seconds from now as FOLDER/lifetime says, whatever clients are told. FOLDER gets key.pem and cert.pem, a line in scopes for each token given, and at last port, with the port."""
import base64, http.server, json, os, subprocess, sys, time, urllib.parse

LIFETIME = 120  # in seconds
folder = sys.argv[1]
key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user, scopes, service):
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        allowed = [action for action in actions.split(",") if action != "delete" or user == "herd"]
        access.append({"type": kind, "name": name, "actions": allowed})
    path = os.path.join(folder, "lifetime")
    lifetime = int(open(path).read()) if os.path.exists(path) else LIFETIME
    now, der = int(time.time()), "".join(line for line in open(certificate).read().splitlines() if "-----" not in line)
    header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
    claims = {"iss": "herd-test", "sub": user, "aud": service, "exp": now + lifetime, "nbf": now - 10, "iat": now, "jti": os.urandom(8).hex(), "access": access}
    signed = encoded(json.dumps(header).encode()) + "." + encoded(json.dumps(claims).encode())
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed.encode(), stdout=subprocess.PIPE, check=True).stdout
    return signed + "." + encoded(signature)


class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, password = base64.b64decode(login).decode().partition(":")
        if user not in ("herd", "pusher") or password != "herd-secret":
            return self.answer(401, {"errors": [{"code": "UNAUTHORIZED"}]})
        scopes = [scope for text in query.get("scope", []) for scope in text.split()]
        with open(os.path.join(folder, "scopes"), "a") as log:
            log.write(" ".join(scopes) + "\n")
        self.answer(200, {"token": token(user, scopes, query["service"][0]), "expires_in": LIFETIME})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=herd-test", "-keyout", key, "-out", certificate],
    check=True, stderr=subprocess.DEVNULL,
)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
with open(os.path.join(folder, "port.part"), "w") as file:
    file.write(str(server.server_address[1]))
os.rename(os.path.join(folder, "port.part"), os.path.join(folder, "port"))
server.serve_forever()
