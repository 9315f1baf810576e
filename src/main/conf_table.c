/* SPDX-License-Identifier: MIT */
/* Every key: parser, range check, --show-config, --help-config and parleyd.conf(5) all read this one table. */
#include "main/conf_set.h"

#define FIELD(f) offsetof(struct conf, f), sizeof(((struct conf *)0)->f)
#define NO_FIELD 0, 0

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

const char conf_builtin[] = "im: { served_domains: [\"example.com\"] }\n"
			    "mgmt: { listen: \"127.0.0.1:8060\" }\n";

/* clang-format off */
const struct conf_item conf_items[] = {
{ "sip.listen", CONF_LIST, 1, IM_LISTEN_MAX, "udp:ADDRESS:PORT, or the same with tcp:, tls:, ws: or wss:",
  "udp:127.0.0.1:5060 tcp:127.0.0.1:5060", NO_FIELD, conf_set_sip_listen,
  "Where SIP arrives. An IPv6 address stands in brackets. Port 0 takes any free port. tls: and wss: need sip.tls. ws: and wss: are WebSocket, for clients in a browser; not with im.mode proxy, "
  "which keeps nothing by which a request inside a dialog would find the connection its client opened (RFC 5626)." },
{ "sip.advertise", CONF_LIST, 0, IM_LISTEN_MAX, "HOST or HOST:PORT", "", NO_FIELD, conf_set_sip_advertise,
  "What Via and Contact say instead of the address listened on: one for all of sip.listen, or one for each "
  "in the same order. Needed where sip.listen says 0.0.0.0 or [::]." },
{ "sip.trusted", CONF_LIST, 0, IM_TRUSTED_MAX, "ADDRESS or ADDRESS/BITS", "127.0.0.0/8 ::1/128", NO_FIELD,
  conf_set_trusted,
  "Peers that belong to the SIP/IP core: only their P- headers count, and only to them are such headers sent." },
{ "sip.trusted_names", CONF_LIST, 0, IM_TRUSTED_NAMES_MAX, "a domain name", "", NO_FIELD, conf_set_trusted_name,
  "Next hops given by a name belong to the SIP/IP core when the name is one of these or below one of them, or is that of "
  "sip.next_hop; what comes from them is judged by its address all the same (sip.trusted)." },
{ "sip.next_hop", CONF_TEXT, 0, 255, "a SIP URI", "", FIELD(im.next_hop), conf_set_next_hop,
  "Where requests go that carry no Route beyond ours. Empty: where their Request-URI says; so always inside a dialog." },
{ "sip.dns.servers", CONF_LIST, 0, 8, "ADDRESS or ADDRESS:PORT", "", NO_FIELD, conf_set_dns_server,
  "Name servers to ask. Empty: those of the system." },
{ "sip.dns.timeout", CONF_MS, 100, MINUTE, NULL, "2s", FIELD(net.dns_timeout_ms), NULL,
  "A name server that does not answer within this is asked again, and then the next, each round with more patience." },
{ "sip.dns.avoid", CONF_MS, 1000, HOUR, NULL, "1m", FIELD(net.dns_avoid_ms), NULL,
  "A SIP server that failed (503, no answer, no way to it) is for this long only the last choice where a name has several "
  "(RFC 3263)." },
{ "sip.tls.certificate", CONF_TEXT, 0, 255, "a PEM file", "", FIELD(tls.certificate), conf_set_line,
  "Our certificate, followed by those between it and the authority. It must name what sip.advertise says." },
{ "sip.tls.key", CONF_TEXT, 0, 255, "a PEM file", "", FIELD(tls.key), conf_set_line,
  "The private key of that certificate, without a passphrase." },
{ "sip.tls.ca", CONF_TEXT, 0, 255, "a PEM file or a directory", "", FIELD(tls.ca), conf_set_line,
  "Authorities whose certificates are believed. Empty: those of the system." },
{ "sip.tls.require_clients", CONF_BOOL, 0, 0, NULL, "false", FIELD(tls.require_clients), NULL,
  "Who connects by TLS must show a certificate of one of the authorities." },
{ "sip.tls.verify_servers", CONF_BOOL, 0, 0, NULL, "true", FIELD(tls.verify_servers), NULL,
  "Who we connect to by TLS must show a certificate of one of the authorities for the name, or the address, we "
  "called (RFC 5922)." },
{ "sip.message_max", CONF_SIZE, 2048, 1024 * 1024, NULL, "65536", FIELD(net.sip_message_max), NULL,
  "Largest header section, and largest body, of a message on a TCP connection." },
{ "sip.connections_max", CONF_INT, 1, 1000000, NULL, "4096", FIELD(net.sip_connections_max), NULL,
  "SIP connections open at once; further peers wait to be accepted." },
{ "sip.transactions_max", CONF_INT, 100, 10000000, NULL, "100000", FIELD(im.sip_transactions_max), NULL,
  "SIP transactions without a final answer at once; above it new dialogs get 503." },
{ "sip.untrusted_rate", CONF_INT, 0, 1000000, NULL, "100", FIELD(im.untrusted_rate), NULL,
  "Requests a second, outside of dialogs, from one address (or IPv6 /64) that is not in sip.trusted; above it 503. Twice as many "
  "may come at once. 0: no limit." },
{ "sip.overload_delay", CONF_MS, 0, 10 * 1000, NULL, "250ms", FIELD(im.overload_delay_ms), NULL,
  "When all that arrives has waited this long to be handled, for half a second, new dialogs get 503 until the wait is down to a half; "
  "at four times as much the requests inside dialogs get 500, but for BYE and PRACK. 0: never." },
{ "sip.idle", CONF_MS, 10 * 1000, 24 * HOUR, NULL, "10m", FIELD(net.sip_idle_ms), NULL,
  "A SIP connection without traffic for this long is closed." },
{ "sip.message_wait", CONF_MS, 1000, 5 * MINUTE, NULL, "10s", FIELD(net.sip_header_ms), NULL,
  "A message begun on a SIP connection, and the first one after a peer connected, must be complete within this." },
{ "websocket.origins", CONF_LIST, 0, 64, "an origin such as https://chat.example.com, or *", "", NO_FIELD,
  conf_set_origin,
  "Pages that may connect by WebSocket, as their browser names them. Empty: all. A client that names no origin is no "
  "page and may." },
{ "im.mode", CONF_ENUM, 0, 0, "proxy unanchored anchored", "anchored", FIELD(im.mode), NULL,
  "How sessions are handled: anchored means a back-to-back user agent that is in the path of the MSRP "
  "messages too; unanchored, one that is not: Media Parameters are judged, but pass end to end to the byte, the peers "
  "connect to each other, and nothing in msrp may be set; proxy, a SIP proxy that stays on the path of the requests and "
  "changes no body, so that nothing is judged, and nothing in msrp and im.media may be set." },
{ "im.served_domains", CONF_LIST, 0, IM_DOMAINS_MAX, "a domain name", "", NO_FIELD, conf_set_domain,
  "Domains of our users. Without other evidence a request to one of them is handled for the recipient, a "
  "request from one of them for the sender." },
{ "im.route_markers", CONF_LIST, 2, 2, "a user part of our Route URI", "orig term", NO_FIELD, conf_set_marker,
  "User parts of our own URI in the topmost Route by which the core says that a request is handled for its "
  "sender (first) or its recipient (second)." },
{ "im.profile", CONF_ENUM, 0, 0, "plain 3gpp 3gpp2", "plain", FIELD(im.profile), NULL,
  "What the SIP/IP core is. 3gpp and 3gpp2: an IMS, so that a session it sent without charging identifier gets one, what the "
  "server says itself repeats it, and a registration it tells us of is answered. plain: nothing of that." },
{ "im.ioi", CONF_TEXT, 0, 63, "an operator's name", "", FIELD(im.ioi), conf_set_quoted,
  "Who we are in P-Charging-Vector towards an IMS core (inter operator identifier of type 3). Empty: not said." },
{ "im.sessions_max", CONF_INT, 1, 1000000, NULL, "20000", FIELD(im.sessions_max), NULL,
  "Sessions at once; above it new ones get 503." },
{ "im.sessions_per_user", CONF_INT, 0, 1000000, NULL, "0", FIELD(im.sessions_per_user), NULL,
  "Sessions of one served user at once; above it new ones get 486. 0: as many as there may be." },
{ "im.registrations_max", CONF_INT, 0, 1000000, NULL, "20000", FIELD(im.registrations_max), NULL,
  "Users of whose registration the core told us that are kept until it runs out, for /api/v1/registrations; of more the "
  "REGISTER is answered all the same." },
{ "im.server_token", CONF_TEXT, 0, 63, "product tokens", "IM-serv/OMA1.0 parley/0.1", FIELD(im.server_token),
  conf_set_line, "Value of the Server and User-Agent headers we add." },
{ "im.anchor_optional", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.anchor_optional), NULL,
  "With mode anchored: where there is no room for a session's user plane, set it up unanchored instead of refusing it "
  "with 503." },
{ "im.own_origin", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.own_origin), NULL,
  "Out of the media path, write the o= line of every session description ourselves instead of passing it. Always so with "
  "im.single_early_dialog." },
{ "im.not_im", CONF_ENUM, 0, 0, "pass reject", "pass", FIELD(im.not_im_reject), NULL,
  "An INVITE that is no instant messaging: passed, its session unanchored whatever im.mode says, or refused with 488." },
{ "im.pager_max_size", CONF_SIZE, 0, 65536, NULL, "1300", FIELD(im.pager_max_size), NULL,
  "Largest body of a MESSAGE outside a session; what is larger gets 413 and belongs into one. 0: no limit." },
{ "im.large_message_wait", CONF_MS, 0, HOUR, NULL, "60s", FIELD(im.large_wait_ms), NULL,
  "A session for one large message is ended when, after the message was delivered, its sender has not done so for this long. "
  "0: never." },
{ "im.trust_preferred_service", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.trust_preferred_service), NULL,
  "Let P-Preferred-Service of an untrusted peer decide what kind of session it is." },
{ "im.update_guard", CONF_MS, 1000, 30 * 1000, NULL, "20s", FIELD(im.update_guard_ms), NULL,
  "How long the far side may take to answer a change that came as UPDATE." },
{ "im.implicit_ack", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.implicit_ack), NULL,
  "Let a re-INVITE stand for the missing ACK of the one before, where that ACK had nothing to carry." },
{ "im.prefer_update", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.prefer_update), NULL,
  "Pass a re-INVITE on as UPDATE, to peers that take it, where it changes ports, paths and directions only." },
{ "im.absorb_491", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.absorb_491), NULL,
  "When a passed-on re-INVITE is answered 491, wait and send it once more instead of forwarding the 491." },
{ "im.map_3xx_in_dialog", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.map_3xx_in_dialog), NULL,
  "Turn a 3xx answer to a change into 488." },
{ "im.session_timer.expires", CONF_S, 0, 86400, NULL, "1800", FIELD(im.session_expires_s), NULL,
  "How long a session may go without a sign of life on either side (RFC 4028), refreshed at half of it: what we ask of "
  "peers, and the most we grant them. From 90 on; 0: timers run only where a peer asks for one." },
{ "im.session_timer.min_se", CONF_S, 90, 86400, NULL, "90", FIELD(im.min_se_s), NULL,
  "The shortest such interval: a request for less is refused with 422." },
{ "im.single_early_dialog", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.single_early_dialog), NULL,
  "Show the inviting side one early dialog, however many devices ring: for clients that cannot tell them apart." },
{ "im.media.accept_types", CONF_LIST, 1, 64, "a MIME type, type/* or *", "*", NO_FIELD, conf_set_accept_type,
  "MIME types the server accepts in messages." },
{ "im.media.max_size", CONF_SIZE, 0, 1ull << 40, NULL, "10485760", FIELD(im.max_size), NULL,
  "Largest message or file in bytes; 0: no limit." },
{ "im.media.chat_max_size", CONF_SIZE, 0, 1ull << 40, NULL, "4194304", FIELD(im.chat_max_size), NULL,
  "Largest message of a chat, where no file is transferred (RFC 5547), if that is less; 0: as im.media.max_size." },
{ "im.media.min_max_size", CONF_SIZE, 1, 1ull << 40, NULL, "1", FIELD(im.min_max_size), NULL,
  "A media line whose max-size is smaller is refused." },
{ "im.media.max_streams", CONF_INT, 1, PLANE_LINES_MAX, NULL, "4", FIELD(im.max_streams), NULL,
  "Active m=message lines of a session." },
{ "im.media.max_chats", CONF_INT, 1, PLANE_LINES_MAX, NULL, "1", FIELD(im.max_chats), NULL,
  "How many of them may be chat, not file transfer." },
{ "im.media.file_transfer", CONF_BOOL, 0, 0, NULL, "true", FIELD(im.file_transfer), NULL,
  "Accept file transfer lines (RFC 5547)." },
{ "im.media.other_media", CONF_ENUM, 0, 0, "reject pass", "reject", FIELD(im.audio_video_pass), NULL,
  "Audio, video and other lines beside the messages: refused with 488, or passed end to end." },
{ "im.media.enforce_peer_max_size", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.plane.enforce_peer_max_size), NULL,
  "Refuse with 413 what is larger than the receiving peer said it takes (max-size), not only what im.media.max_size "
  "forbids. RFC 4975 calls it a hint." },
{ "im.media.cpim", CONF_ENUM, 0, 0, "pass adapt", "pass", FIELD(im.plane.cpim_adapt), NULL,
  "A side that takes message/cpim only beside one that does not take it: pass, each must know what the other takes; adapt, "
  "we put messages into CPIM envelopes and take them out." },
{ "im.media.cpim_notifications", CONF_ENUM, 0, 0, "lose refuse", "lose", FIELD(im.plane.cpim_notifications_refuse), NULL,
  "With cpim adapt: a message that asks for notifications (RFC 5438) loses the wish when it is taken out of its envelope, or "
  "is refused with 415." },
{ "im.media.check_cpim_from", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.check_cpim_from), NULL,
  "Refuse with 403 the message/cpim of a client whose From is not its asserted identity, or not anonymous where it "
  "asked for privacy." },
{ "im.media.judge", CONF_ENUM, 0, 0, "strict partial", "strict", FIELD(im.partial), NULL,
  "An offer with some acceptable and some unacceptable lines: refused with 488, or passed on without the "
  "unacceptable ones." },
{ "im.media.chatroom", CONF_BOOL, 0, 0, NULL, "true", FIELD(im.plane.chatroom), NULL,
  "Let a=chatroom cross, and NICKNAME where it did (RFC 7701). Otherwise NICKNAME is refused with 501." },
{ "im.media.strict_origin", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.strict_origin), NULL,
  "Refuse an offer whose o= line does not continue the one before." },
{ "im.media.allow_downgrade", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.allow_downgrade), NULL,
  "Let a change turn msrps into msrp." },
{ "im.media.deny_loopback", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.deny_loopback), NULL,
  "Refuse paths that point at a loopback address. Set it where peers are not on this machine." },
{ "msrp.listen", CONF_LIST, 1, CONF_MSRP_LISTEN_MAX, "tcp:ADDRESS:PORT, or the same with tls:, ws: or wss:", "tcp:127.0.0.1:2855",
  NO_FIELD, conf_set_msrp_listen,
  "Where MSRP connections arrive. The first of each kind is the one our path URIs name; to peers of the other address family "
  "(IPv4, IPv6), the first of that kind and family. Port 0 takes any free port. tls: is "
  "msrps; without one a TLS line is refused, without tcp: one that is not TLS. ws: and wss: are WebSocket, for clients "
  "in a browser; wss: shows the certificate of sip.tls." },
{ "msrp.advertise", CONF_LIST, 0, CONF_MSRP_LISTEN_MAX, "HOST or HOST:PORT", "", NO_FIELD, conf_set_msrp_advertise,
  "What our path URIs name instead of the addresses of msrp.listen: one host for all of them (its port, if given, is for the "
  "first), or one entry for each in the same order." },
{ "msrp.transport.client", CONF_ENUM, 0, 0, "same tcp tls", "same", FIELD(im.plane.transport[SIDE_A]), NULL,
  "What carries a new message line that we offer to a client: what the core offered us, or always TCP, or always TLS. "
  "A line that goes on changes only where the other side changes it, and never against tcp or tls here." },
{ "msrp.transport.core", CONF_ENUM, 0, 0, "same tcp tls", "same", FIELD(im.plane.transport[SIDE_B]), NULL,
  "The same for what we offer to the core, which the client offered us." },
{ "msrp.tls.certificate", CONF_TEXT, 0, 255, "a PEM file", "", FIELD(msrp_tls.certificate), conf_set_line,
  "Our certificate for msrps, followed by those between it and the authority. Empty: that of sip.tls; where there is "
  "none either, one is made at each start, which serves peers that go by the fingerprint in our SDP." },
{ "msrp.tls.key", CONF_TEXT, 0, 255, "a PEM file", "", FIELD(msrp_tls.key), conf_set_line,
  "The private key of that certificate, without a passphrase." },
{ "msrp.tls.ca", CONF_TEXT, 0, 255, "a PEM file or a directory", "", FIELD(msrp_tls.ca), conf_set_line,
  "Authorities that are believed where SDP has no fingerprint. Empty: those of sip.tls.ca, else those of the system." },
{ "msrp.tls.names", CONF_BOOL, 0, 0, NULL, "true", FIELD(im.plane.tls_names), NULL,
  "Accept a TLS line without fingerprint where we are the ones to connect: then the certificate must come from an authority "
  "and name the host of the path. Without: only fingerprints." },
{ "msrp.tls.sha1", CONF_BOOL, 0, 0, NULL, "false", FIELD(im.plane.sha1), NULL,
  "Let fingerprints by SHA-1 and SHA-224 count where a peer gives no better one. MD5 and MD2 never count (RFC 8122)." },
{ "msrp.tls.fingerprints", CONF_ENUM, 0, 0, "safe any", "safe", FIELD(im.plane.prints_from_any), NULL,
  "Whose fingerprints count: of peers in sip.trusted and of those that speak SIP over TLS, or anyone's." },
{ "msrp.acknowledge", CONF_ENUM, 0, 0, "hop end", "end", FIELD(im.plane.ack_end), NULL,
  "What our 200 to a message means: end, the far side has it; hop, we have it." },
{ "msrp.cema", CONF_ENUM, 0, 0, "off client core both", "off", FIELD(im.plane.cema), NULL,
  "On which side MSRP connections go by c= and port instead of the path (RFC 6714), where a border element rewrites "
  "those: the client's, the core's." },
{ "msrp.connections_max", CONF_INT, 1, 1000000, NULL, "100000", FIELD(im.plane.connections_max), NULL,
  "MSRP connections open at once; further peers wait to be accepted." },
{ "msrp.unbound_per_source_max", CONF_INT, 1, 1000000, NULL, "100", FIELD(im.plane.unbound_per_source_max), NULL,
  "Connections of one address that have not yet shown a session they belong to." },
{ "msrp.queue_max", CONF_SIZE, 4096, 64 * 1024 * 1024, NULL, "262144", FIELD(im.plane.queue_max), NULL,
  "Bytes held per end while its connection is not there; then the sender is no longer read." },
{ "msrp.connect_wait", CONF_MS, 1000, MINUTE, NULL, "10s", FIELD(net.connect_ms), NULL,
  "How long connecting to one address may take." },
{ "msrp.bind_wait", CONF_MS, 1000, 10 * MINUTE, NULL, "30s", FIELD(im.plane.bind_wait_ms), NULL,
  "How long a new connection may take to show its session, and a session to get its connection." },
{ "msrp.drain", CONF_MS, 1000, 10 * MINUTE, NULL, "60s", FIELD(im.plane.drain_ms), NULL,
  "How long the path before a change goes on for messages and reports still under way." },
{ "msrp.end_bound", CONF_MS, 1000, 29 * 1000, NULL, "20s", FIELD(im.plane.end_bound_ms), NULL,
  "With acknowledge end: how long the far side may take before the sender is told 408. Senders wait 30 s." },
{ "msrp.resend_max", CONF_SIZE, 0, 64 * 1024 * 1024, NULL, "65536", FIELD(im.plane.resend_max), NULL,
  "Bytes kept per end of what its peer has not confirmed yet, to be sent again should the connection be lost. Of a "
  "message larger than that nothing is kept. What is not kept is then told to its sender: 408. 0: nothing is kept." },
{ "msrp.repair", CONF_ENUM, 0, 0, "wait reconnect reinvite reinvite_always", "reconnect", FIELD(im.plane.repair), NULL,
  "What we do when a connection is lost: wait for the peer; connect again where we had connected; or offer a new path in "
  "a re-INVITE, where we had connected or always. The peer may come back or re-INVITE in any case." },
{ "msrp.repair_wait", CONF_MS, 1000, 10 * MINUTE, NULL, "30s", FIELD(im.plane.repair_wait_ms), NULL,
  "How long a session may be without its connection; then it is ended." },
{ "msrp.keepalive", CONF_MS, 0, HOUR, NULL, "0", FIELD(im.plane.keepalive_ms), NULL,
  "How often an IM Client is sent an empty message, so that address translators keep its connection; when it is not "
  "answered within 30 s, the connection counts as lost. 0: never. TCP keepalive runs in any case." },
{ "store.kind", CONF_ENUM, 0, 0, "memory !lmdb !redis", "memory", NO_FIELD, NULL,
  "Where sessions are kept: memory, they end with the process." },
{ "mgmt.listen", CONF_TEXT, 0, 63, "ADDRESS:PORT", "", NO_FIELD, conf_set_mgmt_listen,
  "Where /metrics, /healthz and /api/v1 are served over HTTP. Empty: nowhere. There is no access control: keep "
  "it on an address only operators reach." },
{ "log.level", CONF_ENUM, 0, 0, "error warn notice info debug", "notice", FIELD(log_level), NULL,
  "What is written to standard error: this and what is graver." },
{ "drain_s", CONF_S, 0, 3600, NULL, "30", FIELD(drain_s), NULL,
  "After SIGTERM: how long sessions may end by themselves before they are ended." },
};
/* clang-format on */

