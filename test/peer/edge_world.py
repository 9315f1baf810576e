# SPDX-License-Identifier: MIT
"""What edge.py and answers.py play with: the real server, and SIP sockets whose every byte is under control.  Every wait has a
bound."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BOUND = 20  # seconds after which what is waited for is not coming
started = []  # whoever goes kills these


class Wrong(Exception):
    pass


def must(true, what):
    if not true:
        raise Wrong(what)
    return true


def wait_for(what, true, bound=BOUND):
    end = time.monotonic() + bound
    while not (got := true()):
        must(time.monotonic() < end, f"waited in vain for {what}")
        time.sleep(0.02)
    return got


def free_port(address):
    """Free for TCP and for UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            try:
                udp.bind((address, tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]


class Server:
    """parleyd with this configuration; @SIP@ and @MGMT@ stand for its ports on 127.0.0.1, @DIR@ for its folder."""
    def __init__(self, program, yaml, env=None):
        self.folder = tempfile.TemporaryDirectory(prefix="parley-edge.")
        self.sip, self.mgmt = free_port("127.0.0.1"), free_port("127.0.0.1")
        self.log = f"{self.folder.name}/parleyd.log"
        with open(f"{self.folder.name}/parleyd.yaml", "w", encoding="ascii") as f:
            f.write(yaml.replace("@SIP@", str(self.sip)).replace("@DIR@", self.folder.name)
                    + f'mgmt: {{ listen: "127.0.0.1:{self.mgmt}" }}\ndrain_s: 0\n')
        with open(self.log, "wb") as log:
            self.p = subprocess.Popen([program, "-c", f"{self.folder.name}/parleyd.yaml"], stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, env={**os.environ, **(env or {})})
        started.append(self.p)
        wait_for("ready", lambda: must(self.p.poll() is None, self.said()) and "ready\n" in self.said())

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def logged(self, pattern):
        """Waits for a line of the log; returns the match."""
        return wait_for(f"a log line like {pattern}", lambda: re.search(pattern, self.said()))

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.mgmt}/metrics", timeout=BOUND) as f:
            return {k: int(float(v)) for k, v in (line.split(" ") for line in f.read().decode().splitlines() if line[:1] != "#")}

    def metric(self, name):
        return self.metrics()["parley_" + name]

    def end(self):
        """It ended as it should, with no line of a sanitizer."""
        must(self.p.poll() is None, f"the server is gone: {self.said()[-2000:]}")
        self.p.send_signal(signal.SIGTERM)
        must(self.p.wait(BOUND) == 0, f"the server ended badly: {self.said()[-2000:]}")


def request(method, port, *, via="", transport="UDP", at="127.0.0.1:9", ruri=None, to_tag="", call=None, cseq=1, more="", body=b"",
            branch=None):
    """One request as bytes.  via: further Vias, as whole lines."""
    call = call or os.urandom(8).hex()
    return (f"{method} {ruri or f'sip:127.0.0.1:{port}'} SIP/2.0\r\n"
            f"Via: SIP/2.0/{transport} {at};rport;branch={branch or 'z9hG4bK' + os.urandom(8).hex()}\r\n{via}Max-Forwards: 70\r\n"
            f"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.net>{';tag=' + to_tag if to_tag else ''}\r\nCall-ID: {call}\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:a@{at}>\r\n{more}Content-Length: {len(body)}\r\n\r\n").encode() + body


def status(message):
    m = re.match(rb"SIP/2\.0 (\d{3}) ", message)
    return int(m[1]) if m else 0


def header(message, name):
    m = re.search(rb"(?im)^" + name.encode() + rb"\s*:\s*(.*?)\r$", message)
    return m[1].decode() if m else None


class Udp:
    def __init__(self, source="127.0.0.1", port=0):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((source, port))
        self.s.settimeout(BOUND)
        self.port = self.s.getsockname()[1]
        self.at = f"{source}:{self.port}"

    def send(self, data, port, host="127.0.0.1"):
        self.s.sendto(data, (host, port))

    def hear(self):
        return self.s.recv(65536)

    def ask(self, server, method, **how):
        """The final answer to a request; what else arrives is nobody's."""
        data = request(method, server.sip, at=self.at, **how)
        mine = header(data, "Call-ID")
        self.send(data, server.sip)
        while True:
            got = self.hear()
            if status(got) >= 200 and header(got, "Call-ID") == mine:
                return got

    def quiet(self, seconds=0.2):
        self.s.settimeout(seconds)
        try:
            got = self.s.recv(65536)
        except TimeoutError:
            return
        finally:
            self.s.settimeout(BOUND)
        raise Wrong(f"something came that should not: {got[:200]}")

    def close(self):
        self.s.close()


class Tcp:
    def __init__(self, port, source="127.0.0.1"):
        self.s = socket.create_connection(("127.0.0.1", port), BOUND, (source, 0))
        self.at = "%s:%d" % self.s.getsockname()
        self.got = b""

    def hear(self):
        """The next whole message."""
        while not (m := re.match(rb"(?:\r\n)*(.*?\r\n\r\n)", self.got, re.S)) or not m[1].strip():
            self.more()
        n = m.end() + int(header(m[1], "Content-Length") or 0)
        while len(self.got) < n:
            self.more()
        whole, self.got = self.got[:n], self.got[n:]
        return whole.lstrip()

    def more(self):
        piece = self.s.recv(65536)
        must(piece, "the server closed")
        self.got += piece

    def ask(self, server, method, **how):
        self.s.sendall(request(method, server.sip, transport="TCP", at=self.at, **how))
        while (got := self.hear()) and status(got) < 200:
            pass
        return got

    def close(self):
        self.s.close()


def run(cases, argv, usage):
    """Plays the cases named, or all; prints TAP.  A case is a function of the program's path."""
    if len(argv) < 2:
        sys.exit(usage)
    named = argv[2:] or list(cases)
    bad = 0
    print(f"1..{len(named)}")
    for n, name in enumerate(named, 1):
        what = f"{name.replace('_', '-')}: {cases[name].__doc__.splitlines()[0]}"
        try:
            cases[name](argv[1])
            print(f"ok {n} - {what}", flush=True)
        except (Wrong, OSError, TimeoutError) as e:
            bad = 1
            print(f"not ok {n} - {what}\n# {type(e).__name__}: {e}", flush=True)
        finally:
            for p in started:
                if p.poll() is None:
                    p.kill()
                    p.wait()
            started.clear()
    sys.exit(bad)
