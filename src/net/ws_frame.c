/* SPDX-License-Identifier: MIT */
/*
 * What is hard: payload is offered again when its consumer did not take all of it, and must not be unmasked twice; and
 * a control frame may stand between two frames of a message, of which nothing may be forgotten meanwhile.
 */
#include "net/ws_frame.h"

enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127, MASK_N = 4 };

void ws_in_init(struct ws_in *w, uint64_t max)
{
	*w = (struct ws_in){ .max = max };
}

static bool is_control(unsigned opcode)
{
	return opcode >= WS_CLOSE;
}

static uint64_t big_endian(const char *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

/* RFC 6455 5.2, 5.4, 5.5: what may stand where. */
static bool is_legal(const struct ws_in *w, uint8_t first, uint8_t second)
{
	unsigned opcode = first & OPCODE;

	if (first & RESERVED || !(second & MASKED))
		return false;
	if (is_control(opcode))
		return opcode <= WS_PONG && first & FIN && (second & LENGTH) <= WS_CONTROL_MAX;
	return opcode <= WS_BINARY && w->in_message == (opcode == WS_CONTINUATION);
}

/* Length of the head, 0: not all of it is there, or a negative close code. */
static int read_head(struct ws_in *w, const char *p, size_t n)
{
	unsigned more, at = 2;

	if (n < 2)
		return 0;
	if (!is_legal(w, (uint8_t)p[0], (uint8_t)p[1]))
		return -WS_PROTOCOL_ERROR;
	w->left = p[1] & LENGTH;
	more = w->left == LENGTH_16 ? 2 : w->left == LENGTH_64 ? 8 : 0;
	if (n < at + more + MASK_N)
		return 0;
	if (more) {
		w->left = big_endian(p + at, more);
		if (w->left < (more == 2 ? LENGTH_16 : 0x10000) || w->left >> 63)
			return -WS_PROTOCOL_ERROR; /* a length has one spelling */
	}
	at += more;
	w->opcode = (uint8_t)p[0] & OPCODE;
	w->fin = (uint8_t)p[0] & FIN;
	memcpy(w->mask, p + at, MASK_N);
	w->phase = 0;
	w->clear = 0;
	return (int)(at + MASK_N);
}

/* Does the frame fit the message's bound? */
static bool message_grows(struct ws_in *w)
{
	if (!w->in_message)
		w->size = 0;
	if (w->max && w->left > w->max - w->size)
		return false;
	if (w->max) /* unbounded ones are not counted: nothing could overflow */
		w->size += w->left;
	w->in_message = true;
	return true;
}

/* Eight at a time; p[0] is masked by mask[phase]. */
static void unmask(char *p, size_t n, const uint8_t mask[MASK_N], unsigned phase)
{
	uint8_t m[8];
	size_t i = 0;

	for (unsigned k = 0; k < sizeof(m); k++)
		m[k] = mask[(phase + k) % MASK_N];
	for (; i + sizeof(m) <= n; i += sizeof(m)) {
		uint64_t v, key;
		memcpy(&v, p + i, sizeof(v));
		memcpy(&key, m, sizeof(key));
		v ^= key;
		memcpy(p + i, &v, sizeof(v));
	}
	for (; i < n; i++)
		p[i] = (char)((uint8_t)p[i] ^ m[i % MASK_N]);
}

static void unmask_new(struct ws_in *w, char *p, size_t n)
{
	unmask(p + w->clear, n - w->clear, w->mask, (unsigned)(w->phase + w->clear) % MASK_N);
	w->clear = n;
}

static int control(struct ws_in *w, char *p, size_t n, struct ws_event *ev)
{
	if (n < w->left)
		return WS_MORE;
	n = w->left;
	unmask_new(w, p, n);
	ev->opcode = w->opcode;
	ev->data = (struct span){ p, n };
	ev->skip += n;
	w->in_frame = false;
	return WS_CONTROL;
}

static int data(struct ws_in *w, char *p, size_t n, struct ws_event *ev)
{
	if (n > w->left)
		n = w->left;
	if (n == 0 && w->left)
		return WS_MORE;
	ev->fresh = n - w->clear;
	unmask_new(w, p, n);
	ev->data = (struct span){ p, n };
	ev->last = w->fin && n == w->left;
	return WS_DATA;
}

int ws_in_next(struct ws_in *w, char *p, size_t n, struct ws_event *ev)
{
	*ev = (struct ws_event){ 0 };
	if (!w->in_frame) {
		int head = read_head(w, p, n);
		if (head <= 0)
			return head;
		if (!is_control(w->opcode) && !message_grows(w))
			return -WS_TOO_BIG;
		w->in_frame = true;
		ev->skip = (size_t)head;
		p += head, n -= (size_t)head;
	}
	return is_control(w->opcode) ? control(w, p, n, ev) : data(w, p, n, ev);
}

void ws_in_took(struct ws_in *w, size_t n)
{
	w->left -= n;
	w->clear -= n;
	w->phase = (uint8_t)((w->phase + n) % MASK_N);
	if (w->left == 0) {
		w->in_frame = false;
		w->in_message = !w->fin;
	}
}

/* ---- out ---- */

size_t ws_head(char out[WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t n)
{
	unsigned more = n < LENGTH_16 ? 0 : n < 0x10000 ? 2 : 8;

	out[0] = (char)((unsigned)opcode | (fin ? FIN : 0));
	out[1] = (char)(more == 0 ? n : more == 2 ? LENGTH_16 : LENGTH_64);
	for (unsigned i = 0; i < more; i++)
		out[2 + i] = (char)(n >> 8 * (more - 1 - i));
	return 2 + more;
}

/* RFC 6455 7.4: the codes a peer may send; nothing is the answer to nothing. */
unsigned ws_close_answer(struct span payload)
{
	unsigned code;

	if (payload.n == 0)
		return WS_NORMAL;
	if (payload.n == 1)
		return WS_PROTOCOL_ERROR;
	code = (unsigned)big_endian(payload.p, 2);
	if (code < 1000 || code >= 5000 || (code >= 1004 && code <= 1006) || (code >= 1015 && code < 3000))
		return WS_PROTOCOL_ERROR;
	return code;
}

/* Length of the character at p (RFC 3629 4), 0: it is none. */
static unsigned utf8_char(const uint8_t *p, size_t n)
{
	unsigned len = p[0] < 0x80   ? 1
		       : p[0] < 0xc2 ? 0
		       : p[0] < 0xe0 ? 2
		       : p[0] < 0xf0 ? 3
		       : p[0] < 0xf5 ? 4
				     : 0;

	if (len > n)
		return 0;
	for (unsigned i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool ws_is_binary(struct span s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	unsigned len;

	for (size_t i = 0; i < s.n; i += len)
		if ((len = utf8_char(p + i, s.n - i)) == 0)
			return true;
	return false;
}
