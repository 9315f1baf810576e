#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""edge.py PARLEYD [CASE...]

What comes in at the SIP port and means no good, or is simply too much: each gets the answer its name has in doc/requirements.md,
and costs what a number says.  Exit: 0 good, 1 else; TAP."""
import contextlib
import multiprocessing
import re
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


def seventy_vias(program):
    """RFC 3261 18.2: seventy Vias below the own are legal: echoed, in their order, by the user agent, passed on by the proxy"""
    below = "".join(f"Via: SIP/2.0/UDP 10.0.{i}.1;branch=z9hG4bK{i}\r\n" for i in range(70))
    order = [b"10.0.%d.1" % i for i in range(70)]

    def kept(message, ours):
        vias = re.findall(rb"(?m)^Via: SIP/2.0/UDP ([^;:]*)", message)
        must(vias[ours:] == order, f"of {len(vias)} Vias not all are in their order")
    server, asker = Server(program, SIP % "" + IM % ""), Udp()
    got = asker.ask(server, "OPTIONS", via=below)
    must(status(got) == 200, got)
    kept(got, 1)
    server.end()
    server, target = Server(program, SIP % "" + PROXY), Udp()
    asker.send(request("MESSAGE", server.sip, at=asker.at, via=below, ruri=f"sip:b@{target.at}",
                       more="P-Asserted-Identity: <sip:a@example.com>\r\n"), server.sip)
    kept(target.hear(), 2)
    server.end()


def spoofed_via(program):
    """PARSE-17, RFC 3581: whatever a Via says, the answer goes to whoever asked; who was named hears nothing"""
    server, asker, victim = Server(program, SIP % "" + IM % ""), Udp(), Udp("127.0.0.2")
    for at in (victim.at, f"victim.example:{victim.port}", "127.0.0.2", "[::1]:5060"):
        asker.send(request("OPTIONS", server.sip, at=at), server.sip)
        got = asker.hear()
        must(status(got) == 200, got)
        must(";received=127.0.0.1" in header(got, "Via") and f";rport={asker.port}" in header(got, "Via"), header(got, "Via"))
    victim.quiet()
    server.end()


def answers_from_elsewhere(program):
    """PX-10, PARSE-17: answers to what was never asked, by a guessed branch or to another Via, are dropped and cost no state"""
    server, stranger, asker, target = Server(program, SIP % "" + PROXY), Udp("127.0.0.3"), Udp(), Udp()
    asker.send(request("MESSAGE", server.sip, at=asker.at, ruri=f"sip:b@{target.at}", call="one",
                       more="P-Asserted-Identity: <sip:a@example.com>\r\n"), server.sip)
    asked = target.hear()
    before = server.metric("transactions")
    rest = (f"Via: SIP/2.0/UDP {asker.at};branch=z9hG4bKx\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.net>;tag=evil\r\n"
            "Call-ID: one\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n")
    for n in range(500):
        stranger.send(f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:{server.sip};branch=z9hG4bK{n:016x}.{n:016x}\r\n{rest}".encode(),
                      server.sip)
        stranger.send(f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {stranger.at};branch=z9hG4bK{n}\r\n{rest}".encode(), server.sip)
    must(status(asker.ask(server, "OPTIONS", more="Max-Forwards: 0\r\n", call="two")) in (200, 400, 404), "it does not answer")
    must(server.metric("transactions") <= before + 1, "they cost state")
    keep = b"".join(re.findall(rb"(?m)^(?:Via|From|To|Call-ID|CSeq): .*\n", asked))
    target.send(b"SIP/2.0 202 Accepted\r\n" + keep + b"Content-Length: 0\r\n\r\n", server.sip)
    while status(got := asker.hear()) < 200:
        pass
    must(status(got) == 202, f"what its own server said is not what arrived: {got}")
    server.end()


def half_open_tcp(program):
    """PARSE-1, UP-16: two hundred connections that say nothing, half a message, a blank: closed in time, and others are served"""
    server = Server(program, SIP % ", message_wait: 1s" + IM % "")
    idle = [Tcp(server.sip, f"127.0.4.{1 + i % 200}") for i in range(200)]
    for n, c in enumerate(idle):
        c.s.sendall((b"", b"\r\n", b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2", request("OPTIONS", server.sip)[:-30])[n % 4])
    asker = Tcp(server.sip)
    must(status(asker.ask(server, "OPTIONS")) == 200, "the one that speaks is not served")
    for c in idle:
        while c.s.recv(4096):
            pass
    wait_for("their end", lambda: server.metric("net_sip_connections") == 1)
    must(server.metric("net_sip_timeouts") == 200, f"{server.metric('net_sip_timeouts')} counted")
    must(status(asker.ask(server, "OPTIONS")) == 200, "the one that speaks is served no more")
    server.end()


def route_loop(program):
    """PX-3, PX-16: a Route that names us a hundred times goes round no more often than there are hops: 483; a true loop ends at 482"""
    server, asker, target = Server(program, SIP % "" + PROXY), Udp(), Udp()
    us = f"<sip:127.0.0.1:{server.sip};lr>"
    who = "P-Asserted-Identity: <sip:a@example.com>\r\n"
    got = asker.ask(server, "MESSAGE", ruri=f"sip:b@{target.at}", more=f"{who}Route: {', '.join([us] * 100)}\r\n")
    must(status(got) == 483, got)
    rounds = server.metric("proxied")
    must(rounds <= 70, f"it went round {rounds} times")
    asker.send(request("MESSAGE", server.sip, at=asker.at, ruri=f"sip:b@{target.at}", more=who), server.sip)
    target.send(target.hear(), server.sip)  # as if it were our server's neighbour, and sent it back
    while status(got := target.hear()) == 0:
        pass
    must(status(got) == 482, got)
    must(server.metric("proxied") == rounds + 1, "it was passed on again")
    server.end()


def registrations(program):
    """PARSE-6, IMS-10: REGISTER for whoever, without number: 405 with Allow, and no state is left of it"""
    server, asker = Server(program, SIP % "" + IM % ""), Udp()
    for n in range(200):
        got = asker.ask(server, "REGISTER", ruri="sip:example.org", more=f"Expires: {n}\r\n")
        must(status(got) == 405 and "INVITE" in header(got, "Allow"), got)
    must(server.metric("sip_refused") == 200 and server.metric("sessions") == 0, server.metrics())
    server.end()


CASES = {f.__name__: f for f in (overload, seventy_vias, spoofed_via, answers_from_elsewhere, half_open_tcp, route_loop, registrations)}

if __name__ == "__main__":
    run(CASES, sys.argv, __doc__)
