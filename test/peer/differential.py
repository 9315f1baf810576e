#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same dialogs through parleyd and through a proxy; what differs must be known.

A dialog is generated from the seed as data: who sends what, with which headers and body, and how the other side answers.
It is played through each device in turn by two endpoints with sockets of their own, which note all that reaches them.
What a transparent proxy and an anchoring back-to-back user agent share is then compared: which messages arrive at each
end, in which order, status and reason, each header that is not of one leg, byte for byte, and bodies.  Every difference
must fall under a rule of RULES (doc/differential.md says why it is so); one that does not fails the test, and so does a
rule, in a run long enough, that nothing falls under.

What is hard: neither end may wait by the clock.  A step is over when the message it must lead to is there; only the end of a
dialog waits a moment for what should not come.

    differential.py --parley HOST:PORT --proxy HOST:PORT [--seed N] [--dialogs N] [--only N] [-v]
"""
import argparse
import concurrent.futures
import difflib
import os
import random
import re
import select
import socket
import sys
import time

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'doc', 'differential.md')
ANSWER_S = 30.0  # longest wait for what must come
QUIET_S = 0.15  # for what must not, at the end of a dialog

COMPACT = {'a': 'accept-contact', 'b': 'referred-by', 'c': 'content-type', 'd': 'request-disposition',
           'e': 'content-encoding', 'f': 'from', 'i': 'call-id', 'j': 'reject-contact', 'k': 'supported',
           'l': 'content-length', 'm': 'contact', 'o': 'event', 'r': 'refer-to', 's': 'subject', 't': 'to',
           'u': 'allow-events', 'v': 'via', 'x': 'session-expires'}
# Of one leg by their nature: not compared at all.
LEG_LOCAL = {'via', 'record-route', 'route', 'call-id', 'cseq', 'max-forwards', 'content-length'}


# ---- messages ----

class Message:
    """One that arrived: start line, headers in order with their names spelled out, body."""

    def __init__(self, data):
        head, _, body = data.partition(b'\r\n\r\n')
        lines = re.sub(rb'\r\n[ \t]+', b' ', head).split(b'\r\n')
        self.start = lines[0].decode('utf-8', 'surrogateescape')
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.decode('utf-8', 'surrogateescape').partition(':')
            name = name.strip().lower()
            self.headers.append((COMPACT.get(name, name), value.strip()))
        self.body = body
        self.status = int(self.start.split()[1]) if self.start.startswith('SIP/2.0 ') else 0
        number, self.method = self.get('cseq').split()
        self.cseq = int(number)
        if not self.status:
            self.method = self.start.split()[0]

    def get(self, name):
        return next((v for n, v in self.headers if n == name), '')

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    def label(self):
        if self.status:
            return self.method + ' ' + self.start[8:]
        return self.method

    def branch(self):
        m = re.search(r';branch=([^;,\s]+)', self.get('via'))
        return m.group(1) if m else ''


def uri_of(value):
    m = re.search(r'<([^>]*)>', value)
    return m.group(1) if m else value.split(';')[0].strip()


def tag_of(value):
    m = re.search(r';\s*tag=([^;\s]+)', value)
    return m.group(1) if m else ''


class End:
    """One endpoint in one dialog."""

    def __init__(self, name, user, device, sock):
        self.name, self.user, self.device, self.sock = name, user, device, sock
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.contact = f'<sip:{user}@127.0.0.1:{self.port}>;+g.oma.sip-im'
        self.tag = f'{name}tag'
        self.seen = []      # what arrived, repeats aside
        self.known = set()
        self.inbox = []     # of it, what no step has taken yet
        self.local = self.remote = self.call_id = self.target = ''
        self.routes = []
        self.cseq = 0
        self.branches = 0
        self.peer = device

    def send(self, start, headers, body, to=None):
        lines = [start] + [f'{n}: {v}' if not n.endswith(':') else n + v for n, v in headers]
        lines.append(f'Content-Length: {len(body)}')
        data = '\r\n'.join(lines).encode('utf-8', 'surrogateescape') + b'\r\n\r\n' + body
        self.sock.sendto(data, to or self.peer)

    def receive(self):
        while True:
            try:
                data, source = self.sock.recvfrom(65536)
            except BlockingIOError:
                return
            m = Message(data)
            m.source = source
            key = (m.start.split()[0] if not m.status else m.status, m.method, m.cseq, m.branch())
            if m.status == 100:
                continue  # of one hop
            if key in self.known:
                continue
            self.known.add(key)
            self.seen.append(m)
            self.inbox.append(m)

    def new_branch(self):
        self.branches += 1
        return f'z9hG4bK{self.name}{self.port}x{self.branches}x{self.call_id[:8]}'

    def request(self, method, headers, body, contact=True, cseq=None, branch=None, initial=None):
        """Sends it; returns (cseq, branch)."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        branch = branch or self.new_branch()
        lines = [('Via', f'SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch}'), ('Max-Forwards', '70')]
        lines += [('Route', r) for r in self.routes]
        lines += [('From', self.local), ('To', self.remote), ('Call-ID', self.call_id), ('CSeq', f'{cseq} {method}')]
        if contact:
            lines += [('Contact', self.contact), ALLOW]
        self.send(f'{method} {initial or self.target} SIP/2.0', lines + headers, body)
        return cseq, branch

    def ack(self, final, cseq, branch, target=None):
        success = final.status < 300
        headers = [('Via', f'SIP/2.0/UDP 127.0.0.1:{self.port};branch={self.new_branch() if success else branch}'),
                   ('Max-Forwards', '70')]
        headers += [('Route', r) for r in self.routes]
        headers += [('From', self.local), ('To', final.get('to')), ('Call-ID', self.call_id), ('CSeq', f'{cseq} ACK')]
        self.send(f'ACK {target or self.target} SIP/2.0', headers, b'')

    def answer(self, req, status, reason, headers=(), body=b'', contact=False):
        to = req.get('to')
        if not tag_of(to):
            to += f';tag={self.tag}'
        lines = [('Via', v) for v in req.all('via')]
        lines += [('Record-Route', v) for v in req.all('record-route')]
        lines += [('From', req.get('from')), ('To', to), ('Call-ID', req.get('call-id')), ('CSeq', req.get('cseq'))]
        if contact:
            lines += [('Contact', self.contact), ALLOW]
        self.send(f'SIP/2.0 {status} {reason}', lines + list(headers), body, req.source)

    def learn_called(self, req):
        """The dialog as the side that was called sees it."""
        self.local, self.remote = req.get('to') + f';tag={self.tag}', req.get('from')
        self.call_id, self.target = req.get('call-id'), uri_of(req.get('contact'))
        self.routes = [r.strip() for v in req.all('record-route') for r in v.split(',')]

    def learn_calling(self, final):
        self.remote, self.target = final.get('to'), uri_of(final.get('contact'))
        self.routes = [r.strip() for v in final.all('record-route') for r in v.split(',')][::-1]


