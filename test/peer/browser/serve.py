#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""serve.py DIRECTORY: a page's files on a free port of loopback, which is printed first; what the page POSTs is printed
and ends it."""
import functools
import http.server
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        print(body.decode(errors="replace"), flush=True)
        self.server.done = True

    def log_message(self, *args):
        pass


with http.server.HTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1])) as server:
    server.done = False
    print(server.server_address[1], flush=True)
    while not server.done:
        server.handle_request()
