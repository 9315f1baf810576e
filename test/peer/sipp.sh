#!/bin/bash
# SPDX-License-Identifier: MIT
#
# parleyd between two SIPp: one plays the IM Client, one the controlling side, as cases.sh has it.  Each side checks
# what reaches it, so a request of the wrong method, a description that is not the server's, or a wrong answer fails
# the call.
#
# Over tls there is a Kamailio between parleyd and either SIPp (which has no TLS in Debian): it speaks UDP with them and
# TLS with parleyd, each of the two showing a certificate and looking at the other's.
#
# In mode unanchored what each side checks to be the server's description must be the other side's own.
#
#	sipp.sh CASE udp|tcp|tls PARLEYD [unanchored]
#	sipp.sh --list
#
# Exit: 0 good, 77 there is no SIPp here, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
# shellcheck source=test/peer/certificates.sh
source "$here/certificates.sh"
# shellcheck source=test/peer/cases.sh
source "$here/cases.sh"

if [ "${1-}" = --list ]; then
	sed -n 's/ *|.*//p' <<<"$cases"
	exit 0
fi
[ $# = 3 ] || [ $# = 4 ] || { sed -n '3,17p' "$0" >&2 && exit 2; }
name=$1 transport=$2 parleyd=$3 mode=${4-anchored}
case_load "$name" || exit 2
command -v sipp >/dev/null || { echo "no sipp here" && exit 77; }
[ -x "$parleyd" ] || { echo "no $parleyd" && exit 77; }

scratch sipp

settle_ms=0 ruri=sip:bob@cf.example.net
# shellcheck disable=SC2086,SC2154  # steps are words; case_load sets them
scenario alice "${!client_allow}" "$ruri" $client_steps | end_to_end "$mode" >"$tmp/client.xml"
# shellcheck disable=SC2086,SC2154
scenario bob "${!far_allow}" "$ruri" $far_steps | end_to_end "$mode" >"$tmp/far.xml"

# A core of one Kamailio: what comes from parleyd (by TLS) goes to the far side, what begins elsewhere to parleyd.
start_core() {
	local modules=/usr/lib/x86_64-linux-gnu/kamailio/modules
	[ -e $modules/tls.so ] || { echo "no Kamailio with TLS here" && exit 77; }
	port core_port && port core_tls_port
	if ! authority ca || ! identity core ca 127.0.0.1 || ! identity parley ca 127.0.0.1; then
		cat "$tmp/openssl.log"
		exit 1
	fi
	sed "s|@MODULES@|$modules|; s|@UDP@|$core_port|; s|@TLS@|$core_tls_port|; s|@DIR@|$tmp|
		s|@FAR@|$far_port|; s|@PARLEY@|$sip_port|" "$here/sipp/core.cfg" >"$tmp/core.cfg"
	kamailio -DD -E -m 64 -M 8 -f "$tmp/core.cfg" -w "$tmp" -Y "$tmp" >"$tmp/core.log" 2>&1 </dev/null &
	others+=($!)
	wait_open $! tcp "$core_tls_port" || { echo "Kamailio did not start:" && cat "$tmp/core.log" && exit 1; }
}

port sip_port && port msrp_port && port client_port && port far_port
listen="\"udp:127.0.0.1:$sip_port\", \"tcp:127.0.0.1:$sip_port\""
next_hop="sip:127.0.0.1:$far_port;transport=$transport" tls='' near_port=$sip_port peers=$transport
if [ "$transport" = tls ]; then
	start_core
	listen="\"tls:127.0.0.1:$sip_port\"" next_hop="sip:127.0.0.1:$core_tls_port;transport=tls"
	tls="  tls: { certificate: \"$tmp/parley.pem\", key: \"$tmp/parley.key\", ca: \"$tmp/ca.pem\", require_clients: true }"
	near_port=$core_port peers=udp
fi
msrp=''
[ "$mode" != anchored ] || msrp="msrp: { listen: [\"tcp:127.0.0.1:$msrp_port\"] }"
parleyd_start "${transport/tls/tcp}" "$sip_port" <<YAML || exit 1
sip:
  listen: [$listen]
  next_hop: "$next_hop"
$tls
im:
  mode: $mode
  served_domains: ["example.com"]
$msrp
YAML

calls=20
common=(-i 127.0.0.1 -mi 127.0.0.1 -t "${peers:0:1}1" -m "$calls" -nostdin -timeout 240 -timeout_error
	-trace_err -trace_msg -recv_timeout 60000)
cd "$tmp" || exit 1
sipp_pair "$peers" "$near_port" || exit 1

bad=0
complain() {
	echo "$*"
	bad=1
}
[ "$client_rc" = 0 ] || complain "the client's SIPp ended with $client_rc"
[ "$far_rc" = 0 ] || complain "the far side's SIPp ended with $far_rc"
parleyd_end || bad=1
if [ $bad = 1 ]; then
	for f in client.err far.err parleyd.log core.log; do
		[ ! -s $f ] || { echo "--- $f" && head -n 60 $f; }
	done
	echo "--- what the client saw"
	head -n 150 client.msg 2>/dev/null
	echo "--- what the far side saw"
	head -n 150 far.msg 2>/dev/null
	exit 1
fi
echo "$calls sessions, $name over $transport: good"
