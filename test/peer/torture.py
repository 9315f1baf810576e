#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""torture.py udp|tcp|tls|ws|wss PARLEYD DIR...

The messages of RFC 4475 and RFC 5118 against the real server, each on a connection of its own where there are
connections: DIR/verdicts.tsv says what may come back (file, section, class, answers).  After each the server answers
OPTIONS as ever.  Answers to datagrams go where their Via says, mostly not to us: over UDP what must not be answered is
looked at, and that the server lives.  Exit: 0 good, 77 none of the folders is here, 1 else."""
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

QUIET = 0.12  # seconds after which no answer is taken for none


def free_port():
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        return tcp.getsockname()[1]


def identity(folder):
    subprocess.run(
        ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-batch", "-x509", "-days", "1",
         "-subj", "/CN=parley", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem", "-out",
         f"{folder}/cert.pem"], check=True, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def server(program, transport, port):
    with tempfile.TemporaryDirectory(prefix="parley-torture.") as folder:
        tls = ""
        if transport in ("tls", "wss"):
            identity(folder)
            tls = f'  tls: {{ certificate: "{folder}/cert.pem", key: "{folder}/key.pem" }}\n'
        with open(f"{folder}/parleyd.yaml", "w", encoding="ascii") as f:
            f.write(f'sip:\n  listen: ["{transport}:127.0.0.1:{port}"{", " + chr(34) + "tcp:127.0.0.1:0" + chr(34) if transport in ("ws", "wss") else ""}]\n{tls}'
                    f'im: {{ served_domains: ["example.com", "example.net"], not_im: reject }}\nmsrp: {{ listen: ["tcp:127.0.0.1:0"] }}\ndrain_s: 0\n')
        with open(f"{folder}/log", "w+", encoding="utf-8", errors="replace") as log, subprocess.Popen(
                [program, "-c", f"{folder}/parleyd.yaml"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                errors="replace") as p:
            for line in p.stderr:
                if line == "ready\n":
                    break
            else:
                sys.exit("parleyd did not start")
            # Nobody may block the server by not reading what it says.
            drain = subprocess.Popen(["cat"], stdin=p.stderr, stdout=log)
            try:
                yield p
                p.send_signal(signal.SIGTERM)
                p.wait(20)
            finally:
                p.kill()
                drain.wait()


def receive(s):
    """Everything until it is quiet, and whether the server closed."""
    got = b""
    s.settimeout(QUIET)
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return got
            got += piece
    except (TimeoutError, ConnectionError, ssl.SSLError):
        return got


def upgrade(s):
    """WebSocket, by hand (RFC 6455 4.1, RFC 7118 4)."""
    s.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        piece = s.recv(1)
        if not piece:
            sys.exit(f"no WebSocket: {got}")
        got += piece


def frame(data):
    """One message in one frame, under a mask of zeros; what is no UTF-8 is binary (RFC 7118 5)."""
    try:
        data.decode()
        head = b"\x81"
    except UnicodeDecodeError:
        head = b"\x82"
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return head + size + bytes(4) + data


def unframe(got):
    """The text of all messages, one after the other."""
    text, at = b"", 0
    while at + 2 <= len(got):
        size, begin = got[at + 1] & 0x7f, at + 2
        if size == 126:
            size, begin = int.from_bytes(got[begin:begin + 2], "big"), begin + 2
        if got[at] & 0x0f in (0, 1, 2):
            text += got[begin:begin + size]
        at = begin + size
    return text


def exchange(transport, port, data):
    if transport == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", port))
            s.send(data)
            return receive(s)
    with socket.create_connection(("127.0.0.1", port)) as s:
        if transport in ("tls", "wss"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s = context.wrap_socket(s)
        if transport in ("ws", "wss"):
            upgrade(s)
            s.sendall(frame(data))
            return unframe(receive(s))
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # refused before all of it was read
            s.sendall(data)
        return receive(s)


def finals(answer):
    return [int(n) for n in re.findall(rb"(?m)^SIP/2\.0 ([0-9]{3}) ", answer) if n != b"100"]


def accepted(cls, answers, got, streams, data):
    """Is this list of final answers right?"""
    if cls == "drop" or answers == "-":
        return not got
    if not streams or not got:  # the answer went elsewhere, or a stream waits for more
        return True
    if "!none" in answers or cls == "liberal":
        return True
    if 400 in got and not re.search(rb"(?im)^(content-length|l)\s*:", data):
        return True  # mandatory on a stream (PARSE-1)
    words = answers.split()
    return str(got[0]) in words or any(w.startswith("!") and str(got[0]) != w[1:] for w in words)


def own_branch(data, seen):
    """Many of these messages have the same branch: to one server they would be one transaction."""
    branch = re.search(rb"branch=(z9hG4bK[-.\w]+)", data)
    if branch:
        if branch[1] in seen:
            data = data.replace(branch[1], b"%s%d" % (branch[1], len(seen)))
        seen.add(branch[1] if branch[1] not in seen else b"%d" % len(seen))
    return data


def options(transport, port):
    text = (f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport.upper()} 127.0.0.1:9;rport;branch=z9hG4bK{os.urandom(6).hex()}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {os.urandom(6).hex()}\r\n"
            f"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
    return finals(exchange(transport, port, text.encode())) == [200]


def main():
    transport, program, folders = sys.argv[1], sys.argv[2], [d for d in sys.argv[3:] if os.path.exists(f"{d}/verdicts.tsv")]
    if not folders:
        print("no messages here")
        sys.exit(77)
    port, bad, tried, answered, seen = free_port(), 0, 0, 0, set()
    with server(program, transport, port) as p:
        for folder in folders:
            for line in open(f"{folder}/verdicts.tsv", encoding="utf-8"):
                if line.startswith("#") or not line.strip():
                    continue
                name, _, cls, answers = line.split("\t")[:4]
                with open(f"{folder}/{name}", "rb") as f:
                    data = own_branch(f.read(), seen)
                got = finals(exchange(transport, port, data))
                tried, answered = tried + 1, answered + bool(got)
                datagram = "(UDP)" in line and transport != "udp"
                if not datagram and not accepted(cls, answers, got, transport != "udp", data):
                    bad += 1
                    print(f"{name} over {transport}: answered {got or 'not at all'}, right is {cls} {answers}")
                if p.poll() is not None:
                    sys.exit(f"{name} over {transport}: the server is gone")
                if not options(transport, port):
                    bad += 1
                    print(f"after {name} over {transport}: OPTIONS is not answered")
    print(f"{tried} messages over {transport}, {answered} answered to us, {bad} wrong")
    sys.exit(bad != 0 or p.returncode != 0)


if __name__ == "__main__":
    main()
