#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""hostile.py PARLEYD PARLEY-UA [--connections N]

Peers that mean harm against the MSRP port of the real server, from many addresses of 127/8, while two parley-ua hold an
ordinary session in which messages must go through all the time.  Both ends of the attackers' own sessions are in here, so that
what arrives can be compared byte by byte with what was sent.  What is told to whom: UP-16, UP-18 to UP-24, UP-32, UP-36 and
UP-51 in doc/requirements.md.  N (5000): connections that never bind; as many at once as there are descriptors.
Exit: 0 good, 1 else; TAP."""
import argparse
import contextlib
import re
import resource
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source tree is not for that
from hostile_world import BOUND, LIMIT, UNBOUND_MAX, Pair, Peer, World, Wrong, head, must, send, started, wait_for  # noqa: E402


# ---- what is done to it ----

def slow_loris(w):
    """UP-16: who never finishes the headers of a first request is closed, however busy it is."""
    late = w.metric("parley_msrp_unbound")
    peers = [Peer(w.msrp, f"127.81.3.{i + 1}") for i in range(20)]
    text = head("slow1234", "SEND", w.path, w.peer, "X-Slow: " + "s" * 2000)
    n, end, open_ = 0, time.monotonic() + BOUND, list(peers)
    while open_:
        must(time.monotonic() < end and n < len(text), f"{len(open_)} of 20 slow ones are still open")
        for p in list(open_):
            with contextlib.suppress(ConnectionError):
                p.s.send(text[n:n + 1].encode())
            if select.select([p.s], [], [], 0)[0]:
                must(p.closed() == b"", f"a slow one was told {p.got}")
                p.close()
                open_.remove(p)
        n += 1
        time.sleep(0.02)
    must(w.metric("parley_msrp_unbound") == late + 20, "the slow ones are counted")


def never_reads(w):
    """UPA-14: its sender is stopped or refused, memory does not grow, and what it sends itself goes on."""
    with Pair(w) as pair:
        a, b, before = pair.a, pair.b, w.resident()
        b.conn.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        a.conn.s.setblocking(False)
        chunk, sent, others, end = b"x" * 150_000, 0, 0, time.monotonic() + 8
        data, n = b"", 0
        while time.monotonic() < end and sent < 64 << 20:
            if not data:
                n += 1
                data = send(f"full{n}", a.theirs, a.mine, chunk, more=("Failure-Report: no",))
            readable, writable, _ = select.select([a.conn.s], [a.conn.s], [], 0.2)
            if readable:
                must(a.conn.more(), "the sender was closed")
            if writable:
                done = a.conn.s.send(data)
                data, sent = data[done:], sent + done
            elif not others:
                others = 1
                b.conn.send(send("other1", b.theirs, b.mine, b"the other direction"))
            if b"the other direction" in a.conn.got:
                break
        a.conn.s.setblocking(True)
        a.conn.s.settimeout(BOUND)
        a.conn.until(rb"the other direction.*-------\S+\$\r\n")
        w.through()
        grown = w.resident() - before
        must(grown < w.grows, f"{sent} bytes to who never reads: {grown} bytes more memory")
        a.conn.close()
        b.conn.close()
        pair.over(a, b)


def reads_no_answers(w):
    """UP-24: who asks and does not read the answers is not read any more."""
    with Pair(w) as pair:
        a, before, sent = pair.a, w.resident(), 0
        a.conn.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        a.conn.s.settimeout(2)
        text = "".join(head(f"ask{n}", "PUBLISH", a.theirs, a.mine) + f"-------ask{n}$\r\n" for n in range(10, 1000)).encode()
        with contextlib.suppress(TimeoutError):  # and not closed for it
            while sent < 64 << 20:
                sent += a.conn.s.send(text)
        must(sent < 64 << 20, "64 MiB of questions were read")
        w.through()
        grown = w.resident() - before
        must(grown < w.grows, f"{sent} bytes of questions: {grown} bytes more memory")
        a.conn.close()
        pair.over(a, pair.b)


def false_answers(w):
    """UP-23: an answer nobody waits for, one before its time and one on another connection confirm nothing."""
    with Pair(w) as pair:
        a, b = pair.a, pair.b
        for tid in ("ffffffffffffffff", "0000000000000000", "no.such-one", "x" * 32):
            pair.answer(tid, 200)
            pair.answer(tid, 481)
        a.conn.send(send("real1", a.theirs, a.mine, b"is it here?"))
        m = b.conn.message()
        thief = Peer(w.msrp)
        thief.send(head(m.tid, "200 OK", b.theirs, b.mine) + f"-------{m.tid}$\r\n")
        thief.send(send("last", "msrp://x:1/none;tcp", w.peer))
        must(b"MSRP last 481 " in thief.closed(), "the thief's SEND is answered 481")
        thief.close()
        a.conn.quiet()
        pair.answer(m.tid, 200)
        must(a.conn.message().start == "MSRP real1 200 OK", "confirmed by the one who had it")
        # Early: the head of the chunk is there, the rest of it is not.
        whole = send("early1", a.theirs, a.mine, b"e" * 5000, byte_range="1-*/5000")
        a.conn.send(whole[:3000])
        tid = b.conn.until(rb"^MSRP (\S+) SEND\r\n")[1].decode()
        pair.answer(tid, 200)
        pair.answer(tid, 200)
        b.conn.send(send("sync1", b.theirs, b.mine, b"after the early one"))
        m = a.conn.message()
        must(m.body == b"after the early one", f"no answer before the message is whole: {m.start}")
        a.conn.send(whole[3000:])
        a.conn.send(head(m.tid, "200 OK", a.theirs, a.mine) + f"-------{m.tid}$\r\n")
        body, flag = b"", "+"
        while flag == "+":
            m = b.conn.message()
            if m.word == "SEND":
                body, flag = body + m.body, m.flag
                if m.tid != tid:
                    a.conn.quiet()
                    pair.answer(m.tid, 200)
        must(body == b"e" * 5000, f"{len(body)} bytes of 5000: {m.start} {m.head}")
        must(a.conn.message().start == "MSRP early1 200 OK", "answered once when it was whole")
        pair.bye()


def ids_in_bodies(w):
    """UP-19, UP-22: what looks like an end-line in a body is body."""
    with Pair(w) as pair:
        a, b = pair.a, pair.b
        near = (b"x-------body1$\r\n" b"\n-------body1$\r\n" b"\r\n-------body1" b"\r\n-------body1*\r\n"
                b"\r\n-------body1$\r" b"\r\n-------body12$\r\n" b"\r\n-------other$\r\n" b"\r\n--------body1$\r\n\0\0")
        got, flag, answer = pair.relay("body1", near)
        must((got, flag) == (near, "$") and answer.start == "MSRP body1 200 OK", f"{got} {flag} {answer.start}")
        # The receiver betrays the id under which it is getting the message; the rest of the body is full of it.
        whole = send("betray1", a.theirs, a.mine, b"b" * 4000 + b"%s" + b"c" * 4000, byte_range="1-*/*")
        first, last = whole.split(b"%s")
        a.conn.send(first)
        tid = b.conn.until(rb"^MSRP (\S+) SEND\r\n")[1]
        evil = b"\r\n-------" + tid + b"$\r\nMSRP evil SEND\r\n\r\n-------" + tid + b"+\r\n" + b"\r\n-------" + tid
        a.conn.send(evil + last)
        body = b""
        while True:
            m = pair.take()
            body += m.body
            must(m.head["Message-ID"] == "betray1", "only this message")
            if m.flag != "+":
                break
        must(body == b"b" * 4000 + evil + b"c" * 4000, "the body is what it was")
        must(a.conn.message().start == "MSRP betray1 200 OK", "answered")
        pair.bye()


def range_lies(w):
    """UP-32: impossible ranges are 400, and so is more than the whole was to be; the bytes that come are what counts."""
    with Pair(w) as pair:
        a = pair.a
        for i, lie in enumerate(("0-4/5", "6-6/5", "9223372036854775808-*/*", "1-9223372036854775808/*", "1-5/9223372036854775808",
                                 "1-5/99999999999999999999999", "5-3/5", "1-5", "-1-5/5", "a-b/c", "1-5/5/5", "*-5/5", "0-", "1-5/-1")):
            a.conn.send(send(f"lie{i}", a.theirs, a.mine, b"12345", byte_range=lie))
            m = a.conn.message()
            must(m.start.startswith(f"MSRP lie{i} 400"), f"{lie}: {m.start}")
        pair.b.conn.quiet()
        a.conn.send(send("huge", a.theirs, a.mine, b"12345", byte_range="1-5/9223372036854775807"))
        must(a.conn.message().start.startswith("MSRP huge 413"), "a total of 2^63-1: 413")
        failed = w.metric("parley_msrp_failed")
        for i, lie in enumerate(("1-10/4", "1-*/9", "1-4/4")):  # more than the whole message has
            a.conn.send(send(f"more{i}", a.theirs, a.mine, b"0123456789", byte_range=lie))
            must(a.conn.message().start.startswith(f"MSRP more{i} 400"), f"{lie}: outgrew its size")
        must(w.metric("parley_msrp_failed") == failed + 3, "what outgrew its size is counted")
        for i, lie in enumerate(("1-3/10", "1-*/*", "1-3/*")):
            got, _, m = pair.relay(f"few{i}", b"0123456789", byte_range=lie)
            must(got == b"0123456789" and m.start == f"MSRP few{i} 200 OK", f"{lie}: {got} {m.start}")
        pair.bye()


def thieves(w):
    """UP-24: another one's session is 506, no session 481, and nothing of it comes."""
    other = w.path.replace("127.81.0.1", "127.81.0.7")
    near_miss = re.sub(r"/(\w)", lambda m: "/" + ("b" if m[1] == "a" else "a"), w.path[7:])
    peers, refused = [], w.metric("parley_msrp_refused")
    for path, code in ((w.path, 506), (other, 481), ("msrp://" + near_miss, 481), ("msrp://127.0.0.1:1/nobody;tcp", 481)):
        for text in (send("steal1", path, w.peer), send("steal1", path, w.peer, b"hand it over"),
                     send("steal1", path, path, b"hand it over")):
            p = Peer(w.msrp)
            p.send(text)
            peers.append(p)
            got = p.closed()
            must(got.startswith(b"MSRP steal1 %d " % code) and got.count(b"MSRP ") == 1, f"{path}: {got}")
        p = Peer(w.msrp)
        p.send(head("steal2", "REPORT", path, w.peer, "Message-ID: 1", "Byte-Range: 1-5/5", "Status: 000 413") + "-------steal2$\r\n")
        peers.append(p)
        must(p.closed() == b"", f"a REPORT is never answered: {p.got}")
    must(w.metric("parley_msrp_refused") == refused + len(peers), "each of them is counted")
    with Pair(w) as pair:  # one who has a session of its own
        a = pair.a
        a.conn.send(send("steal3", w.path, a.mine, b"mine now"))
        must(a.conn.message().start.startswith("MSRP steal3 506"), "506 on a connection that has a session")
        a.conn.send(send("steal4", pair.b.theirs, a.mine, b"mine now"))
        must(a.conn.message().start.startswith("MSRP steal4 506"), "506 for the other end of one's own session")
        got, _, m = pair.relay("own1", b"still mine")
        must(got == b"still mine" and m.start == "MSRP own1 200 OK", "its own session goes on")
        w.through()
        a.conn.quiet()
        pair.bye()
    for p in peers:
        p.close()


