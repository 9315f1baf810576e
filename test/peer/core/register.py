#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""register.py CORE-HOST CORE-PORT [AOR CONTACT]...: registers each contact for its address of record over UDP; fails unless each gets 200."""
import socket
import sys

host, port, bindings = sys.argv[1], int(sys.argv[2]), list(zip(sys.argv[3::2], sys.argv[4::2]))
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as s:
    s.bind((host, 0))
    s.settimeout(5)
    mine = f"[{host}]:{s.getsockname()[1]}" if ":" in host else f"{host}:{s.getsockname()[1]}"
    for n, (aor, contact) in enumerate(bindings):
        request = (
            f"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {mine};branch=z9hG4bK-{n}-{s.getsockname()[1]}\r\n"
            f"Max-Forwards: 70\r\nFrom: <{aor}>;tag=r{n}\r\nTo: <{aor}>\r\nCall-ID: {n}-{contact}\r\n"
            f"CSeq: 1 REGISTER\r\nContact: <{contact}>\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
        )
        s.sendto(request.encode(), (host, port))
        answer = s.recv(65536).decode()
        if not answer.startswith("SIP/2.0 200 "):
            sys.exit(f"{contact}: {answer.splitlines()[0]}")
