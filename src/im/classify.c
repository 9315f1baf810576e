/* SPDX-License-Identifier: MIT */
/*
 * Immediate message or conversation: evidence in the order of CLASS-3, the first decisive hit wins.
 *
 * What is hard: +g.oma.sip-im alone says "not a large message" and nothing more; one to one, group and file transfer
 * all carry it.  So it fixes the *family*, and Request-URI, focus and SDP then tell its members apart.  The same holds
 * for the RCS chat IARI.  An ICSI names the service itself and is final.
 *
 * A pre-defined group looks like any user in its URI, and no list of them is at hand here; a Request-URI is read as a
 * group when its user part is a conference factory's, when the request carries a recipient list (RFC 5366), or when
 * the caller is a focus (isfocus in Contact: the controlling side inviting).
 */
#include "im/classify.h"

#include "sip/body.h"
#include "sip/uri.h"

/* What one place (Accept-Contact, Contact ...) says. */
struct clue {
	enum im_class class; /* IM_CLASS_NOT_IM: none */
	bool family;         /* CONVERSATION may still become GROUP or FILE_TRANSFER */
	struct span value;   /* what said so */
};

const char *im_class_name(enum im_class c)
{
	static const char *const names[] = {
		[IM_CLASS_NOT_IM] = "not-im",
		[IM_CLASS_PAGER] = "pager",
		[IM_CLASS_LARGE_MESSAGE] = "large-message",
		[IM_CLASS_CONVERSATION] = "conversation",
		[IM_CLASS_GROUP] = "group",
		[IM_CLASS_FILE_TRANSFER] = "file-transfer",
	};

	return (unsigned)c < ARRAY_LEN(names) ? names[c] : "?";
}

/* ---- service and application references (CLASS-6) ---- */

/* After "urn:urn-7:".  An INVITE carries no pager message: cpm.msg and cpm.systemmsg decide nothing here. */
static const struct ref {
	const char *name;
	enum im_class class;
	bool family;
} refs[] = {
	{ "3gpp-service.ims.icsi.oma.cpm.largemsg", IM_CLASS_LARGE_MESSAGE, false },
	{ "3gpp-service.ims.icsi.oma.cpm.deferred", IM_CLASS_LARGE_MESSAGE, false },
	{ "3gpp-service.ims.icsi.oma.cpm.session", IM_CLASS_CONVERSATION, false },
	{ "3gpp-service.ims.icsi.oma.cpm.session.group", IM_CLASS_GROUP, false },
	{ "3gpp-service.ims.icsi.oma.cpm.filetransfer", IM_CLASS_FILE_TRANSFER, false },
	{ "3gpp-application.ims.iari.rcse.im", IM_CLASS_CONVERSATION, true },
	{ "3gpp-application.ims.iari.rcse.ft", IM_CLASS_FILE_TRANSFER, false },
	{ "3gpp-application.ims.iari.rcs.fthttp", IM_CLASS_FILE_TRANSFER, false },
	{ "3gpp-application.ims.iari.rcs.ftthumb", IM_CLASS_FILE_TRANSFER, false },
};

/* The longest entry that is all of urn, or all of it up to a dot. */
static const struct ref *ref_of(struct span urn)
{
	const struct ref *best = NULL;

	if (!span_istarts(urn, SPAN("urn:urn-7:")))
		return NULL;
	urn = span_skip(urn, 10);
	for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
		struct span name = span_of(refs[i].name);
		if (!span_istarts(urn, name) || (urn.n > name.n && urn.p[name.n] != '.'))
			continue;
		if (!best || name.n > strlen(best->name))
			best = &refs[i];
	}
	return best;
}

static bool clue_from_ref(struct clue *c, struct span urn)
{
	const struct ref *r = ref_of(urn);

	if (!r)
		return false;
	*c = (struct clue){ r->class, r->family, span_of(r->name) };
	return true;
}

/* The first reference we know in a feature tag's value: "urn%3Aurn-7%3A...,urn%3A..."  Cut at commas first: an
 * encoded comma belongs to its reference.  In a capability list (Contact) all that are known must agree. */
