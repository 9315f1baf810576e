# SPDX-License-Identifier: MIT
"""What hostile.py plays with: MSRP connections whose every byte is under control, both ends of a session through the server,
parley-ua as an ordinary user, and the server itself.  Every wait has a bound."""
import contextlib
import os
import re
import resource
import select
import socket
import subprocess
import time
import urllib.request

BOUND = 20  # seconds after which what is waited for is not coming
SERVER, NEAR, FAR, EDGE, THIEF = "127.81.0.1", "127.81.0.2", "127.81.0.3", "127.81.0.4", "127.81.9.9"
LIMIT = 200_000  # im.media.max_size
UNBOUND_MAX = 100


started = []  # whoever goes kills these


class Wrong(Exception):
    pass


def start(*command, **how):
    started.append(subprocess.Popen(command, **how))
    return started[-1]


def must(true, what):
    if not true:
        raise Wrong(what)


def wait_for(what, true):
    end = time.monotonic() + BOUND
    while not (got := true()):
        must(time.monotonic() < end, f"waited in vain for {what}")
        time.sleep(0.02)
    return got


# ---- MSRP ----

class Message:
    def __init__(self, start, head, body, flag):
        self.start, self.body, self.flag = start, body, flag
        self.tid, self.word = start.split()[1:3]
        self.head = dict(line.split(": ", 1) for line in head)


class Peer:
    """One MSRP connection.  Every wait has a bound."""
    def __init__(self, to, source=THIEF):
        self.s = socket.create_connection(to, BOUND, (source, 0))
        self.got = b""

    def close(self):
        self.s.close()

    def send(self, data):
        self.s.sendall(data if isinstance(data, bytes) else data.encode())

    def more(self):
        piece = self.s.recv(65536)
        self.got += piece
        return piece

    def closed(self):
        """All that still comes until the server closes."""
        with contextlib.suppress(ConnectionError):
            while self.more():
                pass
        return self.got

    def until(self, pattern):
        while not (m := re.search(pattern, self.got, re.S)):
            must(self.more(), f"closed while waiting for {pattern}: {self.got[-300:]}")
        return m

    def message(self):
        """The next whole message, by its transaction id and nothing else."""
        m = self.until(rb"^MSRP (\S+) [^\r]*\r\n")
        tid = m[1]
        end = self.until(rb"\r\n-------" + re.escape(tid) + rb"([$+#])\r\n")
        whole, self.got = self.got[:end.start()], self.got[end.end():]
        head, _, body = whole.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        return Message(lines[0], lines[1:], body, end[1].decode())

    def quiet(self):
        must(not select.select([self.s], [], [], 0)[0] and not self.got, "something came that should not")


def head(tid, method, to, sender, *lines):
    return "\r\n".join((f"MSRP {tid} {method}", f"To-Path: {to}", f"From-Path: {sender}") + lines) + "\r\n"


def send(tid, to, sender, body=b"", flag="$", byte_range=None, message_id="", more=()):
    lines = [f"Message-ID: {message_id or tid}", *more]
    if body and byte_range is None:
        byte_range = f"1-{len(body)}/{len(body)}"
    if byte_range or not body:
        lines.append(f"Byte-Range: {byte_range or '1-0/0'}")
    text = head(tid, "SEND", to, sender, *lines).encode()
    if body:
        text += b"Content-Type: text/plain\r\n\r\n" + body + b"\r\n"
    return text + f"-------{tid}{flag}\r\n".encode()


# ---- an attackers' session: both ends of it ----

class End:
    def __init__(self, address):
        self.address = address
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind((address, 0))
        self.sip.settimeout(BOUND)
        self.at = f"{address}:{self.sip.getsockname()[1]}"
        self.session = os.urandom(8).hex()
        self.mine = f"msrp://{address}:9/{self.session};tcp"
        self.dialog = self.conn = self.theirs = None

    def sdp(self):
        return (f"v=0\r\no=- 1 1 IN IP4 {self.address}\r\ns=-\r\nc=IN IP4 {self.address}\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n"
                f"a=accept-types:*\r\na=setup:active\r\na=path:{self.mine}\r\n")

    def hear(self, word):
        while True:
            text = self.sip.recv(65536).decode()
            if text.startswith(word):
                return text
            must(not re.match(r"SIP/2\.0 [3-6]", text), text)

    def bind(self, sdp, to):
        self.theirs = re.search(r"a=path:(\S+)", sdp)[1]
        self.conn = Peer(to, self.address)
        tid = os.urandom(4).hex()
        self.conn.send(send(tid, self.theirs, self.mine))
        must(self.conn.message().start == f"MSRP {tid} 200 OK", "the binding SEND is answered 200")

    def close(self):
        self.sip.close()
        if self.conn:
            self.conn.close()


