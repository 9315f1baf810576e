// SPDX-License-Identifier: MIT
// As much of SIP over WebSocket (RFC 7118) as one session of a browser needs: one dialog, begun by us.
'use strict';

const random = (n) => Array.from(crypto.getRandomValues(new Uint8Array(n)), (b) => b.toString(16).padStart(2, '0')).join('');

function sipParse(text) {
	const end = text.indexOf('\r\n\r\n');
	if (end < 0)
		throw new Error('SIP without an end of its headers');
	const lines = text.slice(0, end).split('\r\n'), headers = {};
	for (const line of lines.slice(1)) {
		const colon = line.indexOf(':'), name = line.slice(0, colon).trim().toLowerCase();
		(headers[name] = headers[name] || []).push(line.slice(colon + 1).trim());
	}
	const [method, ruri] = lines[0].split(' ');
	const status = lines[0].startsWith('SIP/2.0 ') ? Number(ruri) : 0;
	return { start: lines[0], method: status ? headers.cseq[0].split(' ')[1] : method, ruri, status, headers, body: text.slice(end + 4) };
}

class SipDialog {
	// on: { request(msg) -> SDP of the answer, or undefined; end() }
	constructor(url, peer, on) {
		this.host = random(6) + '.invalid';
		this.scheme = url.startsWith('wss:') ? 'WSS' : 'WS';
		this.peer = peer;
		this.on = on;
		this.callId = random(12);
		this.tag = random(6);
		this.cseq = 0;
		this.to = `<${peer}>`;
		this.target = peer;
		this.routes = [];
		this.waiting = new Map();
		this.ws = new WebSocket(url, 'sip');
		this.ready = new Promise((good, bad) => {
			this.ws.onopen = () => this.ws.protocol === 'sip' ? good() : bad(new Error('subprotocol is not sip'));
			this.ws.onerror = () => bad(new Error('the SIP connection failed'));
		});
		this.ws.binaryType = 'arraybuffer';
		this.ws.onmessage = (e) => this.input(typeof e.data === 'string' ? e.data : new TextDecoder().decode(e.data));
	}

	head(method, cseq, start) {
		return [start, `Via: SIP/2.0/${this.scheme} ${this.host};branch=z9hG4bK${random(8)}`, 'Max-Forwards: 70',
			...this.routes.map((r) => `Route: ${r}`), `From: <sip:alice@example.com>;tag=${this.tag}`, `To: ${this.to}`,
			`Call-ID: ${this.callId}`, `CSeq: ${cseq} ${method}`];
	}

	send(lines, sdp) {
		// No Content-Length: the message says where it ends (RFC 7118 5).
		this.ws.send([...lines, ...(sdp ? ['Content-Type: application/sdp'] : []), '', sdp || ''].join('\r\n'));
	}

	contact() {
		return [`Contact: <sip:alice@${this.host};transport=ws>;+g.oma.sip-im`, 'Allow: INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS'];
	}

	// Resolves with the final answer; the ACK of an INVITE is sent.
	request(method, sdp) {
		const cseq = ++this.cseq;
		const lines = this.head(method, cseq, `${method} ${this.target} SIP/2.0`);
		if (method === 'INVITE')
			lines.push('P-Asserted-Identity: <sip:alice@example.com>', 'Accept-Contact: *;+g.oma.sip-im');
		this.send([...lines, ...(method === 'BYE' ? [] : this.contact())], sdp);
		return new Promise((good) => this.waiting.set(`${cseq} ${method}`, good));
	}

	answer(m, status, sdp) {
		const h = m.headers, copy = (name, values) => (values || []).map((v) => `${name}: ${v}`);
		this.send([`SIP/2.0 ${status} ${status === 200 ? 'OK' : 'No'}`, ...copy('Via', h.via), ...copy('From', h.from),
			...copy('To', h.to), ...copy('Call-ID', h['call-id']), ...copy('CSeq', h.cseq),
			...(m.method === 'BYE' ? [] : this.contact())], sdp);
	}

	response(m) {
		if (m.status < 200)
			return;
		if (m.status < 300 && m.method === 'INVITE') {
			this.to = m.headers.to[0];
			this.target = /<([^>]*)>/.exec(m.headers.contact[0])[1];
			if (m.headers['record-route'])
				this.routes = m.headers['record-route'].slice().reverse();
		}
		const key = m.headers.cseq[0], done = this.waiting.get(key);
		this.waiting.delete(key);
		if (m.method === 'INVITE') {
			const start = `ACK ${this.target} SIP/2.0`;
			this.send(this.head('ACK', key.split(' ')[0], start));
		}
		if (done)
			done(m);
	}

	input(text) {
		if (!text.trim())
			return;
		const m = sipParse(text);
		if (m.status)
			return this.response(m);
		if (m.headers['call-id'][0] !== this.callId)
			return this.answer(m, 481);
		if (!m.headers.via[0].startsWith(`SIP/2.0/${this.scheme} `))
			throw new Error('a request by WebSocket whose Via says otherwise: ' + m.headers.via[0]);
		if (m.method === 'ACK')
			return undefined;
		if (m.method === 'BYE') {
			this.answer(m, 200);
			return this.on.end();
		}
		return this.answer(m, 200, this.on.request(m));
	}
}
