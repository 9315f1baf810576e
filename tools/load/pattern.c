/* SPDX-License-Identifier: MIT */
/*
 * The content of all messages: one random block, entered at a place that depends on flow and message, and gone round
 * in.  Writing is a pointer into it, checking is memcmp.  Things that look like the end of a chunk, line ends and
 * zeros are strewn in, for whoever looks for the end too carelessly (RFC 4975 7.1).
 */
#include "msrp.h"

static char block[PATTERN_PERIOD];

void pattern_init(void)
{
	static const char lure[] =
		"\r\n-------abcdefgh$\r\n\0\0\r\n\r\n-------\r\nMSRP abcd 200 OK\r\n-------0123456789+\r\n";
	uint64_t x = 88172645463325252u;
	for (size_t i = 0; i < sizeof(block); i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64 */
		block[i] = (char)(x >> 32);
	}
	for (size_t i = 97; i + sizeof(lure) < sizeof(block); i += 20011 + 256u * (unsigned char)block[i])
		memcpy(block + i, lure, sizeof(lure));
}

static size_t place(uint32_t f, uint64_t k, uint64_t offset)
{
	return (size_t)((f * 104729ull + k * 15485863ull + offset) % PATTERN_PERIOD);
}

struct span pattern_at(uint32_t f, uint64_t k, uint64_t offset, size_t n)
{
	size_t at = place(f, k, offset);
	return (struct span){ block + at, n < PATTERN_PERIOD - at ? n : PATTERN_PERIOD - at };
}

size_t pattern_match(uint32_t f, uint64_t k, uint64_t offset, struct span in)
{
	size_t got = 0;
	while (got < in.n) {
		struct span want = pattern_at(f, k, offset + got, in.n - got);
		size_t n = want.n < 4096 ? want.n : 4096;
		if (memcmp(want.p, in.p + got, n) != 0) {
			size_t i = 0;
			while (want.p[i] == in.p[got + i])
				i++;
			return got + i;
		}
		got += n;
	}
	return got;
}