static bool clue_from_refs(struct clue *c, struct span list, bool must_agree)
{
	bool found = false;

	if (list.n >= 2 && list.p[0] == '"' && list.p[list.n - 1] == '"')
		list = span_cut(list, 1, list.n - 1);
	while (list.n) {
		char plain[256];
		struct wbuf w = wbuf_on(plain, sizeof(plain));
		struct clue one;

		w_unescape(&w, span_trim(span_split(&list, ',')));
		if (!w_ok(&w) || !clue_from_ref(&one, w_span_of(&w)))
			continue;
		if (!found)
			*c = one;
		else if (must_agree && c->class != one.class)
			return false;
		found = true;
		if (!must_agree)
			return true;
	}
	return found;
}

/* ---- feature tags ---- */

struct tags {
	bool im, large, focus;
	struct clue icsi, iari;
};

/* A tag with the value FALSE says that the feature is absent (RFC 3840 9). */
static bool is_true(struct span value)
{
	return !span_ieq(value, SPAN("\"FALSE\"")) && !span_ieq(value, SPAN("FALSE"));
}

/* Whole names are compared: +g.oma.sip-im is a prefix of the large-message tag (CLASS-4). */
static void read_tags(struct span params, bool capabilities, struct tags *t)
{
	for (struct span name, value; sip_param_next(&params, &name, &value);) {
		struct clue c;

		if (span_ieq(name, SPAN("+g.oma.sip-im")))
			t->im |= is_true(value);
		else if (span_ieq(name, SPAN("+g.oma.sip-im.large-message")))
			t->large |= is_true(value);
		else if (span_ieq(name, SPAN("isfocus")))
			t->focus |= is_true(value);
		else if (span_ieq(name, SPAN("+g.3gpp.icsi-ref")) && !t->icsi.value.n &&
			 clue_from_refs(&c, value, capabilities))
			t->icsi = c;
		else if (span_ieq(name, SPAN("+g.3gpp.iari-ref")) && !t->iari.value.n &&
			 clue_from_refs(&c, value, capabilities))
			t->iari = c;
	}
}

/* The OMA tag for large messages first (CLASS-5), then the service, then the application, then the plain tag. */
static struct clue clue_from_tags(const struct tags *t)
{
	if (t->large)
		return (struct clue){ IM_CLASS_LARGE_MESSAGE, false, SPAN("+g.oma.sip-im.large-message") };
	if (t->icsi.value.n)
		return t->icsi;
	if (t->iari.value.n)
		return t->iari;
	if (t->im)
		return (struct clue){ IM_CLASS_CONVERSATION, true, SPAN("+g.oma.sip-im") };
	return (struct clue){ 0 };
}

static struct clue from_accept_contact(const struct sip_msg *req)
{
	struct sip_iter it = { 0 };
	struct tags t = { 0 };

	for (struct span v; sip_each(req, SIP_H_ACCEPT_CONTACT, &it, &v);) {
		span_split(&v, ';'); /* "*" */
		read_tags(v, false, &t);
	}
	return clue_from_tags(&t);
}

static void contact_tags(const struct sip_msg *req, struct tags *t)
{
	struct sip_iter it = { 0 };
	struct sip_name_addr na;

	for (struct span v; sip_each(req, SIP_H_CONTACT, &it, &v);)
		if (sip_name_addr_parse(&na, v) == 0)
			read_tags(na.params, true, t);
}

/* Contact lists what the device can do; it decides only where nothing asks for a feature and it is not ambiguous
 * (CLASS-5). */
static struct clue from_contact(const struct sip_msg *req, const struct tags *t)
{
	if (sip_has(req, SIP_H_ACCEPT_CONTACT) || (t->im && t->large))
		return (struct clue){ 0 };
	return clue_from_tags(t);
}

/* The first value we know decides (CLASS-7). */
static struct clue from_service(const struct sip_msg *req, enum sip_hdr_id id)
{
	struct sip_iter it = { 0 };
	struct clue c = { 0 };

	for (struct span v; sip_each(req, id, &it, &v);)
		if (clue_from_ref(&c, span_trim(v)))
			break;
	return c;
}

/* ---- Request-URI and SDP ---- */

static bool has_recipient_list(const struct sip_msg *req)
{
	struct sip_body b;
	const char *fault;

	if (sip_lists(req, SIP_H_REQUIRE, SPAN("recipient-list-invite")))
		return true;
	if (req->body.n == 0 || sip_body_parse(&b, req, &fault) != 0)
		return false;
	for (unsigned i = 0; i < b.n; i++)
		if (span_ieq(b.part[i].type, SPAN("application/resource-lists+xml")))
			return true;
	return false;
}

