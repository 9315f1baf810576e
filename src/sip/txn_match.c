/* SPDX-License-Identifier: MIT */
/*
 * Which server transaction does a request belong to?  RFC 3261 17.2.3: branch, sent-by and method,
 * where ACK counts as INVITE.  The hard part is RFC 2543 elements, whose branch says nothing: there
 * the Request-URI, the tags, Call-ID, CSeq and the top Via must all agree.  Both kinds live in one
 * table, under a hash of the branch or of Call-ID and CSeq.
 */
#include "sip/txn_priv.h"

struct request_key {
	const struct sip_msg *m;
	enum sip_method method;
};

/* The cookie alone, with nothing behind it, is no better than none. */
static bool has_cookie(struct span branch)
{
	struct span cookie = SPAN("z9hG4bK");
	return branch.n > cookie.n && span_istarts(branch, cookie);
}

bool sip_match_by_branch(const struct sip_msg *m)
{
	return has_cookie(m->via.branch);
}

static uint16_t via_port(const struct sip_via *v)
{
	return v->port ? v->port : sip_default_port(v->tp);
}

static bool same_sent_by(const struct sip_via *a, const struct sip_via *b)
{
	return via_port(a) == via_port(b) && span_ieq(a->host, b->host);
}

static bool same_method(const struct sip_msg *req, const struct sip_msg *m, enum sip_method method)
{
	return req->method == method && (method != SIP_UNKNOWN || span_eq(req->method_name, m->method_name));
}

/* An ACK carries the To tag of the answer, not that of the INVITE. */
static bool same_to_tag(const struct sip_stxn *t, const struct sip_msg *m)
{
	struct sip_msg answer;
	if (m->method != SIP_ACK)
		return span_eq(t->req->to_tag, m->to_tag);
	return span_eq(sip_stxn_tag(t, &answer), m->to_tag);
}

static bool same_request_2543(const struct sip_stxn *t, const struct sip_msg *m)
{
	const struct sip_msg *req = t->req;
	return req->cseq == m->cseq && span_eq(req->call_id, m->call_id) &&
	       span_eq(req->from_tag, m->from_tag) && span_eq(req->ruri, m->ruri) &&
	       req->via.tp == m->via.tp && span_eq(req->via.branch, m->via.branch) && same_to_tag(t, m);
}

static bool is_request(const struct htab_link *l, const void *key)
{
	const struct sip_stxn *t = container_of(l, struct sip_stxn, link);
	const struct request_key *k = key;
	if (!same_method(t->req, k->m, k->method) || !same_sent_by(&t->req->via, &k->m->via))
		return false;
	if (has_cookie(k->m->via.branch))
		return span_eq(t->req->via.branch, k->m->via.branch);
	return same_request_2543(t, k->m);
}

/* A digest of digests: any number of spans under one key, without gluing them together. */
static uint64_t hash_call(const struct htab *t, const struct sip_msg *m, uint64_t method,
			  struct span from_tag)
{
	uint64_t part[4] = { htab_hash(t, m->call_id), htab_hash(t, from_tag), m->cseq, method };
	return htab_hash(t, (struct span){ (const char *)part, sizeof(part) });
}

uint64_t sip_match_hash(const struct sip_tl *tl, const struct sip_msg *m)
{
	if (has_cookie(m->via.branch))
		return htab_hash(&tl->server, m->via.branch);
	return hash_call(&tl->server, m, 0, m->from_tag);
}

struct sip_stxn *sip_match_request(struct sip_tl *tl, const struct sip_msg *m, enum sip_method method,
				   uint64_t hash)
{
	struct request_key k = { m, method };
	struct htab_link *l = htab_get(&tl->server, hash, is_request, &k);
	return l ? container_of(l, struct sip_stxn, link) : NULL;
}

static bool is_merged(const struct htab_link *l, const void *key)
{
	const struct sip_msg *req = container_of(l, struct sip_stxn, merge)->req, *m = key;
	return req->cseq == m->cseq && same_method(req, m, m->method) && span_eq(req->call_id, m->call_id) &&
	       span_eq(req->from_tag, m->from_tag);
}

uint64_t sip_match_merged_hash(const struct sip_tl *tl, const struct sip_msg *m)
{
	return hash_call(&tl->merged, m, m->method, m->from_tag);
}

struct sip_stxn *sip_match_merged(struct sip_tl *tl, const struct sip_msg *m, uint64_t hash)
{
	struct htab_link *l = htab_get(&tl->merged, hash, is_merged, m);
	return l ? container_of(l, struct sip_stxn, merge) : NULL;
}
