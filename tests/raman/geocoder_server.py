#!/usr/bin/env python3
"""A small geocoder on this machine, for tests: the parts of the Nominatim and Photon protocols that are used.

    geocoder_server.py LOG

Prints its port and serves until stdin ends. The first part of an address chooses the behaviour. LOG receives one JSON
object a request: the time in seconds, the path, the question.
"""

import http.server
import json
import sys
import threading
import time
import urllib.parse

PLACES = {"Atlantis, Peru": "pe", "Norway": "no", "Nowhere, Norway": ""}


class Geocoder(http.server.BaseHTTPRequestHandler):
    counts = {}

    def log_message(self, *args):
        pass

    def reply(self, status, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        scenario, _, method = address.path.strip("/").partition("/")
        question = urllib.parse.parse_qs(address.query).get("q", [""])[0]
        self.server.log.write(json.dumps({"time": time.monotonic(), "path": address.path, "q": question}) + "\n")
        self.server.log.flush()
        count = self.counts[scenario] = self.counts.get(scenario, 0) + 1
        code = PLACES.get(question, "")
        if scenario == "busy" and count <= 2:
            return self.reply(429 if count == 1 else 503, b"", Retry_After="0")
        if scenario == "broken":
            return self.reply(200, b"<html>")
        if scenario == "strange":
            return self.reply(200, [{"address": {"country_code": 7}}])
        if scenario == "huge":
            return self.reply(200, b" " * (1 << 22))
        if scenario == "refuses":
            return self.reply(403, b"")
        if method == "api":
            return self.reply(200, {"features": [{"properties": {"countrycode": code.upper()}}] if code else []})
        return self.reply(200, [{"address": {"country_code": code}}] if code else [])


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as log:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Geocoder)
        server.log = log
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
