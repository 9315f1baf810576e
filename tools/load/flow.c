/* SPDX-License-Identifier: MIT */
/* What an end sends: size, chunks and reports of message k, from the seed alone, so that both ends know them. */
#include "msrp.h"

enum { DRAWN_MAX = 5 << 20, CHUNKS_PER_MESSAGE = 256 };

uint64_t flow_hash(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t x = a * 0x9e3779b97f4a7c15ull ^ b * 0xbf58476d1ce4e5b9ull ^ (c + 1) * 0x94d049bb133111ebull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull; /* the end of splitmix64 */
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Half of them chat, a third small documents, some pictures, a few large files. */
static uint64_t draw_size(uint64_t h)
{
	uint64_t part = h % 100, at = h >> 8;
	if (part < 50)
		return 1 + at % 2000;
	if (part < 82)
		return 1 + at % 65536;
	if (part < 97)
		return 1 + at % (1 << 20);
	return DRAWN_MAX - at % (4 << 20);
}

static uint64_t draw_chunk(uint64_t h, uint64_t size)
{
	uint64_t part = h % 100, at = h >> 8, n;
	if (part < 20)
		return 0;
	n = part < 45 ? 1 + at % 2048 : part < 75 ? 2048 + at % 63488 : 65536 + at % (1 << 20);
	return n < size / CHUNKS_PER_MESSAGE ? size / CHUNKS_PER_MESSAGE : n;
}

struct flow_message flow_message(const struct flow_conf *c, uint32_t flow, uint64_t k)
{
	struct flow_message m = { .success = c->success_report, .failure = c->failure_report };
	uint64_t h = c->n_size && c->n_chunk && !c->all_modes ? 0 : flow_hash(c->seed, flow, k);
	m.size = c->n_size ? c->size[k % c->n_size] : draw_size(h);
	m.chunk = c->n_chunk ? c->chunk[k % c->n_chunk] : draw_chunk(h >> 13, m.size);
	if (c->all_modes) {
		m.failure = (enum failure_report)((h >> 56) % 3);
		m.success = (h >> 50) & 1;
	}
	return m;
}

uint64_t flow_plan(const struct flow_conf *c, uint32_t flow, uint64_t *total)
{
	uint64_t n = 0;
	*total = 0;
	if (!c->total)
		return UINT64_MAX;
	for (; *total < c->total; n++)
		*total += flow_message(c, flow, n).size;
	return n;
}