def too_large(w):
    """UP-32, UP-36: 413, or 400 where it said its size, as soon as it is known, an abort to who has a part of it, and later chunks go nowhere."""
    with Pair(w) as pair:
        a = pair.a
        a.conn.send(send("big1", a.theirs, a.mine, b"12345", byte_range=f"1-5/{LIMIT + 1}"))
        must(a.conn.message().start.startswith("MSRP big1 413"), "a total beyond the limit")
        for tid, code, announced in (("big2", 413, "*"), ("big3", 400, "4000")):
            a.conn.send(send(tid, a.theirs, a.mine, b"z" * 3000, "+", f"1-*/{announced}"))
            must(len(pair.take().body) == 3000, "it begins well")
            must(a.conn.message().start == f"MSRP {tid} 200 OK", "so far")
            a.conn.send(send(f"{tid}-1", a.theirs, a.mine, b"z" * (LIMIT + 50_000), "+", f"3001-*/{announced}", message_id=tid))
            n, flag = 0, "+"
            while flag == "+":
                m = pair.take()
                must(m.head["Message-ID"] == tid, "nothing of what was refused")
                n, flag = n + len(m.body), m.flag
            must(flag == "#" and 3000 + n <= (LIMIT if announced == "*" else 4000), f"{n} bytes more went on, then {flag}")
            must(a.conn.message().start.startswith(f"MSRP {tid}-1 {code}"), "told")
            a.conn.send(send(f"{tid}-2", a.theirs, a.mine, b"and more", byte_range="11-18/*", message_id=tid))
            must(a.conn.message().start.startswith(f"MSRP {tid}-2 {code}"), "and what follows is told the same")
        got, _, m = pair.relay("small1", b"fits")
        must(got == b"fits" and m.start == "MSRP small1 200 OK", "the next message goes through")
        pair.bye()


