#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""edge.py PARLEYD [CASE...]

What comes in at the SIP port and means no good, or is simply too much: each gets the answer its name has in doc/requirements.md,
and costs what a number says.  Exit: 0 good, 1 else; TAP."""
import contextlib
import multiprocessing
import socket
import sys

sys.dont_write_bytecode = True  # the source tree is not for that
from edge_world import BOUND, Server, Tcp, Udp, header, must, request, run, status, wait_for  # noqa: E402

SIP = 'sip: { listen: ["udp:127.0.0.1:@SIP@", "tcp:127.0.0.1:@SIP@"]%s }\n'
IM = 'im: { served_domains: ["example.com"]%s }\nmsrp: { listen: ["tcp:127.0.0.1:0"] }\n'
PROXY = 'im: { mode: proxy, served_domains: ["example.com"] }\n'


def flood(port, stop):
    """OPTIONS as fast as they go, until told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        n, me = 0, multiprocessing.current_process().pid
        head, between, after = request("OPTIONS", port, call="NUMBER", branch="z9hG4bKNUMBER").split(b"NUMBER")
        while not stop.is_set():
            for _ in range(200):
                n += 1
                with contextlib.suppress(OSError):
                    s.sendto(b"%s%d.%d%s%d.%d%s" % (head, me, n, between, me, n, after), ("127.0.0.1", port))


def overload(program):
    """PARSE-18: more arrives than can be handled: new dialogs get 503, those there are served, and it is over when it is over"""
    server = Server(program, SIP % ", overload_delay: 100ms" + IM % "" + "log: { level: warn }\n")
    stop = multiprocessing.Event()
    crowd = [multiprocessing.Process(target=flood, args=(server.sip, stop), daemon=True) for _ in range(2)]
    asker = Tcp(server.sip)
    must(status(asker.ask(server, "INVITE")) != 503, "an INVITE before the crowd gets 503")
    for p in crowd:
        p.start()
    try:
        refused = wait_for("a 503", lambda: (m := asker.ask(server, "INVITE")) and status(m) == 503 and m, 3 * BOUND)
        must(1 <= int(header(refused, "Retry-After")) <= 10, refused)
        for method in ("UPDATE", "BYE", "PRACK"):  # of a dialog that is not there, but of one
            must(status(asker.ask(server, method, to_tag="x")) in (481, 500), f"{method} in a dialog gets 503")
    finally:
        stop.set()
        for p in crowd:
            p.join(BOUND)
    must(server.metric("shed") > 0, "nothing was counted")
    server.logged(r"overload delay-ms=\d+ shed=new")
    wait_for("its end", lambda: status(asker.ask(server, "OPTIONS")) == 200)
    must(server.metric("overload") == 0, "it is over and still counted as overload")
    server.logged(r"overload-over ms=\d+ shed=\d+")
    asker.close()
    server.end()


CASES = {f.__name__: f for f in (overload,)}

if __name__ == "__main__":
    run(CASES, sys.argv, __doc__)