/* Where it says that this is a group, and *what; NULL: it does not. */
static const char *group_kind(const struct sip_msg *req, const struct tags *contact, struct span *what)
{
	static const char *const factories[] = { "conference-factory", "conf-factory", "chatroom-factory" };
	struct sip_uri u;

	*what = SPAN("isfocus");
	if (contact->focus)
		return "Contact";
	*what = req->ruri;
	if (sip_uri_parse(&u, req->ruri) == 0)
		for (size_t i = 0; i < ARRAY_LEN(factories); i++)
			if (span_ieq(u.user, span_of(factories[i])))
				return "Request-URI";
	*what = SPAN("recipient list");
	return has_recipient_list(req) ? "body" : NULL;
}

struct shape {
	unsigned messages, files, others; /* active lines; files are messages too */
	bool message_line;                /* an active one, or a disabled one and nothing active */
	bool one_way;                     /* the (last) message line is sendonly */
};

static void shape_of(const struct sdp *sdp, struct shape *out)
{
	bool disabled = false;

	*out = (struct shape){ 0 };
	for (unsigned i = 0; i < sdp->n_media; i++) {
		struct sdp_msrp m;

		sdp_msrp_of(sdp, i, &m);
		if (!m.active) {
			disabled |= m.is_message;
		} else if (!m.is_message) {
			out->others++;
		} else {
			out->messages++;
			out->files += m.is_file;
			out->one_way = m.dir == SDP_SENDONLY;
		}
	}
	out->message_line = out->messages || (disabled && !out->others);
}

/* ---- the decision ---- */

static void decide(struct im_classified *out, enum im_class class, const char *evidence, struct span detail)
{
	size_t n = detail.n < sizeof(out->detail) - 1 ? detail.n : sizeof(out->detail) - 1;

	out->class = class;
	out->evidence = evidence;
	for (size_t i = 0; i < n; i++)
		out->detail[i] = detail.p[i] >= ' ' && detail.p[i] <= '~' ? detail.p[i] : '?';
	out->detail[n] = '\0';
}

/* Rules 1 to 4 of CLASS-3. */
static struct clue stated(const struct im_conf *conf, const struct sip_msg *req, bool trusted,
			  const struct tags *contact, const char **evidence)
{
	struct clue c = { 0 };

	*evidence = "P-Asserted-Service";
	if (trusted)
		c = from_service(req, SIP_H_P_ASSERTED_SERVICE);
	if (!c.value.n) {
		*evidence = "Accept-Contact";
		c = from_accept_contact(req);
	}
	if (!c.value.n) {
		*evidence = "Contact";
		c = from_contact(req, contact);
	}
	if (!c.value.n && conf->trust_preferred_service) {
		*evidence = "P-Preferred-Service";
		c = from_service(req, SIP_H_P_PREFERRED_SERVICE);
	}
	return c;
}

void classify(const struct im_conf *conf, const struct sip_msg *req, const struct sdp *sdp, bool trusted,
	      struct im_classified *out)
{
	struct tags contact = { 0 };
	struct shape shape = { .message_line = true }; /* no offer: nothing speaks against it (CLASS-9) */
	const char *evidence, *group;
	struct span what;

	*out = (struct im_classified){ 0 };
	if (req->method == SIP_MESSAGE) {
		decide(out, IM_CLASS_PAGER, "method", req->method_name);
		return;
	}
	contact_tags(req, &contact);
	struct clue c = stated(conf, req, trusted, &contact, &evidence);
	if (c.value.n && !c.family) {
		decide(out, c.class, evidence, c.value);
		return;
	}
	if (sdp)
		shape_of(sdp, &shape);
	if (!c.value.n && !shape.message_line)
		decide(out, IM_CLASS_NOT_IM, "default", SPAN("no m=message"));
	else if ((group = group_kind(req, &contact, &what)))
		decide(out, IM_CLASS_GROUP, group, what);
	else if (shape.files && shape.files == shape.messages)
		decide(out, IM_CLASS_FILE_TRANSFER, "SDP", SPAN("a=file-selector"));
	else if (c.value.n)
		decide(out, c.class, evidence, c.value);
	else if (shape.messages == 1 && shape.one_way)
		decide(out, IM_CLASS_LARGE_MESSAGE, "SDP", SPAN("a=sendonly"));
	else
		decide(out, IM_CLASS_CONVERSATION, "default", sdp ? SPAN("m=message") : SPAN("no offer"));
}