def broken(w):
    """UP-20: sync is lost: 400 where it can be said to somebody, then closed."""
    begin = head("lost1", "SEND", w.path, w.peer)
    for what, text, told in (
            ("a header line without end", begin + "X-Long: " + "l" * 200_000, True),
            ("65 headers", begin + "".join(f"X-{i}: 1\r\n" for i in range(65)) + "\r\n", True),
            ("a start line without end", "MSRP " + "s" * 100_000, False),
            ("NUL bytes", b"\0" * 10_000, False),
            ("NUL in the transaction id", b"MSRP a\0b1 SEND\r\n\r\n", False),
            ("a storm of CRLF", "\r\n" * 100_000, False),
            ("a storm of LF", "\n" * 100_000, False),
            ("a bare LF", begin + "X: 1\n\n", True),
            ("a bare CR", begin + "X: 1\r1\r\n\r\n", True),
            ("another one's end-line", begin + "-------other1$\r\n", True),
            ("an end-line with no flag", begin + "-------lost1\r\n", True),
            ("no To-Path", f"MSRP lost1 SEND\r\nFrom-Path: {w.path}\r\n\r\n", False),
            ("no From-Path", f"MSRP lost1 SEND\r\nTo-Path: {w.path}\r\n\r\n", False),
            ("an id too short", "MSRP abc SEND\r\n", False),
            ("an id too long", f"MSRP {'a' * 33} SEND\r\n", False),
            ("HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", False),
            ("SIP", "OPTIONS sip:x SIP/2.0\r\n\r\n", False),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), False)):
        p = Peer(w.msrp)
        with contextlib.suppress(ConnectionError):  # closed before all of it was read
            p.send(text)
        # What was not read makes the closing a reset, and that may overtake the answer.
        got = p.closed()
        p.close()
        must(got == b"" or (told and got.startswith(b"MSRP lost1 400 ")), f"{what}: {got}")
        must(got or not told or len(text) > 10_000, f"{what}: not told")


