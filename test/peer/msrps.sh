#!/bin/bash
# SPDX-License-Identifier: MIT
# msrps.sh PARLEYD PARLEY-UA: MSRP over TLS between two parley-ua and the server in the middle, each with a certificate of its
# own and the fingerprint of the others in SDP: TLS on both legs, TLS on one and TCP on the other, and a session whose
# transport changes to and fro while both sides write (SDP-36, UP-46).
set -euo pipefail
parleyd=$1 ua=$2
here=$(dirname "$(readlink -f "$0")")/../../tools/demo
# shellcheck source=tools/demo/play.sh
source "$here/play.sh"
sip=${port[4]} msrp=${port[5]} host=127.0.0.1
near_via=$host:$sip

# serve CLIENT CORE: a server that offers these transports to its two sides.
serve() {
	parleyd_start udp "$sip" <<-YAML
	sip:
	  listen: ["udp:$host:$sip", "tcp:$host:$sip"]
	  next_hop: "sip:$host:${port[2]}"
	im: { served_domains: ["example.com"], media: { allow_downgrade: true } }
	msrp:
	  listen: ["tcp:$host:$msrp", "tls:$host:0"]
	  transport: { client: $1, core: $2 }
	log: { level: info }
	YAML
}

# talk: two messages each way, short ones and one of several chunks; every one answered before it goes on.
near_talk='send "from the client"
expect msrp 200
expect message "from the core"
fill application/octet-stream 300000
expect msrp 200
expect message'
far_talk='expect message "from the client"
send "from the core"
expect msrp 200
expect message
fill application/octet-stream 200000
expect msrp 200'

# session NAME INVITE NEAR FAR [MODIFICATION...]: INVITE is said of the client's invitation, NEAR and FAR are lines in front of
# the two scripts; both sides talk, and again after each modification by the client.
session() {
	local name=$1 invite=$2 change
	local near=$3$'\n'"invite sip:bob@example.net via \$VIA $invite"$'\nexpect 200\n'$near_talk
	local far=$4$'\nexpect invite within 60000\nanswer 200\n'$far_talk
	shift 4
	for change; do
		near+=$'\n'$change$'\nexpect 200\n'$near_talk
		far+=$'\n'"expect ${change%% *}"$'\n'$far_talk
	done
	play "$name" $host udp <<-SCRIPT
	policy accept-types="*"
	$near
	check bytes
	bye
	expect 200
	----
	policy accept-types="*"
	$far
	expect bye within 60000
	check bytes
	SCRIPT
}
tls="listen msrps:$host:0"

serve same same
session "TLS on both legs, offered by the client" proto=TCP/TLS/MSRP "$tls" "$tls"
session "the client waits for us to connect" proto=TCP/TLS/MSRP "$tls
policy setup=passive" "$tls
policy setup=active"
session "TCP to TLS and back, twice" '' "$tls" "$tls" 'update proto=TCP/TLS/MSRP newpath' 'reinvite proto=TCP/MSRP newpath' \
	'update proto=TCP/TLS/MSRP newpath'
serve tls tcp
session "TLS to the client, TCP to the core, and the client changes" proto=TCP/TLS/MSRP "$tls" '' \
	'update proto=TCP/MSRP newpath' 'update proto=TCP/TLS/MSRP newpath'
check "the server ends with status 0" parleyd_end
echo "1..$n"
exit "$bad"
