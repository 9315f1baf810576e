#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""answers.py PARLEYD [CASE...]

Name servers that answer late, falsely, with too much or not at all (RFC 3263, RFC 1035): the server, as a proxy, is asked to send
a request by a name, and either it arrives where the name leads or it is refused with the answer its failure has (PX-15: 500, as a
503 would have the neighbour avoid us), within a bound.  Exit: 0 good, 1 else; TAP."""
import contextlib
import re
import select
import socket
import struct
import sys
import threading

sys.dont_write_bytecode = True  # the source tree is not for that
from edge_world import BOUND, Server, Udp, free_port, header, must, request, run, status  # noqa: E402

A, CNAME, SRV, NAPTR, AAAA = 1, 5, 33, 35, 28
OK, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".") if p) + b"\0"


def record(owner, kind, data, ttl=60):
    return name(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def a(owner, address="127.0.0.1", ttl=60):
    return record(owner, A, socket.inet_aton(address), ttl)


def srv(owner, port, target, priority=10, ttl=60):
    return record(owner, SRV, struct.pack("!HHH", priority, 0, port) + name(target), ttl)


def cname(owner, target):
    return record(owner, CNAME, name(target))


class NameServer:
    """rule(name, kind, by_tcp) says what is answered: None: nothing; (code, records), or bytes that follow the id."""
    def __init__(self, rule):
        self.rule, self.asked, self.over = rule, [], False
        self.port = free_port("127.0.0.1")
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def answer(self, question, by_tcp):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack("!H", question[at + 1:at + 3])[0]
        self.asked.append((".".join(labels).lower(), kind, by_tcp))
        said = self.rule(".".join(labels).lower(), kind, by_tcp)
        if said is None or isinstance(said, bytes):
            return said and question[:2] + said
        code, records, *flags = said
        return (question[:2] + struct.pack("!HHHHH", 0x8180 | code | (flags[0] if flags else 0), 1, len(records), 0, 0)
                + question[12:at + 5] + b"".join(records))

    def serve(self):
        while not self.over:
            ready, _, _ = select.select([self.udp, self.tcp], [], [], 0.1)
            with contextlib.suppress(OSError, IndexError, struct.error):
                if self.udp in ready:
                    question, source = self.udp.recvfrom(65536)
                    if (said := self.answer(question, False)) is not None:
                        self.udp.sendto(said, source)
                if self.tcp in ready:
                    s, _ = self.tcp.accept()
                    with s:
                        s.settimeout(BOUND)
                        question = s.recv(65536)
                        while len(question) < 2 or len(question) < 2 + struct.unpack("!H", question[:2])[0]:
                            question += s.recv(65536)
                        if (said := self.answer(question[2:], True)) is not None:
                            s.sendall(struct.pack("!H", len(said)) + said)

    def count(self, host, kind):
        return sum(1 for h, k, _ in self.asked if h == host and k == kind)

    def close(self):
        self.over = True
        self.thread.join(BOUND)
        self.udp.close()
        self.tcp.close()


class Net:
    """A name server with this rule, the server that asks it, who asks the server, and where names may lead."""
    def __init__(self, program, rule):
        self.target, self.asker = Udp(), Udp()
        self.names = NameServer(lambda *q: rule(self, *q))
        self.server = Server(program, f"""sip:
  listen: ["udp:127.0.0.1:@SIP@", "tcp:127.0.0.1:@SIP@"]
  dns: {{ servers: ["127.0.0.1:{self.names.port}"], timeout: 300ms }}