def broken_amid(w):
    """Sync lost in a session: its peer is told the truth, and the session ends when nobody comes back."""
    with Pair(w) as pair:
        a = pair.a
        a.conn.send(send("amid1", a.theirs, a.mine, b"h" * 3000, byte_range="1-*/9000", flag="+") + b"NOT MSRP\r\n")
        m = pair.take()
        must(m.body == b"h" * 3000 and m.flag == "+", f"what came before went on: {m.flag}")
        a.conn.closed()
        pair.over(a, pair.b)


def by_tls(w):
    """UP-16, UP-11: no handshake, half of one, one and then silence or a trickle: closed and counted; what is another one's without
    TLS is not to be had with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    late, refused = w.metric("parley_msrp_unbound"), w.metric("parley_msrp_refused")
    silent = [Peer(w.msrps, f"127.81.9.{i + 1}") for i in range(20)]
    for i, p in enumerate(silent):
        if i % 4 == 1:
            p.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100))
        elif i % 4 > 1:
            p.s = context.wrap_socket(p.s)
        if i % 4 == 3:
            p.send(head("slow1234", "SEND", w.path, w.peer)[:-2])
    w.through()
    for p in silent:
        must(p.closed() == b"", f"a silent one was told {p.got}")
        p.close()
    must(w.metric("parley_msrp_unbound") == late + 20, "the silent ones are counted")
    for path in (w.path, w.path.replace("msrp:", "msrps:"), w.path.replace(str(w.msrp[1]), str(w.msrps[1])).replace("msrp:", "msrps:")):
        p = Peer(w.msrps)
        p.s = context.wrap_socket(p.s)
        p.send(send("steal5", path, w.peer, b"hand it over"))
        got = p.closed()
        must(got.startswith(b"MSRP steal5 481 ") and got.count(b"MSRP ") == 1, f"{path}: {got}")
        p.close()
    must(w.metric("parley_msrp_refused") == refused + 3, "and those who were refused")


WORDS = (b"", b"MSRP unbound1 SEND\r\nTo-Path: msrp://127.0", b"MSRP unbound1 200 OK\r\n", b"M",
         b"MSRP unbound2 200 OK\r\nTo-Path: msrp://a:1/b;tcp\r\nFrom-Path: msrp://a:1/c;tcp\r\n-------unbound2$\r\n")


def wave(w, first, n):
    """n connections at once that say little or nothing; closed by the server every one."""
    poll, peers = select.poll(), {}
    try:
        for i in range(n):
            source = (first + i) // UNBOUND_MAX
            s = socket.socket()
            s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            s.settimeout(BOUND)
            s.bind((f"127.{82 + source // 62500}.{source // 250 % 250}.{source % 250 + 1}", 0))
            s.connect(w.msrp)
            peers[s.fileno()] = s
            poll.register(s, select.POLLIN)
            with contextlib.suppress(ConnectionError):
                s.send(WORDS[i % len(WORDS)])
        w.through()
        end = time.monotonic() + BOUND
        while peers:
            must(time.monotonic() < end, f"{len(peers)} of {n} that never bound are still open")
            for fd, _ in poll.poll(1000):
                with contextlib.suppress(ConnectionError):
                    must(peers[fd].recv(100) == b"", "who never bound was told something")
                poll.unregister(fd)
                peers.pop(fd).close()
    finally:
        for s in peers.values():
            s.close()


def never_bind(w, total, at_once):
    opened, late = w.metric("parley_net_msrp_connections_opened"), w.metric("parley_msrp_unbound")
    before = w.resident()
    for first in range(0, total, at_once):
        wave(w, first, min(at_once, total - first))
    now = w.metric("parley_net_msrp_connections_opened")
    must(w.metric("parley_msrp_unbound") - late == total, "those closed for their silence are counted")
    must(now - opened == total, f"{total} connections, {now - opened} counted")
    grown = w.resident() - before
    must(grown < w.grows + total * 64, f"{grown} bytes more memory after {total} connections")


def one_source(w):
    """UP-51: from one address, no more than a hundred that are not bound."""
    before = w.metric("parley_over_limit")
    peers = [Peer(w.msrp, "127.81.8.1") for _ in range(2 * UNBOUND_MAX)]
    wait_for("those beyond the limit to be closed", lambda: len(select.select([p.s for p in peers], [], [], 0)[0]) >= UNBOUND_MAX)
    must(w.metric("parley_over_limit") == before + UNBOUND_MAX, "who was turned away is counted")
    neighbour = Peer(w.msrp, "127.81.8.2")
    neighbour.send(send("next1", "msrp://127.0.0.1:1/nobody;tcp", w.peer))
    must(b"MSRP next1 481 " in neighbour.closed(), "another address is heard")
    for p in peers:
        must(p.closed() == b"", "a word to who said nothing")
        p.close()
    neighbour.close()


def play(w, options):
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    at_once = max(UNBOUND_MAX, soft - 600)
    attacks = [slow_loris, never_reads, reads_no_answers, false_answers, ids_in_bodies, range_lies, thieves, too_large, broken,
               broken_amid, by_tls, one_source, lambda x: never_bind(x, options.connections, at_once)]
    names = [f.__name__.replace("_", " ") for f in attacks[:-1]] + [f"{options.connections} that never bind"]
    bad = n = 0

    def run(name, fn):
        nonlocal bad, n
        n += 1
        try:
            fn()
            print(f"ok {n} - {name}", flush=True)
        except (Wrong, OSError, subprocess.TimeoutExpired) as e:
            bad += 1
            print(f"not ok {n} - {name}\n# " + f"{type(e).__name__}: {e}".replace("\n", "\n# "), flush=True)

    for name, attack in zip(names, attacks):
        def one():
            attack(w)
            w.through()
            w.left(1, 2, 2)
        if options.only in name:
            run(name, one)

    def over():
        w.near.do("bye\nexpect 200")
        w.far.do("expect bye")
        w.near.end()
        w.far.end()
        w.left(0, 0, 0)
        must(options.only or w.metric("parley_msrp_refused") > 0, "what was refused is counted")

    def stopped():
        w.p.send_signal(signal.SIGTERM)
        must(w.p.wait(BOUND) == 0, f"SIGTERM: {w.p.returncode}")
        must("runtime error" not in w.said() and "Sanitizer" not in w.said(), "a sanitizer has something to say")
    run("the ordinary session ends, and nothing is left", over)
    run("SIGTERM: status 0", stopped)
    print(f"1..{n}")
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parleyd")
    parser.add_argument("ua")
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--only", default="", help="what has this in its name")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends too
    with tempfile.TemporaryDirectory(prefix="parley-hostile.") as folder:
        try:
            w = World(options.parleyd, folder)
            w.ordinary(options.ua, folder)
            bad = play(w, options)
            if bad:
                print("# " + w.said()[-5000:].replace("\n", "\n# "))
        finally:
            for p in started:
                if p.poll() is None:
                    p.kill()
                    p.wait()
    sys.exit(bool(bad))


main()