# ---- the generator ----

LONG = ('every good boy deserves fudge, ' * 40)[:900]

ALLOW = ('Allow', 'INVITE, ACK, BYE, CANCEL, UPDATE, MESSAGE, INFO, OPTIONS, X-ODD')
ODD = [  # (name, value); a name that ends in a colon is written as it stands
    ('X-Plain', 'one'), ('X-Many', 'a, b,c ,d'), ('X-Long', LONG), ('X-Empty', ''), ('X-Utf8', 'grüße, 世界'),
    ('X-Quoted', '"a, b;c" <sip:q@example.com>;p="x,y"'), ('x-LOWER-upper', 'Case Kept'),
    ('X-Folded', 'first\r\n second\r\n\tthird'), ('X-Blank : ', 'before the colon'), ('X-Tight:', 'no blank'),
    ('s', 'compact subject'), ('Subject', 'spelled out'), ('SUBJECT', 'shouted'), ('Organization', 'Example, Inc.'),
    ('Priority', 'non-urgent'), ('Date', 'Mon, 23 Nov 2026 18:00:00 GMT'), ('In-Reply-To', 'abc@example.com'),
    ('Reply-To', '"Alice" <sip:alice@example.com>'), ('Accept-Language', 'da, en-gb;q=0.8'),
    ('Call-Info', '<http://example.com/a.png>;purpose=icon'), ('Alert-Info', '<http://example.com/b.wav>'),
    ('Conversation-ID', 'f81d4fae-7dec'), ('Contribution-ID', 'abcdef0123'), ('InReplyTo-Contribution-ID', '0123'),
    ('Session-ID', 'ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000'),
    ('History-Info', '<sip:bob@example.net>;index=1, <sip:bob@cf.example.net>;index=1.1'),
    ('Geolocation', '<cid:target123@example.com>'), ('User-Agent', 'IM-client/OMA1.0 Odd/1.0 (a; b)'),
    ('b', '<sip:carol@example.com>'), ('Reject-Contact', '*;actor="msg-taker"'),
    ('P-Asserted-Service', 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session'),
    ('P-Charging-Vector', 'icid-value=1234bc9876e'), ('P-Access-Network-Info', '3GPP-UTRAN-TDD; utran-cell-id-3gpp=2'),
    ('Privacy', 'none'), ('Resource-Priority', 'wps.3'), ('Message-Expires', '600'), ('X-Tabs', 'a\tb  c'),
    ('Timestamp', '54.2'), ('P-Preferred-Service', 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session'),
    ('P-Preferred-Identity', '<sip:alice@example.com>'), ('Supported', 'x-odd, norefersub'),
    ('Identity', '"c2ln"'),
]
ODD_ANSWER = [
    ('X-Answer', 'two'), ('X-Many', '1'), ('X-Many', '2, 3'), ('Warning', '399 cf.example.net "odd, \\"quoted\\""'),
    ('Server', 'IM-serv/OMA1.0 Odd/2'), ('Retry-After', '18;duration=3600'), ('Organization', 'Far; Away'),
    ('Error-Info', '<sip:sorry@example.net>'), ('Reason', 'Q.850;cause=16;text="done"'), ('X-Long', LONG),
    ('X-Folded', 'a\r\n b'), ('Date', 'Mon, 23 Nov 2026 18:00:01 GMT'), ('Accept-Language', 'en'),
    ('P-Asserted-Identity', '<sip:bob@example.net>'), ('Session-ID', '00000000000000000000000000000001'),
    ('Unsupported', 'x-nothing'), ('Call-Info', '<http://example.net/c.png>;purpose=icon'),
    ('Supported', 'x-far'),
]
REASONS = {403: 'Forbidden', 480: 'Temporarily Unavailable', 486: 'Busy Here', 488: 'Not Acceptable Here',
           491: 'Request Pending', 500: 'Server Internal Error', 503: 'Service Unavailable', 600: 'Busy Everywhere',
           603: 'Decline', 606: 'Not Acceptable', 415: 'Unsupported Media Type', 433: 'Anonymity Disallowed',
           481: 'Call/Transaction Does Not Exist', 400: 'Bad Request'}


class Generator:
    def __init__(self, seed, number):
        self.r = random.Random(seed * 1000003 + number)
        self.version = 0

    def pick(self, pool, most):
        chosen = self.r.sample(pool, self.r.randint(0, most))
        # A header with one value per message comes once.
        once, out = set(), []
        for name, value in chosen:
            key = COMPACT.get(name.lower(), name.lower())
            if key in once and not key.startswith('x-many'):
                continue
            once.add(key)
            out.append((name, value))
        return out

    def headers(self):
        return self.pick(ODD, 7)

    def answer_headers(self):
        return self.pick(ODD_ANSWER, 5)

    def sdp(self, offer):
        """A description; @ stands for what the endpoint fills in."""
        self.version += 1
        r = self.r
        lines = ['v=0', f'o=- 42 {self.version} IN IP4 127.0.0.1', r.choice(['s=-', 's=a talk']), 'c=IN IP4 127.0.0.1',
                 't=0 0']
        if r.random() < 0.2:
            lines.append('a=tool:odd')
        lines.append('m=message @PORT@ TCP/MSRP *')
        if r.random() < 0.2:
            lines.append('i=the talk')
        lines.append('a=accept-types:' + r.choice(['text/plain', 'message/cpim text/plain', '*', 'text/plain image/jpeg']))
        if r.random() < 0.3:
            lines.append('a=accept-wrapped-types:text/plain *')
        lines.append('a=path:msrp://127.0.0.1:@PORT@/@SESSION@;tcp')
        lines.append('a=setup:' + ('actpass' if offer else 'passive'))
        if r.random() < 0.3:
            lines.append('a=x-unknown:kept')
        if r.random() < 0.3:
            lines.append(r.choice(['a=sendrecv', 'a=sendonly', 'a=recvonly', 'a=inactive']))
        return '\r\n'.join(lines) + '\r\n'

    def offer_body(self):
        """(headers, body) with a description, alone or among other parts."""
        sdp = self.sdp(True)
        if self.r.random() < 0.15:
            mark = 'odd-boundary'
            body = (f'--{mark}\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--{mark}\r\n'
                    'Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n'
                    f'Content-ID: <one@example.com>\r\n\r\nfirst words\r\n--{mark}--\r\n')
            return [('Content-Type', f'multipart/mixed;boundary="{mark}"')], body
        name = self.r.choice(['Content-Type', 'c', 'content-TYPE'])
        return [(name, 'application/sdp')], sdp

    def other_body(self):
        r = self.r
        kind = r.randint(0, 3)
        if kind == 0:
            return [], ''
        if kind == 1:
            return [('Content-Type', 'text/plain;charset=utf-8')], 'grüße\r\n\r\n.\r\n'
        if kind == 2:
            return [('c', 'application/x-odd'), ('Content-Disposition', 'render;handling=optional')], ''.join(
                chr(r.randint(0, 255)) for _ in range(r.randint(1, 300)))
        return [('Content-Type', 'message/cpim'), ('Content-Language', 'de')], 'From: <sip:a@b>\r\n\r\nContent-Type: text/plain\r\n\r\nx'

    def step(self):
        r = self.r
        kind = r.choice(['INVITE', 'INVITE', 'UPDATE', 'UPDATE', 'INFO', 'MESSAGE', 'OPTIONS', 'CANCEL'])
        s = {'kind': kind, 'near': r.random() < 0.6, 'headers': self.headers(), 'provisional': [],
             'answer_headers': self.answer_headers(), 'answer_content': [], 'answer_body': ''}
        if kind in ('INVITE', 'UPDATE', 'CANCEL'):
            s['content'], s['body'] = self.offer_body()
            codes = [200] * 6 + [488, 491, 500, 503, 603, 606, 415, 433, 403, 486, 480]
        else:
            s['content'], s['body'] = self.other_body()
            codes = [200] * 4 + [403, 415, 500, 488, 603, 400]
            if r.random() < 0.3:
                s['answer_content'], s['answer_body'] = self.other_body()
        s['status'] = r.choice(codes)
        if kind == 'INVITE' and r.random() < 0.3:
            s['provisional'] = [(180, 'Ringing', self.answer_headers())]
        s['reason'] = self.reason(s['status'])
        if s['status'] == 200 and kind in ('INVITE', 'UPDATE'):
            s['answer_content'], s['answer_body'] = [('Content-Type', 'application/sdp')], self.sdp(False)
        if kind == 'CANCEL':
            s['status'], s['reason'], s['cancel_headers'] = 487, 'Request Terminated', []
            if r.random() < 0.5:
                s['cancel_headers'] = [('Reason', 'SIP;cause=487;text="changed my mind"')]
        return s

    def reason(self, status):
        if self.r.random() < 0.2:
            return 'Odd, but said'
        return REASONS.get(status, 'OK')

    def dialog(self):
        r = self.r
        setup = {'kind': 'INVITE', 'near': True, 'headers': self.headers(), 'answer_headers': self.answer_headers(),
                 'provisional': [], 'answer_content': [], 'answer_body': ''}
        setup['content'], setup['body'] = self.offer_body()
        outcome = r.random()
        if r.random() < 0.6:
            setup['provisional'] = [(r.choice([180, 183, 182]), r.choice(['Ringing', 'Odd']), self.answer_headers())]
        if outcome < 0.1:
            setup['status'] = r.choice([403, 480, 486, 488, 500, 600, 603, 606, 433, 415])
        elif outcome < 0.17:
            setup['kind'], setup['status'] = 'CANCEL', 487
            setup['cancel_headers'] = r.choice([[], [('Reason', 'SIP;cause=487;text="gone"')]])
        else:
            setup['status'] = 200
            setup['answer_content'], setup['answer_body'] = [('Content-Type', 'application/sdp')], self.sdp(False)
        setup['reason'] = self.reason(setup['status'])
        steps = [setup]
        if setup['status'] == 200:
            steps += [self.step() for _ in range(r.randint(0, 5))]
            steps.append({'kind': 'BYE', 'near': r.random() < 0.5, 'headers': r.choice(
                [[], [('Reason', 'SIP;cause=200;text="done"'), ('X-Bye', 'yes')], self.headers()]),
                'content': [], 'body': '', 'status': 200, 'reason': 'OK', 'answer_headers': self.answer_headers(),
                'provisional': [], 'answer_content': [], 'answer_body': ''})
        return steps


# ---- playing ----

class Stuck(Exception):
    pass


class Play:
    def __init__(self, device, number, steps):
        self.steps, self.number = steps, number
        socks = []
        for _ in range(2):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            s.bind(('127.0.0.1', 0))
            socks.append(s)
        self.near, self.far = End('near', 'alice', device, socks[0]), End('far', 'bob', device, socks[1])
        self.near.call_id = f'{random.getrandbits(64):016x}@near'
        self.near.local = '"Alice, A." <sip:alice@example.com>;tag=neartag'
        self.near.remote = '<sip:bob@cf.example.net>'
        self.stuck = ''

    def wait(self, end, wanted, what):
        """The first message in end's inbox that is wanted; those before it stay."""
        until = time.monotonic() + ANSWER_S
        while True:
            for e in (self.near, self.far):
                e.receive()
            for m in end.inbox:
                if wanted(m):
                    end.inbox.remove(m)
                    return m
            left = until - time.monotonic()
            if left <= 0:
                raise Stuck(f'{end.name} waited for {what}')
            select.select([self.near.sock, self.far.sock], [], [], left)

    def arrival(self, a, b, method, refusal):
        """The request that a sent, at b; None: a has its final answer already."""
        until = time.monotonic() + ANSWER_S
        while time.monotonic() < until:
            a.receive(), b.receive()
            req = next((m for m in b.inbox if not m.status and m.method == method), None)
            if req:
                b.inbox.remove(req)
                return req
            if any(refusal(m) for m in a.inbox):
                return None
            select.select([a.sock, b.sock], [], [], 0.5)
        raise Stuck(f'{b.name} waited for {method}')

    def fill(self, end, text):
        port = str(2000 + (1 if end is self.near else 2))
        session = f'{end.name}{self.number:06d}0123456789'
        return text.replace('@PORT@', port).replace('@SESSION@', session).encode('utf-8', 'surrogateescape')

    def exchange(self, s, first):
        a, b = (self.near, self.far) if s['near'] else (self.far, self.near)
        method = 'INVITE' if s['kind'] == 'CANCEL' else s['kind']
        headers, target = s['headers'] + s['content'], None
        if first:
            target = f'sip:bob@127.0.0.1:{b.port}'
            headers = [('Accept-Contact', '*;+g.oma.sip-im;require;explicit'),
                       ('P-Asserted-Identity', '<sip:alice@example.com>')] + headers
        contact = method in ('INVITE', 'UPDATE', 'OPTIONS')
        cseq, branch = a.request(method, headers, self.fill(a, s['body']), contact, initial=target)
        mine = lambda m: m.status >= 200 and m.cseq == cseq and m.method == method
        req = self.arrival(a, b, method, mine)
        if req is None:  # the device itself refused
            if method == 'INVITE':
                a.ack(self.wait(a, mine, 'final'), cseq, branch, target)
            else:
                self.wait(a, mine, 'final')
            return
        if first:
            b.learn_called(req)
        for status, reason, extra in s['provisional'] or ([(180, 'Ringing', [])] if s['kind'] == 'CANCEL' else []):
            b.answer(req, status, reason, extra, contact=True)
            self.wait(a, lambda m: m.status == status and m.cseq == cseq, f'{status}')
        if s['kind'] == 'CANCEL':
            a.request('CANCEL', s['cancel_headers'], b'', False, cseq, branch, target)
            self.wait(a, lambda m: m.status == 200 and m.method == 'CANCEL', '200 to CANCEL')
            cancel = self.wait(b, lambda m: not m.status and m.method == 'CANCEL', 'CANCEL')
            b.answer(cancel, 200, 'OK')
        b.answer(req, s['status'], s['reason'], s['answer_headers'] + s['answer_content'],
                 self.fill(b, s['answer_body']), contact=s['status'] < 300 and contact)
        final = self.wait(a, mine, f'final to {method}')
        if first and final.status < 300:
            a.learn_calling(final)
        if method == 'INVITE':
            a.ack(final, cseq, branch, target if final.status >= 300 else None)
            self.wait(b, lambda m: not m.status and m.method == 'ACK' and m.cseq == req.cseq, 'ACK')

    def run(self):
        try:
            for i, s in enumerate(self.steps):
                self.exchange(s, i == 0)
        except Stuck as e:
            self.stuck = str(e)
        until = time.monotonic() + QUIET_S
        while (left := until - time.monotonic()) > 0:
            select.select([self.near.sock, self.far.sock], [], [], left)
            for e in (self.near, self.far):
                e.receive()
        for e in (self.near, self.far):
            e.sock.close()
        return self


# ---- comparing ----

def sdp_common(body):
    """What both kinds of device must leave alone: not the address, the MSRP end, or the description's own name."""
    out = []
    for line in body.split('\r\n'):
        if line.startswith('m='):
            line = re.sub(r'^m=(\S+) \d+', r'm=\1 @', line)
        out.append(line)
    return out


def parts_of(m):
    """The body as [(kind, text)]; a description is of kind sdp."""
    body, kind = m.body.decode('utf-8', 'surrogateescape'), m.get('content-type').lower()
    if kind.startswith('application/sdp'):
        return [('sdp', body)]
    mark = re.search(r'boundary="?([^";]+)', m.get('content-type'))
    if not kind.startswith('multipart/') or not mark:
        return [('body', body)] if body else []
    out = []
    for part in body.split('--' + mark.group(1))[1:-1]:
        head, _, text = part.strip('\r\n').partition('\r\n\r\n')
        out.append(('head', head))
        out.append(('sdp' if 'application/sdp' in head.lower() else 'body', text.rstrip('\r\n')))
    return out


def header_view(m):
    """name -> values, leg-local things taken out."""
    out = {}
    for name, value in m.headers:
        if name in LEG_LOCAL:
            continue
        if name in ('from', 'to'):
            value = re.sub(r';\s*tag=[^;\s]+', '', value)
        if name == 'contact':
            value = re.sub(r'^.*?>', '', value)
        out.setdefault(name, []).append(value)
    return out


class Difference:
    def __init__(self, where, m, what, proxy, parley):
        self.where, self.m, self.what, self.proxy, self.parley = where, m, what, proxy, parley
        self.label = m.label() if m else ''

    def __str__(self):
        return f'{self.where}: {self.label}: {self.what}: proxy {self.proxy!r}, parley {self.parley!r}'


def differences(where, proxy, parley, stuck):
    out = []
    labels = [[m.label() for m in seen] for seen in (proxy, parley)]
    pairs = []
    for op, i1, i2, j1, j2 in difflib.SequenceMatcher(a=labels[0], b=labels[1], autojunk=False).get_opcodes():
        if op == 'replace' and i2 - i1 == j2 - j1:  # as many, but others: what do they have in common?
            for m, n in zip(proxy[i1:i2], parley[j1:j2]):
                out.append(Difference(where, m, 'message', m.label(), n.label()))
                if not explain(out[-1]):  # else each device made its own
                    pairs.append((m, n))
        elif op == 'equal':
            pairs += zip(proxy[i1:i2], parley[j1:j2])
        else:
            out += [Difference(where, m, 'message', m.label(), None) for m in proxy[i1:i2]]
            out += [Difference(where, m, 'message', None, m.label()) for m in parley[j1:j2]]
    for a, b in pairs:
        va, vb = header_view(a), header_view(b)
        for name in sorted(set(va) | set(vb)):
            if va.get(name) != vb.get(name):
                out.append(Difference(where, a, name, va.get(name), vb.get(name)))
        pa, pb = parts_of(a), parts_of(b)
        if [k for k, _ in pa] != [k for k, _ in pb]:
            out.append(Difference(where, a, 'body', pa, pb))
            continue
        for (kind, x), (_, y) in zip(pa, pb):
            if kind != 'sdp':
                if x != y:
                    out.append(Difference(where, a, 'body', x, y))
                continue
            lx, ly = sdp_common(x), sdp_common(y)
            for op, i1, i2, j1, j2 in difflib.SequenceMatcher(a=lx, b=ly, autojunk=False).get_opcodes():
                if op != 'equal':
                    out += [Difference(where, a, 'sdp', line, None) for line in lx[i1:i2]]
                    out += [Difference(where, a, 'sdp', None, line) for line in ly[j1:j2]]
    return out


RULES = []


def rule(name):
    def add(fn):
        RULES.append((name, fn))
        return fn
    return add


def absent(d):
    """Only the proxy's has it."""
    return d.parley is None


def answers_bye(d):
    return d.m.status == 200 and d.m.method == 'BYE'


@rule('own-description')
def _(d):
    return d.what == 'sdp' and (d.proxy or d.parley).startswith(('o=', 's=', 'a=path:', 'a=setup:'))


@rule('max-size')
def _(d):
    return d.what == 'sdp' and d.proxy is None and d.parley.startswith('a=max-size:')


@rule('unknown-attributes')
def _(d):
    return d.what == 'sdp' and absent(d) and d.proxy in ('a=tool:odd', 'a=x-unknown:kept')


@rule('default-direction')
def _(d):
    return d.what == 'sdp' and absent(d) and d.proxy == 'a=sendrecv'


@rule('allow')
def _(d):
    return d.what == 'allow' and d.parley is not None and 'X-ODD' not in d.parley[0]


@rule('option-tags')
def _(d):
    return d.what == 'supported'


@rule('timestamp')
def _(d):
    return d.what == 'timestamp' and (d.parley is None) == (not d.m.status)


@rule('signatures')
def _(d):
    return d.what == 'identity' and absent(d)


@rule('preferences')
def _(d):
    return d.what in ('p-preferred-identity', 'p-preferred-service') and absent(d)


@rule('answer-to-bye')
def _(d):
    return answers_bye(d) and (absent(d) or d.what in ('server', 'session-id'))


@rule('503')
def _(d):
    return (d.what == 'message' and d.proxy and d.parley and d.proxy.endswith(' 500 Service Unavailable')
            and d.parley.startswith(d.proxy.split()[0] + ' 503 '))


@rule('cancelled-set-up')
def _(d):
    return (d.what == 'message' and d.where == 'near' and d.proxy and d.proxy.startswith('INVITE 487 ')
            and d.parley == 'INVITE 487 Request Terminated')


@rule('session-timer')
def _(d):
    return d.what in ('session-expires', 'min-se') and d.proxy is None


@rule('said-again')
def _(d):
    return d.what in ('session-id', 'resource-priority') and d.proxy is None


@rule('cancel-reason-phrase')
def _(d):
    return d.what == 'message' and (d.proxy, d.parley) == ('CANCEL 200 canceling', 'CANCEL 200 OK')


def explain(d):
    return next((name for name, fn in RULES if fn(d)), None)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--parley', required=True)
    p.add_argument('--proxy', required=True)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--dialogs', type=int, default=300)
    p.add_argument('--only', type=int, help='this dialog alone')
    p.add_argument('-v', action='store_true', help='each difference')
    a = p.parse_args()
    device = {}
    for name in ('parley', 'proxy'):
        host, _, port = getattr(a, name).rpartition(':')
        device[name] = (host, int(port))
    numbers = range(a.dialogs) if a.only is None else [a.only]

    def one(number):
        steps = Generator(a.seed, number).dialog()
        return number, steps, *(Play(device[d], number, steps).run() for d in ('proxy', 'parley'))

    counts, bad, messages = {name: 0 for name, _ in RULES}, 0, 0
    with open(DOC, encoding='utf-8') as f:
        told = re.findall(r'^\| `([^`]+)` \|', f.read(), re.M)
    for name in set(told) ^ set(counts):
        print(f'a rule here or in doc/differential.md, not in both: {name}')
        bad += 1
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, steps, proxy, parley in pool.map(one, numbers):
            messages += len(parley.near.seen) + len(parley.far.seen)
            found = []
            for name, play in (('proxy', proxy), ('parley', parley)):
                if play.stuck:
                    print(f'dialog {number}: {name}: stuck: {play.stuck}')
                    bad += 1
            for end in ('near', 'far'):
                found += differences(end, getattr(proxy, end).seen, getattr(parley, end).seen, parley.stuck)
            for d in found:
                why = explain(d)
                if why:
                    counts[why] += 1
                else:
                    bad += 1
                if a.v or (not why and bad <= 40):
                    print(f'dialog {number}: {why or "NOT EXPLAINED"}: {d}')
    for name, n in counts.items():
        print(f'{n:6d}  {name}')
        if n == 0 and len(numbers) >= 300:
            print(f'        nothing falls under this rule any more: {name}')
            bad += 1
    print(f'{len(numbers)} dialogs, {messages} messages, {sum(counts.values())} differences explained, {bad} not')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
