/* SPDX-License-Identifier: MIT */
#include "ws_peer.h"

void ws_put(char *buf, size_t *n, enum ws_opcode opcode, bool fin, struct span payload)
{
	static const uint8_t mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	size_t head = ws_head(buf + *n, opcode, fin, payload.n);

	buf[*n + 1] |= (char)0x80;
	*n += head;
	memcpy(buf + *n, mask, 4);
	*n += 4;
	for (size_t i = 0; i < payload.n; i++)
		buf[(*n)++] = (char)((uint8_t)payload.p[i] ^ mask[i % 4]);
}

void ws_peer_say(int fd, enum ws_opcode opcode, bool fin, const char *text)
{
	char *buf = malloc(strlen(text) + 16);
	size_t n = 0;

	assert_non_null(buf);
	ws_put(buf, &n, opcode, fin, span_of(text));
	peer_write(fd, buf, n);
	free(buf);
}

int ws_peer_open(struct fixture *f, const struct addr *to, const char *protocol)
{
	char hello[512], buf[512];
	int fd = peer_connect(to), n;
	ssize_t r = -1;

	n = snprintf(hello, sizeof(hello), WS_HELLO("%s"), protocol);
	peer_write(fd, hello, (size_t)n);
	run_until(f, (r = peer_read(fd, buf, sizeof(buf))) > 0);
	assert_non_null(strstr(buf, "HTTP/1.1 101 "));
	assert_int_equal(memcmp(buf + r - 4, "\r\n\r\n", 4), 0);
	return fd;
}

/* Exactly n bytes. */
static void read_n(struct fixture *f, int fd, void *to, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = -1;
		run_until(f, (r = recv(fd, (char *)to + got, n - got, 0)) >= 0);
		assert_true(r > 0);
		got += (size_t)r;
	}
}

void ws_peer_frame(struct fixture *f, int fd, struct ws_got *out)
{
	uint8_t head[2], more[2];

	read_n(f, fd, head, 2);
	assert_int_equal(head[0] & 0x70, 0);
	assert_int_equal(head[1] & 0x80, 0); /* a server does not mask */
	*out = (struct ws_got){ .opcode = head[0] & 15, .fin = head[0] & 0x80, .n = head[1] };
	if (out->n == 126) {
		read_n(f, fd, more, 2);
		out->n = (size_t)more[0] << 8 | more[1];
	}
	assert_true(out->n < sizeof(out->text));
	read_n(f, fd, out->text, out->n);
	out->text[out->n] = 0;
}