const unsigned conf_n_items = ARRAY_LEN(conf_items);
_Static_assert(ARRAY_LEN(conf_items) <= CONF_ITEMS_MAX, "CONF_ITEMS_MAX too small");

int conf_item_index(struct span key)
{
	for (unsigned i = 0; i < conf_n_items; i++)
		if (span_eq(span_of(conf_items[i].key), key))
			return (int)i;
	return -1;
}

bool conf_is_section(struct span key)
{
	for (unsigned i = 0; i < conf_n_items; i++) {
		struct span have = span_of(conf_items[i].key);
		if (have.n > key.n && have.p[key.n] == '.' && span_starts(have, key))
			return true;
	}
	return false;
}

enum { SIMILAR_LEN_MAX = 40, SIMILAR_EDITS = 2 };

/* Edits that make a into b (Levenshtein); both at most SIMILAR_LEN_MAX long. */
static unsigned edits(struct span a, struct span b)
{
	unsigned row[SIMILAR_LEN_MAX + 1];

	for (unsigned k = 0; k <= b.n; k++)
		row[k] = k;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned corner = row[0]++;
		for (unsigned k = 1; k <= b.n; k++) {
			unsigned swap = corner + (a.p[i - 1] != b.p[k - 1]);
			unsigned least = row[k] < row[k - 1] ? row[k] + 1 : row[k - 1] + 1;
			corner = row[k];
			row[k] = swap < least ? swap : least;
		}
	}
	return row[b.n];
}

static struct span last_part(struct span key)
{
	for (size_t i = key.n; i > 0; i--)
		if (key.p[i - 1] == '.')
			return span_skip(key, i);
	return key;
}

const char *conf_similar(struct span key)
{
	const char *best = NULL;
	unsigned least = SIMILAR_EDITS + 1;

	if (key.n > SIMILAR_LEN_MAX)
		return NULL;
	for (unsigned i = 0; i < conf_n_items; i++) {
		struct span have = span_of(conf_items[i].key);
		unsigned d = edits(key, have);
		if (span_eq(last_part(key), last_part(have))) /* right name, wrong section */
			d = d < SIMILAR_EDITS ? d : SIMILAR_EDITS;
		if (d < least) {
			least = d;
			best = conf_items[i].key;
		}
	}
	return best;
}
