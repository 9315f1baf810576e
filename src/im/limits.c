/* SPDX-License-Identifier: MIT */
/*
 * What one peer and one user may have of us, so that the others do not notice him: requests a second from an address that is not
 * of the core, and sessions at once of a served user.
 *
 * What is hard is that who floods chooses his address.  So the table of sources is small and of fixed size, a source has few
 * places in it, chosen by a keyed hash, and the one that was silent longest gives way: a flood from everywhere
 * costs the flooders their memory of each other, and us nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum { SETS = 512, WAYS = 4, BURST = 2 /* seconds' worth at once */ };

struct source {
	struct addr ip;
	uint64_t seen_us;
	uint64_t credit_us; /* of time: each request takes a second divided by the rate */
};

struct sources {
	uint64_t key[2];
	struct source at[SETS][WAYS];
};

void sources_free(struct sources *all)
{
	free(all);
}

static struct sources *sources_create(struct im *im)
{
	struct sources *all = calloc(1, sizeof(*all));
	if (all)
		im->port.random(im->port.w, all->key, sizeof(all->key));
	return all;
}

/* The place of this address, or the one it takes over: with all its credit. */
static struct source *source_of(struct sources *all, const struct addr *ip, uint64_t now_us)
{
	struct span name = { (const char *)ip->ip, ip->family == 6 ? 8 : 4 }; /* an IPv6 host has its /64 */
	struct source *set = all->at[hash_siphash(all->key, name) % SETS], *oldest = set;
	struct addr of = { .family = ip->family };

	memcpy(of.ip, name.p, name.n);
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].ip.family && addr_same_ip(&set[i].ip, &of))
			return &set[i];
		if (set[i].seen_us < oldest->seen_us)
			oldest = &set[i];
	}
	*oldest = (struct source){ of, now_us, BURST * US_PER_S };
	return oldest;
}

bool source_exempt(const struct im *im, const struct sip_src *src)
{
	return !im->conf.untrusted_rate || role_trusted(&im->conf, &src->ip);
}

bool source_admits(struct im *im, const struct sip_src *src, uint64_t now_us)
{
	uint32_t rate = im->conf.untrusted_rate;
	struct source *s;

	if (!im->sources && !(im->sources = sources_create(im)))
		return true;
	s = source_of(im->sources, &src->ip, now_us);
	s->credit_us += now_us - s->seen_us;
	if (s->credit_us > BURST * US_PER_S)
		s->credit_us = BURST * US_PER_S;
	s->seen_us = now_us;
	if (s->credit_us < US_PER_S / rate) {
		im->mx.over_limit++;
		return false;
	}
	s->credit_us -= US_PER_S / rate;
	return true;
}

void limits_refuse(struct im *im, struct sip_stxn *t, uint64_t now_us)
{
	char tag[TAG_LEN + 1], extra[32];

	im_token(im, tag, TAG_LEN);
	snprintf(extra, sizeof(extra), "Retry-After: %u\r\n", 5 + im_random_below(im, 11));
	/* Who says that he is in a dialog is not told that there is nobody here (PARSE-18). */
	im_reply(im, t, sip_stxn_request(t)->to_tag.n ? 500 : 503, SPAN_EMPTY, span_of(tag), extra, now_us);
}

/* ---- users ---- */

struct user {
	struct htab_link link; /* im->users */
	unsigned sessions;
	char uri[];
};

static bool is_user(const struct htab_link *l, const void *key)
{
	return strcmp(container_of(l, struct user, link)->uri, key) == 0;
}

static struct user *user_of(struct im *im, const char *uri)
{
	struct htab_link *l = htab_get(&im->users, htab_hash(&im->users, span_of(uri)), is_user, uri);
	return l ? container_of(l, struct user, link) : NULL;
}

bool user_admits(struct im *im, const char *uri)
{
	const struct user *u = im->conf.sessions_per_user ? user_of(im, uri) : NULL;

	if (!u || u->sessions < im->conf.sessions_per_user)
		return true;
	im->mx.over_limit++;
	return false;
}

bool user_enter(struct im *im, const char *uri)
{
	struct user *u = user_of(im, uri);

	if (!im->conf.sessions_per_user)
		return false;
	if (!u) {
		const size_t n = strlen(uri) + 1;

		u = malloc(sizeof(*u) + n);
		if (!u)
			return false; /* not counted, then */
		u->sessions = 0;
		memcpy(u->uri, uri, n);
		htab_put(&im->users, &u->link, htab_hash(&im->users, span_of(uri)));
	}
	u->sessions++;
	return true;
}

void user_leave(struct im *im, const char *uri)
{
	struct user *u = user_of(im, uri);

	if (!u || --u->sessions)
		return;
	htab_del(&im->users, &u->link);
	free(u);
}
