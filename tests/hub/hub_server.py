#!/usr/bin/env python3
"""A small hub on this machine, for tests: the part of the Hugging Face HTTP API that a download uses, and its faults.

    hub_server.py LOG [CERTIFICATE]

Prints the ports of two servers ("hub storage") and serves until stdin ends. The first part of an address chooses the
behaviour: http://127.0.0.1:HUB/SCENARIO is an endpoint. LOG receives one JSON object a request. With CERTIFICATE (a
PEM file with its key), the hub speaks TLS. The model is always acme/tiny.
"""

import hashlib
import http.server
import json
import ssl
import sys
import threading
import urllib.parse
from collections import Counter

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "model.safetensors"
CHUNK = 100_000
WEIGHTS = bytes((7 * i + i // 251) % 256 for i in range(300_000))
LARGE = {MODEL, "onnx/model.safetensors", "model-q4.gguf"}  # kept by LFS: listed with SHA-256

FILES = {
    "config.json": b'{"model_type": "tiny"}\n',
    "tokenizer.json": b"{}\n",
    "added_tokens.json": b"",
    "README.md": b"# tiny\n",
    MODEL: WEIGHTS,
    "onnx/model.safetensors": b"other weights",
    "model-q4.gguf": b"GGUF",
    "odd name %41#?\u00e9.gguf": b"odd",
    "pytorch_model.bin": b"pickle",
    "tokenizer.model": b"pieces",
}

BAD_NAMES = ["../x", "/etc/x", "a/../../x", "..", ".", "a//b", "a/", "./x", "", "x\ny", "x\u001b[2Jy", "a" * 300]


def entry(path, content, large):
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    item = {"type": "file", "oid": oid, "size": len(content), "path": path}
    if large:
        item["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return item


def listing():
    files = [entry(path, content, path in LARGE) for path, content in FILES.items()]
    return [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "onnx"}] + files


def weights_as(**changes):
    """The listing with other facts about the weights."""
    items = listing()
    for item in items:
        if item["path"] == MODEL:
            item["lfs"].update(changes)
    return items


def with_path(path):
    return listing() + [{"type": "file", "oid": "0" * 40, "size": 1, "path": path}]


LISTINGS = {
    "size_text": lambda: weights_as(size="many"),
    "size_negative": lambda: weights_as(size=-1),
    "size_beyond": lambda: weights_as(size=2**63),
    "size_of_a_planet": lambda: weights_as(size=2**52),
    "oid_short": lambda: weights_as(oid="abc"),
    "oid_path": lambda: weights_as(oid="../" * 21 + "x"),
    "twice": lambda: listing() + listing(),
    "object": lambda: {"error": "none"},
    "empty": lambda: [],
    "no_weights": lambda: [item for item in listing() if "safetensors" not in item["path"]],
    "part_name": lambda: listing() + [entry("LICENSE.part", b"x", False)],
    **{f"bad_name_{i}": lambda path=path: with_path(path) for i, path in enumerate(BAD_NAMES)},
}

lock = threading.Lock()
counts = Counter()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    role = "hub"

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        parts = urllib.parse.unquote(address.path).split("/", 2)
        self.scenario, self.rest, self.query = parts[1], "/" + parts[2], address.query
        self.file = self.rest.partition(f"/resolve/{COMMIT}/")[2] or self.rest.partition("/storage/")[2]
        with lock:
            record = {"role": self.role, "scenario": self.scenario, "path": self.path, "headers": dict(self.headers)}
            self.server.log.write(json.dumps(record) + "\n")
            self.server.log.flush()
            counts[self.scenario, self.role, self.file or self.rest] += 1
            self.count = counts[self.scenario, self.role, self.file or self.rest]
        try:
            special = getattr(self, f"{self.role}_{self.scenario}", None)
            if special is None or not special():
                self.answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # What a well-behaved hub does.

    def answer(self):
        if self.rest == "/api/models/acme/tiny/revision/main":
            self.send_json({"id": "acme/tiny", "sha": COMMIT})
        elif self.rest == f"/api/models/acme/tiny/tree/{COMMIT}":
            self.send_json(LISTINGS.get(self.scenario, listing)())
        elif self.file in FILES:
            self.send_file(FILES[self.file])
        else:
            self.send_status(404)

    def send_json(self, value, **headers):
        self.send_bytes(json.dumps(value).encode(), **headers)

    def send_bytes(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_status(self, status, **headers):
        self.send_bytes(b"no", status, **headers)
        return True

    def first_byte(self):
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def send_file(self, content, etag='"v1"', limit=None):
        """Honours Range and If-Range; closes the connection after `limit` bytes."""
        start = self.first_byte() if self.headers.get("If-Range", etag) == etag else 0
        if start >= len(content) > 0:
            self.send_status(416)
            return
        self.send_response(206 if start > 0 else 200)
        if start > 0:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:] if limit is None else content[start : start + limit])
        if limit is not None:
            self.close_connection = True

    def send_until_closed(self, body):
        """No Content-Length: the end of the connection is the end of the body."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True
        return True

    # Faults of a transfer. Each returns whether it has answered.

    def hub_drops(self):
        if self.file != MODEL:
            return False
        self.send_file(WEIGHTS, limit=CHUNK)
        return True

    def hub_drops_listing(self):
        if self.count > 1 or not self.rest.startswith("/api"):
            return False
        self.close_connection = True
        return True

    def hub_drops_at_one_place(self):
        if self.file != MODEL:
            return False
        self.headers.replace_header("Range", "bytes=0-") if "Range" in self.headers else None
        self.send_file(WEIGHTS, limit=CHUNK)
        return True

    def hub_ignores_range(self):
        if self.file != MODEL:
            return False
        if "Range" in self.headers:
            self.send_bytes(WEIGHTS)
        else:
            self.send_file(WEIGHTS, limit=CHUNK)
        return True

    def answer_range_with(self, first, total, etag='"v1"', skip=0):
        """The first answer breaks; to a range comes a 206 whose Content-Range is this one."""
        if self.file != MODEL:
            return False
        if "Range" not in self.headers:
            self.send_file(WEIGHTS, limit=CHUNK if self.count == 1 else None)
            return True
        body = WEIGHTS[self.first_byte() + skip :]
        content_range = f"bytes {first}-{first + len(body) - 1}/{total}"
        self.send_bytes(body, 206, Content_Range=content_range, ETag=etag)
        return True

    def hub_other_range(self):
        return self.answer_range_with(5, len(WEIGHTS))

    def hub_range_beyond(self):
        return self.answer_range_with(2**62, "*")

    def hub_range_garbage(self):
        return self.answer_range_with(5, "many")

    def hub_other_total(self):
        return self.answer_range_with(CHUNK, len(WEIGHTS) + 1)

    def hub_changes(self):
        return self.answer_range_with(CHUNK, len(WEIGHTS), etag='"v2"')

    def hub_unasked_range(self):
        if self.file != MODEL or self.count > 1:
            return False
        self.send_bytes(WEIGHTS[5:], 206, Content_Range=f"bytes 5-{len(WEIGHTS) - 1}/{len(WEIGHTS)}")
        return True

    def hub_refuses_range(self):
        if self.file != MODEL:
            return False
        if "Range" in self.headers:
            return self.send_status(416)
        self.send_file(WEIGHTS, limit=CHUNK if self.count == 1 else None)
        return True

    def hub_too_long(self):
        return self.file == MODEL and (self.send_bytes(WEIGHTS + b"more") or True)

    def hub_too_short(self):
        return self.file == MODEL and (self.send_bytes(WEIGHTS[:-5]) or True)

    def hub_too_long_unsaid(self):
        return self.file == MODEL and self.send_until_closed(WEIGHTS + b"more")

    def hub_too_short_unsaid(self):
        return self.file == MODEL and self.count == 1 and self.send_until_closed(WEIGHTS[:CHUNK])

    def hub_wrong_bytes(self):
        return self.file == MODEL and (self.send_file(WEIGHTS[:-1] + b"!") or True)

    def hub_wrong_bytes_once(self):
        return self.file == MODEL and self.count == 1 and (self.send_file(WEIGHTS[:-1] + b"!") or True)

    def hub_wrong_config(self):
        return self.file == "config.json" and (self.send_file(FILES["config.json"].upper()) or True)

    def hub_stalls(self):
        """Sends a part and then nothing, until the client goes; a range is answered in full."""
        if self.file != MODEL or "Range" in self.headers:
            return False
        self.send_response(200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(WEIGHTS)))
        self.end_headers()
        self.wfile.write(WEIGHTS[:CHUNK])
        self.wfile.flush()
        self.rfile.read(1)
        self.close_connection = True
        return True

    # Busy servers.

    def hub_busy(self):
        return self.count <= 2 and self.send_status(429 if self.count == 1 else 503, Retry_After="0")

    def hub_busy_for_an_hour(self):
        return self.count == 1 and self.send_status(429, Retry_After="3600")

    def hub_busy_for_a_second(self):
        return self.count == 1 and self.file == MODEL and self.send_status(503, Retry_After="1")

    def hub_busy_always(self):
        return self.send_status(503)

    # Redirects.

    def redirect(self, location, status=302):
        return self.send_status(status, Location=location)

    def storage_address(self):
        return f"http://127.0.0.1:{self.server.storage_port}/{self.scenario}/storage/" + urllib.parse.quote(self.file)

    def hub_redirects(self):
        return bool(self.file) and self.redirect(self.storage_address())

    hub_expires = hub_redirects

    def storage_expires(self):
        return self.count == 1 and self.send_status(403)

    def hub_renamed(self):
        here = urllib.parse.urlsplit(self.path)
        moved = "moved=1" in here.query
        return not moved and self.redirect(f"{here.path}?{here.query}&moved=1".replace("?&", "?"), 307)

    def hub_redirects_in_a_ring(self):
        return self.redirect(self.path)

    def hub_redirects_unprotected(self):
        return bool(self.file) and self.redirect("http://storage.invalid/file")

    def hub_redirects_to_a_file(self):
        return bool(self.file) and self.redirect("file:///etc/passwd")

    def hub_redirects_nowhere(self):
        return bool(self.file) and self.send_status(302)

    # Refusals.

    def hub_unauthorized(self):
        return self.send_status(401, X_Error_Code="RepoNotFound")

    def hub_gated(self):
        return bool(self.file) and self.send_status(403, X_Error_Code="GatedRepo")

    def hub_private(self):
        return self.headers.get("Authorization") != "Bearer hf_secret" and self.send_status(401)

    def hub_missing(self):
        return self.send_status(404, X_Error_Code="RepoNotFound")

    def hub_no_revision(self):
        return self.send_status(404, X_Error_Code="RevisionNotFound")

    def hub_teapot(self):
        return self.send_status(418)

    # Listings.

    def hub_pages(self):
        if "/tree/" not in self.rest:
            return False
        page = int(urllib.parse.parse_qs(self.query).get("cursor", ["0"])[0])
        items = listing()[4 * page : 4 * page + 4]
        address = f"http://127.0.0.1:{self.server.server_port}/{self.scenario}{self.rest}?recursive=true"
        more = 4 * page + 4 < len(listing())
        links = {"Link": f'<{address}>; rel="first", <{address}&cursor={page + 1}>; rel="next"'} if more else {}
        self.send_json(items, **links)
        return True

    def hub_pages_in_a_ring(self):
        if "/tree/" not in self.rest:
            return False
        self.send_json([], Link=f'<{self.path}>; rel="next"')
        return True

    def send_text(self, text):
        return "/tree/" in self.rest and (self.send_bytes(text.encode()) or True)

    def hub_huge_json(self):
        return "/tree/" in self.rest and self.send_until_closed(b"[" + b" " * (1 << 26))

    def hub_deep_json(self):
        return self.send_text("[" * 1_000_000)

    def hub_broken_json(self):
        return self.send_text('[{"path": ')

    def hub_not_utf8(self):
        return "/tree/" in self.rest and (self.send_bytes(b'[{"type":"file","path":"\xff\xfe"}]') or True)

    def hub_web_page(self):
        return self.send_bytes(b"<html>Sign in to the network</html>") or True

    def hub_bad_commit(self):
        return "/revision/" in self.rest and (self.send_json({"sha": "../../main"}) or True)


class Storage(Hub):
    role = "storage"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # Clients that go away in the middle are what the tests are about; ssl.SSLError is an OSError too.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def serve(handler, log):
    server = Server(("127.0.0.1", 0), handler)
    server.log = log
    return server


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as log:
        hub, storage = serve(Hub, log), serve(Storage, log)
        hub.storage_port = storage.server_port
        if len(sys.argv) > 2:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[2])
            hub.socket = context.wrap_socket(hub.socket, server_side=True)
        for server in (hub, storage):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        print(hub.server_port, storage.server_port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
