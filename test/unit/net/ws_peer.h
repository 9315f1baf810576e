/* SPDX-License-Identifier: MIT */
/* A WebSocket client of the tests: plain sockets, masked frames. */
#ifndef PARLEY_TEST_WS_PEER_H
#define PARLEY_TEST_WS_PEER_H

#include "net_test.h"

#include "net/ws_frame.h"

#define WS_HELLO(protocol)                                                                        \
	"GET / HTTP/1.1\r\nHost: im.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"            \
	"Origin: https://chat.example.com\r\nSec-WebSocket-Protocol: " protocol "\r\n\r\n"

/* A masked frame behind *n. */
void ws_put(char *buf, size_t *n, enum ws_opcode opcode, bool fin, struct span payload);
void ws_peer_say(int fd, enum ws_opcode opcode, bool fin, const char *text);
/* Connects and does the handshake; the descriptor. */
int ws_peer_open(struct fixture *f, const struct addr *to, const char *protocol);

struct ws_got {
	unsigned opcode;
	bool fin;
	size_t n;
	char text[4096]; /* zero-terminated */
};
/* The next frame; the test fails without one. */
void ws_peer_frame(struct fixture *f, int fd, struct ws_got *out);

#endif
