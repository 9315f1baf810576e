/* SPDX-License-Identifier: MIT */
/* What a value means, for keys that need more than their type says; see conf_set_fn. */
#ifndef PARLEY_MAIN_CONF_SET_H
#define PARLEY_MAIN_CONF_SET_H

#include "main/conf_table.h"

conf_set_fn conf_set_sip_listen, conf_set_sip_advertise, conf_set_trusted, conf_set_trusted_name,
	conf_set_dns_server, conf_set_next_hop, conf_set_domain, conf_set_marker, conf_set_line,
	conf_set_quoted, conf_set_accept_type, conf_set_msrp_listen, conf_set_origin, conf_set_msrp_advertise,
	conf_set_mgmt_listen;

/* im.listen[].host and port, im.plane.host and port, from addresses and adverts. */
void conf_advertise(struct conf *c);
void conf_share_tls(struct conf *c); /* what msrp.tls leaves open is as in sip.tls */
bool conf_applies(const struct conf *c, const struct conf_item *it); /* does it mean anything in this mode? */
/* What only holds between keys. */
void conf_check_all(struct conf *c);

#endif
