/* SPDX-License-Identifier: MIT */
/* The media lines of an offer as script words describe them; files to be offered and sent. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ua_cmd.h"

const char *ua_type_of_file(const char *path)
{
	static const char *const known[][2] = {
		{ ".jpg", "image/jpeg" },
		{ ".png", "image/png" },
		{ ".txt", "text/plain" },
		{ ".pdf", "application/pdf" },
	};
	const char *dot = strrchr(path, '.');
	for (unsigned i = 0; dot && i < ARRAY_LEN(known); i++)
		if (strcasecmp(dot, known[i][0]) == 0)
			return known[i][1];
	return "application/octet-stream";
}

/* The whole file, malloc'd. */
int ua_read_file(struct ua *ua, const char *path, char **out, size_t *n)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	*out = NULL;
	if (!f || fstat(fileno(f), &st) < 0 || st.st_size > UA_BODY_MAX) {
		int r = ua_fail(ua, "%s: %s", path, f ? "too large" : strerror(errno));
		if (f)
			fclose(f);
		return r;
	}
	*n = (size_t)st.st_size;
	*out = malloc(*n ? *n : 1);
	bool ok = *out && fread(*out, 1, *n, f) == *n;
	fclose(f);
	if (ok)
		return 0;
	free(*out);
	*out = NULL;
	return ua_fail(ua, "%s: cannot be read", path);
}

void ua_chat_line(struct ua *ua, struct ua_desc *d)
{
	memset(d, 0, sizeof(*d));
	d->on = true;
	d->dir = SDP_SENDRECV;
	d->setup = ua->no_setup                  ? SDP_SETUP_NONE
		   : ua->setup == SDP_SETUP_NONE ? SDP_SETUP_ACTPASS
						 : ua->setup;
	ua_set(d->accept_types, sizeof(d->accept_types), ua->accept_types);
	ua_set(d->wrapped_types, sizeof(d->wrapped_types), ua->wrapped_types);
	d->max_size = ua->max_size;
	ua_desc_new_session(ua, d);
}

/* A line for sending this file (RFC 5547 8.1); it takes the slot of a line that is off, if there is one. */
static int file_line(struct ua *ua, struct ua_media *m, const char *path)
{
	char *bytes, hash[64];
	size_t n;
	uint8_t sha[20];
	struct wbuf w = wbuf_on(hash, sizeof(hash) - 1);
	unsigned i = 0;
	while (i < m->n && m->line[i].on)
		i++;
	if (i == UA_LINES_MAX)
		return ua_fail(ua, "no more than %d media lines", UA_LINES_MAX);
	if (ua_read_file(ua, path, &bytes, &n) < 0)
		return -1;
	ua_sha1(bytes, n, sha);
	free(bytes);
	for (unsigned k = 0; k < 20; k++)
		w_fmt(&w, "%s%02X", k ? ":" : "", sha[k]);
	hash[w.n] = 0;
	struct ua_desc *d = &m->line[i];
	ua_chat_line(ua, d);
	if (i == m->n)
		m->n++;
	d->is_file = true;
	d->dir = SDP_SENDONLY;
	d->wrapped_types[0] = 0;
	d->max_size = 0;
	ua_set(d->accept_types, sizeof(d->accept_types), ua_type_of_file(path));
	snprintf(d->selector, sizeof(d->selector), "name:\"%s\" type:%s size:%zu hash:sha-1:%s",
		 ua_basename(path), ua_type_of_file(path), n, hash);
	ua_id(ua, d->file_id, 17);
	return 0;
}

static int line_option(struct ua *ua, struct ua_desc *d, const char *word)
{
	const char *v;
	uint64_t n;
	if ((v = ua_value_of(word, "accept-types"))) {
		ua_set(d->accept_types, sizeof(d->accept_types), v);
	} else if ((v = ua_value_of(word, "wrapped-types"))) {
		ua_set(d->wrapped_types, sizeof(d->wrapped_types), v);
	} else if ((v = ua_value_of(word, "max-size")) && ua_number(v, UINT64_MAX, &n)) {
		d->max_size = n;
	} else if ((v = ua_value_of(word, "proto"))) {
		ua_set(d->proto, sizeof(d->proto), v);
	} else if ((v = ua_value_of(word, "media"))) {
		ua_set(d->media, sizeof(d->media), v);
	} else if ((v = ua_value_of(word, "extra"))) {
		ua_set(d->extra, sizeof(d->extra), v);
	} else if ((v = ua_value_of(word, "port")) && ua_number(v, 65535, &n)) {
		d->bad_port = (uint16_t)n;
	} else if ((v = ua_value_of(word, "direction"))) {
		d->dir = strcmp(v, "sendonly") == 0   ? SDP_SENDONLY
			 : strcmp(v, "recvonly") == 0 ? SDP_RECVONLY
			 : strcmp(v, "inactive") == 0 ? SDP_INACTIVE
						      : SDP_SENDRECV;
	} else if (strcmp(word, "newpath") == 0) {
		ua_desc_new_session(ua, d);
	} else if (strcmp(word, "off") == 0) {
		d->on = false;
	} else {
		return ua_fail(ua, "no such media option: %s", word);
	}
	return 0;
}

/* Changes to m as the words say; a key=value goes to the line named by the line=N before it, else to every chat
 * line. */
int ua_media_options(struct ua *ua, struct ua_media *m, int argc, char **argv, bool *offerless)
{
	int line = -1;
	for (int i = 0; i < argc; i++) {
		const char *v = ua_value_of(argv[i], "line");
		uint64_t n;
		if (strcmp(argv[i], "offerless") == 0) {
			*offerless = true;
		} else if (strcmp(argv[i], "+file") == 0 && i + 1 < argc) {
			if (file_line(ua, m, argv[++i]) < 0)
				return -1;
		} else if (strcmp(argv[i], "+chat") == 0 && m->n < UA_LINES_MAX) {
			ua_chat_line(ua, &m->line[m->n++]);
		} else if (strcmp(argv[i], "-file") == 0) {
			for (unsigned k = 0; k < m->n; k++)
				if (m->line[k].is_file)
					m->line[k].on = false;
		} else if (v) {
			if (!ua_number(v, m->n ? m->n - 1 : 0, &n) || !m->n)
				return ua_fail(ua, "there is no media line %s", v);
			line = (int)n;
		} else {
			for (unsigned k = 0; k < m->n; k++)
				if ((line == (int)k || (line < 0 && !m->line[k].is_file)) &&
				    line_option(ua, &m->line[k], argv[i]) < 0)
					return -1;
		}
	}
	return 0;
}