def with_sdp(head_text, sdp):
    return f"{head_text}Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}".encode()


class Pair:
    """A session of ours through the server: a calls b."""
    count = 0

    def __init__(self, world):
        Pair.count += 1
        self.world, self.a, self.b = world, End(f"127.81.1.{Pair.count}"), End(f"127.81.2.{Pair.count}")
        a, b, call = self.a, self.b, os.urandom(8).hex()
        uri = f"sip:mallory@{b.at}"
        who = f"From: <sip:eve@example.com>;tag={call}\r\nTo: <{uri}>%s\r\nCall-ID: {call}\r\nMax-Forwards: 70\r\n"
        via = f"Via: SIP/2.0/UDP {a.at};rport;branch=z9hG4bK%s\r\n"
        invite = (f"INVITE {uri} SIP/2.0\r\n" + via % call + who % "" + f"CSeq: 1 INVITE\r\nContact: <sip:eve@{a.at}>;+g.oma.sip-im\r\n"
                  "P-Asserted-Identity: <sip:eve@example.com>\r\nAccept-Contact: *;+g.oma.sip-im\r\nAllow: INVITE, ACK, BYE\r\n")
        a.sip.sendto(with_sdp(invite, a.sdp()), world.sip)
        asked = b.hear("INVITE ")
        keep = "".join(re.findall(r"(?m)^(?:Via|From|Call-ID|CSeq|Record-Route): .*\n", asked))
        to = re.search(r"(?m)^To: .*(?=\r)", asked)[0]
        b.sip.sendto(with_sdp(f"SIP/2.0 200 OK\r\n{keep}{to};tag=b{call}\r\nContact: <sip:mallory@{b.at}>\r\n", b.sdp()), world.sip)
        answer = a.hear("SIP/2.0 200")
        target = re.search(r"(?m)^Contact: <([^>]+)>", answer)[1]
        tag = re.search(r"(?m)^To: .*(;tag=[^;\s]+)", answer)[1]
        self.say = lambda method, n: (f"{method} {target} SIP/2.0\r\n{via % (method + call)}{who % tag}CSeq: {n} {method}\r\n"
                                      "Content-Length: 0\r\n\r\n").encode()
        a.sip.sendto(self.say("ACK", 1), world.sip)
        a.bind(answer, world.msrp)
        b.bind(asked, world.msrp)

    def bye(self):
        self.a.sip.sendto(self.say("BYE", 2), self.world.sip)
        self.over(self.b)
        self.a.hear("SIP/2.0 200")

    def over(self, *ends):
        """The server ends it on these."""
        for e in ends:
            asked = e.hear("BYE ")
            keep = "".join(re.findall(r"(?m)^(?:Via|From|To|Call-ID|CSeq): .*\n", asked))
            e.sip.sendto(f"SIP/2.0 200 OK\r\n{keep}Content-Length: 0\r\n\r\n".encode(), self.world.sip)

    def relay(self, tid, body, **how):
        """One SEND from a; what b gets of it and a's answer after b's 200."""
        a, b = self.a, self.b
        a.conn.send(send(tid, a.theirs, a.mine, body, **how))
        pieces = [self.take()]
        while pieces[-1].flag == "+" and len(b"".join(p.body for p in pieces)) < len(body):
            pieces.append(self.take())
        return b"".join(p.body for p in pieces), pieces[-1].flag, a.conn.message()

    def take(self):
        m = self.b.conn.message()
        self.answer(m.tid, 200)
        return m

    def answer(self, tid, code):
        b = self.b
        b.conn.send(head(tid, f"{code} OK", b.theirs, b.mine) + f"-------{tid}$\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.a.close()
        self.b.close()


# ---- the server, and the ordinary session ----

class Ua:
    def __init__(self, program, folder, name, address, identity):
        self.file = f"{folder}/{name}.log"
        with open(self.file, "wb") as log:
            self.p = start(program, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self.marks, self.sip = 0, free_port(address)
        self.do(f'name {name}\nidentity {identity}\ntimeout {BOUND * 1000}\npolicy accept-types="*"\n'
                f"listen udp:{address}:{self.sip} msrp:{address}:0")
        self.done()

    def do(self, script):
        with contextlib.suppress(BrokenPipeError):
            self.p.stdin.write(script.encode() + b"\n")
            self.p.stdin.flush()

    def done(self):
        """All that was said so far is done."""
        self.marks += 1
        mark = f"mark-{self.marks}."
        self.do(f'print "{mark}"')

        def there():
            with open(self.file, encoding="utf-8", errors="replace") as f:
                text = f.read()
            must(self.p.poll() is None or mark in text, f"parley-ua ended:\n{text[-2000:]}")
            return mark in text
        wait_for(f"the ordinary session, {self.file}", there)

    def end(self):
        self.p.stdin.close()
        must(self.p.wait(BOUND) == 0, "the ordinary session's ends end with status 0")


def free_port(address):
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind((address, 0))
        udp.bind((address, tcp.getsockname()[1]))
        return tcp.getsockname()[1]


class World:
    def __init__(self, parleyd, folder):
        self.sip, self.msrp, self.msrps, self.mgmt = ((SERVER, free_port(SERVER)) for _ in range(4))
        self.log = f"{folder}/parleyd.log"
        self.rounds = 0
        with open(f"{folder}/parleyd.yaml", "w", encoding="ascii") as f:
            f.write(f"""sip: {{ listen: ["udp:{self.sip[0]}:{self.sip[1]}"] }}
im: {{ served_domains: ["example.com"], media: {{ max_size: {LIMIT} }} }}
msrp:
  listen: ["tcp:{self.msrp[0]}:{self.msrp[1]}", "tls:{self.msrps[0]}:{self.msrps[1]}"]
  bind_wait: 2s
  end_bound: 2s
  repair: wait
  repair_wait: 1s
  unbound_per_source_max: {UNBOUND_MAX}
mgmt: {{ listen: "{self.mgmt[0]}:{self.mgmt[1]}" }}
log: {{ level: error }}
drain_s: 0
""")
        env = dict(os.environ)
        env["ASAN_OPTIONS"] = ":".join(filter(None, (env.get("ASAN_OPTIONS"), "quarantine_size_mb=4")))
        with open(self.log, "wb") as log:
            self.p = start(parleyd, "-c", f"{folder}/parleyd.yaml", stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        with open(parleyd, "rb") as f:
            sanitized = b"__asan_init" in f.read()
        self.grows = (64 if sanitized else 12) << 20  # what memory may grow by
        wait_for("ready", lambda: "ready\n" in self.said() or must(self.p.poll() is None, self.said()))

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def ordinary(self, ua, folder):
        """Calls through a socket of ours: that is how the path to be stolen is learned."""
        self.far = Ua(ua, folder, "far", FAR, "sip:bob@example.net")
        self.near = Ua(ua, folder, "near", NEAR, "sip:alice@example.com")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as edge:
            edge.bind((EDGE, 0))
            edge.settimeout(BOUND)
            self.far.do("expect invite\nanswer 200")
            self.near.do(f"invite sip:bob@{FAR}:{self.far.sip} via {EDGE}:{edge.getsockname()[1]}\nexpect 200")
            text, caller = b"", None
            while not text.startswith(b"SIP/2.0 200"):
                text, source = edge.recvfrom(65536)
                caller = caller or source
                edge.sendto(text, self.sip if source == caller else caller)
        self.path = re.search(rb"a=path:(\S+)", text)[1].decode()
        self.peer = f"msrp://{NEAR}:9/none;tcp"
        self.through()

    def through(self):
        """A message each way, and one of some size."""
        self.rounds += 1
        for one, other in ((self.near, self.far), (self.far, self.near)):
            one.do(f'send "round {self.rounds}"\nfill application/octet-stream 50000\nexpect msrp 200\nexpect msrp 200')
            other.do(f'expect message "round {self.rounds}"\nexpect message')
        self.near.done()
        self.far.done()

    def metrics(self):
        with urllib.request.urlopen("http://%s:%d/metrics" % self.mgmt, timeout=BOUND) as f:
            return dict(line.split(" ") for line in f.read().decode().splitlines() if not line.startswith("#"))

    def metric(self, name):
        return int(self.metrics()[name])

    def left(self, sessions, paths, connections):
        want = {"parley_sessions": sessions, "parley_msrp_sessions": paths, "parley_msrp_connections": connections,
                "parley_net_msrp_connections": connections}

        def so():
            now = self.metrics()
            return all(int(now[k]) == v for k, v in want.items())
        wait_for(f"{want}, have { {k: self.metrics()[k] for k in want} }", so)

    def resident(self):
        with open(f"/proc/{self.p.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * resource.getpagesize()
