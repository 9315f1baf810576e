// SPDX-License-Identifier: MIT
// The IM Client of browser.sh.  Its far side is a parley-ua; what the two say to each other stands there and here.
'use strict';

const wanted = new URLSearchParams(location.search);
const secure = wanted.get('sip').startsWith('wss:');
const BIG = 700000, CHUNK = 60000;

const steps = [];
function step(text) {
	steps.push(text);
}
function report(result) {
	if (!report.done)
		fetch('/result', { method: 'POST', body: [result, ...steps].join('\n') });
	report.done = true;
}

// As the far side counts: its in is our out.  Of each body the first eight bytes of SHA-1, summed.
const count = { bytes_in: 0, bytes_out: 0, digest_in: 0n, digest_out: 0n, messages_in: 0, messages_out: 0 };
async function counted(way, body) {
	const sha = new DataView(await crypto.subtle.digest('SHA-1', body));
	count['bytes_' + way] += body.length;
	count['digest_' + way] = BigInt.asUintN(64, count['digest_' + way] + sha.getBigUint64(0));
	count['messages_' + way]++;
}
const counts = () => Object.entries(count).map(([k, v]) => `${k}=${typeof v === 'bigint' ? v.toString(16).padStart(16, '0') : v}`).join(' ');
const fail = (error) => report('FAILED ' + (error.stack || error));
window.onerror = (m, u, l, c, error) => fail(error || m);
window.onunhandledrejection = (e) => fail(e.reason);

let version = 0, path, direction = 'sendrecv', session, dialog;
const sdpId = String(Date.now());
const received = []; // messages, whole
const partial = new Map();
const reports = [];
let wake = () => {};

function newPath() {
	path = `${secure ? 'msrps' : 'msrp'}://${dialog.host}:2855/${random(10)};ws`;
}
const sdp = (setup) => ['v=0', `o=- ${sdpId} ${++version} IN IP4 ${dialog.host}`, 's=-', `c=IN IP4 ${dialog.host}`, 't=0 0',
	`m=message 2855 ${secure ? 'TCP/TLS/MSRP' : 'TCP/MSRP'} *`, 'a=accept-types:*', `a=path:${path}`, `a=setup:${setup}`,
	...(direction === 'sendrecv' ? [] : [`a=${direction}`]), ''].join('\r\n');
const attribute = (body, name) => (new RegExp(`^a=${name}:(.*)$`, 'm').exec(body) || [])[1]?.trim();

async function until(what, test) {
	while (!test())
		await new Promise((good) => { wake = good; });
	step(what);
}

const on = {
	chunk(m) {
		const id = m.headers['message-id'], m1 = partial.get(id) || { type: m.headers['content-type'], parts: [], n: 0 };
		const from = Number(m.headers['byte-range'].split('-')[0]);
		if (from !== m1.n + 1)
			throw new Error(`byte ${from} came where ${m1.n + 1} was due`);
		m1.parts.push(m.body);
		m1.n += m.body.length;
		partial.set(id, m1);
		if (m.flag === '$') {
			partial.delete(id);
			const body = concat(...m1.parts);
			counted('out', body).then(() => {
				received.push({ type: m1.type, n: m1.n, text: m1.n < 1000 ? latin(body) : '' });
				wake();
			});
		}
		wake();
	},
	report(m) {
		if (!m.headers.status.startsWith('000 200'))
			throw new Error('REPORT ' + m.headers.status);
		reports.push(m.headers['message-id']);
		wake();
	},
	fail,
};

async function connect(answer) {
	if (attribute(answer.body, 'setup') !== 'passive')
		throw new Error('the server would connect: ' + answer.body);
	session = new MsrpSession(path, attribute(answer.body, 'path'), on);
	await session.ready;
	const code = await session.bind();
	if (code !== 200)
		throw new Error(`the first SEND was answered ${code}`);
}

async function modify(what) {
	const answer = await dialog.request('INVITE', sdp('active'));
	if (answer.status !== 200)
		throw new Error(`${what} was answered ${answer.start}`);
	step(what);
	return answer;
}

async function say(type, body) {
	await counted('in', body);
	return session.message(type, body, CHUNK);
}

async function play() {
	dialog = new SipDialog(wanted.get('sip'), 'sip:bob@example.net', {
		request(m) {
			if (m.method !== 'INVITE' && m.method !== 'UPDATE')
				return undefined;
			direction = /^a=(inactive|sendonly|recvonly)\r$/m.exec(m.body)?.[1] || 'sendrecv';
			if (!attribute(m.body, 'path').endsWith(';ws'))
				throw new Error('an offer that is not for a WebSocket client: ' + m.body);
			step(`${m.method} from the far side: ${direction}`);
			return sdp('active');
		},
		end() { fail(new Error('the far side hung up')); },
	});
	await dialog.ready;
	newPath();
	await connect(await modify('session set up'));
	const id = await say('text/plain', bytesOf('hello from the browser'));
	await until('our message was delivered', () => reports.includes(id));
	await until('greeted', () => received.some((m) => m.text === 'hello from afar'));
	const big = new Uint8Array(BIG);
	for (let i = 0; i < BIG; i += 65536)
		crypto.getRandomValues(big.subarray(i, Math.min(i + 65536, BIG)));
	const bigId = await say('application/octet-stream', big);
	step('all chunks answered');
	await until('and reported', () => reports.includes(bigId));
	// The far side now sends a large one; as soon as a part of it is here the path changes.
	await until('a part of a large message', () => partial.size || received.length > 1);
	newPath();
	await connect(await modify('new path'));
	await until('the large message is whole', () => received.some((m) => m.n === BIG));
	await say('text/plain', bytesOf('moved')); // our ACK is there: the far side may begin a change of its own
	await until('spoken to after hold and resume', () => received.some((m) => m.text === 'after the hold'));
	await say('text/plain', bytesOf('heard'));
	const bye = await dialog.request('BYE');
	if (bye.status !== 200)
		throw new Error('BYE was answered ' + bye.start);
	if (partial.size)
		throw new Error('a message came in part only');
	report('ok\n' + counts());
}
setTimeout(() => fail(new Error('it takes too long')), 90000);
play().catch(fail);