im: {{ mode: proxy, served_domains: ["example.com"] }}
log: {{ level: info }}
""")
        self.n = 0

    def send(self, uri):
        self.n += 1
        self.call = f"call-{self.n}"
        self.asker.send(request("MESSAGE", self.server.sip, at=self.asker.at, ruri=uri, call=self.call,
                                more="P-Asserted-Identity: <sip:a@example.com>\r\n"), self.server.sip)

    def arrives(self, uri):
        self.send(uri)
        got = self.target.hear()
        must(header(got, "Call-ID") == self.call, f"{uri}: something else arrived: {got}")
        keep = b"".join(re.findall(rb"(?m)^(?:Via|From|To|Call-ID|CSeq): .*\n", got))
        self.target.send(b"SIP/2.0 200 OK\r\n" + keep + b"Content-Length: 0\r\n\r\n", self.server.sip)

    def refused(self, uri, code=500):
        self.send(uri)
        while True:
            got = self.asker.hear()
            if header(got, "Call-ID") == self.call and status(got) >= 200:
                break
        must(status(got) == code, f"{uri} was answered {status(got)}, not {code}")

    def end(self):
        self.target.quiet()
        self.server.end()
        self.names.close()
        self.asker.close()
        self.target.close()


def leads(net, host, kind, tcp):
    """The plain rule: an SRV of every name, and its server is where we are."""
    if kind == SRV and host.startswith("_sip._udp."):
        return OK, [srv(host, net.target.port, "here.test")]
    if kind == A and host == "here.test":
        return OK, [a(host)]
    return OK, []


def truncated(program):
    """TC: an answer that did not fit a datagram is asked for again by TCP (RFC 7766)"""
    def rule(net, host, kind, tcp):
        return leads(net, host, kind, tcp) if tcp or kind != SRV else (OK, [], 0x0200)
    net = Net(program, rule)
    net.arrives("sip:bob@big.test;transport=udp")
    must(("_sip._udp.big.test", SRV, True) in net.names.asked, "nobody asked by TCP")
    net.end()


def chains(program):
    """CNAME: a chain is followed; one that leads round leads nowhere"""
    def rule(net, host, kind, tcp):
        if host == "chain.test" and kind == A:
            return OK, [cname("chain.test", "c1.test"), cname("c1.test", "c2.test"), cname("c2.test", "c3.test"), a("c3.test")]
        if host == "round.test":
            return OK, [cname("round.test", "r2.test"), cname("r2.test", "round.test")]
        return NXDOMAIN, []
    net = Net(program, rule)
    net.arrives(f"sip:bob@chain.test:{net.target.port}")
    net.refused(f"sip:bob@round.test:{net.target.port}")
    must(len(net.names.asked) < 40, f"asked {len(net.names.asked)} times")
    net.end()


def never_kept(program):
    """TTL 0: the answer serves what waits for it, and is not asked for with each message"""
    net = Net(program, lambda net, host, kind, tcp: (OK, [a(host, ttl=0)]) if kind == A else (OK, []))
    for _ in range(5):
        net.arrives(f"sip:bob@brief.test:{net.target.port}")
    must(net.names.count("brief.test", A) <= 2, f"asked {net.names.count('brief.test', A)} times for five messages")
    net.end()


def nothing_there(program):
    """NXDOMAIN, REFUSED, SERVFAIL, no records, "." as the server: 500, and it is not asked for again at once"""
    def rule(net, host, kind, tcp):
        if host.endswith("refused.test"):
            return REFUSED, []
        if host.endswith("broken.test"):
            return SERVFAIL, []
        if host == "_sip._udp.dot.test" and kind == SRV:
            return OK, [srv(host, 0, "")]
        return (OK, []) if host.endswith(("empty.test", "dot.test")) else (NXDOMAIN, [])
    net = Net(program, rule)
    for host in ("gone.test", "refused.test", "broken.test", "empty.test", "dot.test"):
        net.refused(f"sip:bob@{host};transport=udp")
    n = len(net.names.asked)
    net.refused("sip:bob@gone.test;transport=udp")
    must(len(net.names.asked) == n, "it asked again at once")
    must(net.server.metric("net_lookups_failed") > 0, "not counted")
    net.end()


def silence(program):
    """no answer: 500 within the bound of the questions, and others do not wait"""
    net = Net(program, lambda net, host, kind, tcp: None if "silent" in host else leads(net, host, kind, tcp))
    net.send("sip:bob@silent.test;transport=udp")
    silent = net.call
    net.arrives("sip:bob@lively.test;transport=udp")
    while header(got := net.asker.hear(), "Call-ID") != silent or status(got) < 200:
        pass
    must(status(got) == 500, f"answered {status(got)}")
    must(net.names.count("_sip._udp.silent.test", SRV) <= 3, "asked for ever")
    net.end()


def falsehoods(program):
    """noise, an answer of another question, one that is cut, a name that points at itself: 500, and the next name works"""
    def rule(net, host, kind, tcp):
        if host.endswith("noise.test"):
            return b"\x81\x80" + bytes(range(64))
        if host.endswith("other.test"):
            return OK, [a("elsewhere.test")] if kind == A else [srv("_sip._udp.elsewhere.test", net.target.port, "here.test")]
        if host.endswith("cut.test") and kind == SRV:
            return OK, [srv(host, net.target.port, "here.test")[:-7]]
        if host.endswith("self.test"):
            return OK, [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, 2) + b"\xc0\x0c"]
        return leads(net, host, kind, tcp) if host.endswith(("good.test", "here.test")) else (OK, [])
    net = Net(program, rule)
    for host in ("noise.test", "cut.test", "self.test"):
        net.refused(f"sip:bob@{host};transport=udp")
    net.arrives("sip:bob@good.test;transport=udp")
    net.end()


def too_much(program):
    """two hundred servers behind a name: a few are tried, none is waited for"""
    def rule(net, host, kind, tcp):
        if kind == SRV:
            return OK, [srv(host, net.target.port, f"s{i}.test", i) for i in range(200)]
        return (OK, [a(host, f"127.0.0.{1 + i}") for i in range(100)]) if kind == A and host == "s0.test" else (OK, [])
    net = Net(program, rule)
    net.arrives("sip:bob@many.test;transport=udp")
    must(len(net.names.asked) < 30, f"asked {len(net.names.asked)} times")
    net.end()


def back_to_us(program):
    """names that lead to ourselves, said in four ways: 500, a line in the log each, and nothing goes round"""
    where = {"self.test": "127.0.0.1", "any.test": "0.0.0.0"}

    def rule(net, host, kind, tcp):
        port = net.server.sip
        if kind == SRV and host in ("_sip._udp.srv.test", "_sip._tcp.srv.test"):
            return OK, [srv(host, port, "self.test")]
        if kind == AAAA and host == "mapped.test":
            return OK, [record(host, AAAA, bytes(10) + b"\xff\xff" + socket.inet_aton("127.0.0.1"))]
        return (OK, [a(host, where[host])]) if kind == A and host in where else (OK, [])
    net = Net(program, rule)
    port = net.server.sip
    before = net.server.metric("sip_received")
    uris = (f"sip:bob@self.test:{port}", f"sip:bob@any.test:{port}", f"sip:bob@mapped.test:{port}", "sip:bob@srv.test;transport=udp",
            "sip:bob@srv.test;transport=tcp")
    for uri in uris:
        net.refused(uri)
    must(net.server.metric("sip_received") == before + len(uris), "it talked to itself")
    net.server.logged(r"sip-target-is-us addr=127\.0\.0\.1:")
    net.server.logged(r"sip-target-is-us addr=0\.0\.0\.0:")
    net.end()


CASES = {f.__name__: f for f in (truncated, chains, never_kept, nothing_there, silence, falsehoods, too_much, back_to_us)}

if __name__ == "__main__":
    run(CASES, sys.argv, __doc__)
