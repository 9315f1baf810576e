// SPDX-License-Identifier: MIT
// MSRP over WebSocket (RFC 7977): a connection per path, each WebSocket message one MSRP message, to the byte.
'use strict';

const bytesOf = (text) => new TextEncoder().encode(text);
const latin = (bytes) => { // one character a byte
	let s = '';
	for (let i = 0; i < bytes.length; i += 8192)
		s += String.fromCharCode(...bytes.subarray(i, i + 8192));
	return s;
};

function concat(...parts) {
	const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		all.set(p, at);
		at += p.length;
	}
	return all;
}

function msrpParse(bytes) {
	const text = latin(bytes), first = /^MSRP ([A-Za-z0-9.+%=-]{4,32}) ([A-Z]+|[0-9]{3})/.exec(text);
	if (!first)
		throw new Error('no MSRP start line: ' + text.slice(0, 60));
	const tail = /-------([^\r\n]*)([$+#])\r\n$/.exec(text.slice(-60));
	if (!tail || tail[1] !== first[1])
		throw new Error('a WebSocket message that is not one MSRP message: ...' + text.slice(-60));
	const endLine = text.length - tail[0].length, blank = text.indexOf('\r\n\r\n');
	const hasBody = blank >= 0 && blank + 4 <= endLine;
	const headers = {};
	for (const line of text.slice(0, hasBody ? blank : endLine).split('\r\n').slice(1))
		headers[line.slice(0, line.indexOf(':')).toLowerCase()] = line.slice(line.indexOf(':') + 1).trim();
	if (text.indexOf(`-------${first[1]}`) !== endLine)
		throw new Error('more than one MSRP message in a WebSocket message');
	return { tid: first[1], what: first[2], headers, flag: tail[2], hasBody, body: hasBody ? bytes.slice(blank + 4, endLine - 2) : new Uint8Array(0) };
}

class MsrpSession {
	// mine, theirs: path URIs.  on: { chunk(message), report(message), fail(error) }
	constructor(mine, theirs, on) {
		this.mine = mine;
		this.theirs = theirs;
		this.on = on;
		this.waiting = new Map();
		const uri = /^(msrps?):\/\/([^/]*)\//.exec(theirs);
		if (!uri || !theirs.endsWith(';ws'))
			throw new Error('not a path by WebSocket: ' + theirs);
		this.ws = new WebSocket(`${uri[1] === 'msrps' ? 'wss' : 'ws'}://${uri[2]}/`, 'msrp');
		this.ws.binaryType = 'arraybuffer';
		this.ready = new Promise((good, bad) => {
			this.ws.onopen = () => this.ws.protocol === 'msrp' ? good() : bad(new Error('subprotocol is not msrp'));
			this.ws.onerror = () => bad(new Error('the MSRP connection failed'));
		});
		this.ws.onmessage = (e) => {
			try {
				this.input(msrpParse(typeof e.data === 'string' ? bytesOf(e.data) : new Uint8Array(e.data)));
			} catch (error) {
				on.fail(error);
			}
		};
	}

	// One SEND; resolves with the code of its answer.
	chunk(id, type, body, from, total, more) {
		const tid = random(8), head = [`MSRP ${tid} SEND`, `To-Path: ${this.theirs}`, `From-Path: ${this.mine}`, `Message-ID: ${id}`];
		if (body === null)
			this.ws.send([...head, 'Byte-Range: 1-0/0', `-------${tid}$`, ''].join('\r\n'));
		else
			this.ws.send(concat(bytesOf([...head, `Byte-Range: ${from}-${from + body.length - 1}/${total}`, 'Success-Report: yes',
				`Content-Type: ${type}`, '', ''].join('\r\n')), body, bytesOf(`\r\n-------${tid}${more ? '+' : '$'}\r\n`)));
		return new Promise((good) => this.waiting.set(tid, good));
	}

	bind() {
		return this.chunk(random(8), '', null);
	}

	// All of a message, each chunk after the other without waiting; resolves when all are answered.
	async message(type, body, size) {
		const id = random(8), codes = [];
		for (let at = 0; at < body.length; at += size)
			codes.push(this.chunk(id, type, body.subarray(at, at + size), at + 1, body.length, at + size < body.length));
		for (const code of await Promise.all(codes))
			if (code !== 200)
				throw new Error(`a chunk was answered ${code}`);
		return id;
	}

	input(m) {
		if (/^[0-9]{3}$/.test(m.what)) {
			const done = this.waiting.get(m.tid);
			this.waiting.delete(m.tid);
			return done && done(Number(m.what));
		}
		if (m.headers['to-path'] !== this.mine)
			throw new Error('for another session: ' + m.headers['to-path']);
		if (m.what === 'REPORT')
			return this.on.report(m);
		this.ws.send([`MSRP ${m.tid} 200 OK`, `To-Path: ${m.headers['from-path'].split(' ')[0]}`, `From-Path: ${this.mine}`, `-------${m.tid}$`, ''].join('\r\n'));
		return m.hasBody && this.on.chunk(m);
	}
}
