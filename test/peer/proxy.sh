#!/bin/bash
# SPDX-License-Identifier: MIT
#
# parleyd in mode proxy between two SIPp, one the IM Client and one the controlling side.  The cases are those of
# cases.sh that a proxy is not to meddle with; what each side checks there to be the server's description must here be
# the other side's own.  One parleyd serves them all, and must have forgotten everything at the end.
#
#	proxy.sh udp|tcp PARLEYD [CASE...]
#
# Exit: 0 good, 77 there is no SIPp here, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
# shellcheck source=test/peer/cases.sh
source "$here/cases.sh"

[ $# -ge 2 ] || { sed -n '3,11p' "$0" >&2 && exit 2; }
transport=$1 parleyd=$2
shift 2
[ $# -gt 0 ] || set -- client-hangs-up far-hangs-up refused client-reinvite client-update client-reinvite-488-there \
	client-update-488-there client-reinvite-491-there far-reinvite far-update far-update-488-there hold-and-resume \
	client-offerless far-offerless client-cancels far-cancels other-requests info
command -v sipp >/dev/null || { echo "no sipp here" && exit 77; }
[ -x "$parleyd" ] || { echo "no $parleyd" && exit 77; }

scratch proxy
port sip_port && port client_port && port far_port && port mgmt_port
parleyd_start "$transport" "$sip_port" <<YAML || exit 1
sip:
  listen: ["udp:127.0.0.1:$sip_port", "tcp:127.0.0.1:$sip_port"]
  next_hop: "sip:127.0.0.1:$far_port;transport=$transport"
im:
  mode: proxy
  served_domains: ["example.com"]
mgmt:
  listen: "127.0.0.1:$mgmt_port"
YAML

bad=0
settle_ms=0 ruri=sip:bob@cf.example.net calls=10
cd "$tmp" || exit 1
common=(-i 127.0.0.1 -mi 127.0.0.1 -t "${transport:0:1}1" -m "$calls" -nostdin -timeout 240 -timeout_error
	-trace_err -trace_msg -recv_timeout 60000)

# play CASE
play() {
	local method=MESSAGE
	[ "$1" != info ] || method=INFO
	case_load "${1/info/other-requests}" proxy || return 1
	rm -f ./*.err ./*.msg
	# shellcheck disable=SC2086,SC2154  # steps are words; case_load sets them
	scenario alice "${!client_allow}" "$ruri" $client_steps | end_to_end proxy | sed "s/MESSAGE/$method/" >client.xml
	# shellcheck disable=SC2086,SC2154
	scenario bob "${!far_allow}" "$ruri" $far_steps | end_to_end proxy | sed "s/MESSAGE/$method/" >far.xml
	sipp_pair "$transport" "$sip_port" || return 1
	[ "$client_rc/$far_rc" = 0/0 ] && echo "$calls sessions, $1 by $transport: good" && return 0
	echo "$1 by $transport: the client's SIPp ended with $client_rc, the far side's with $far_rc"
	for f in client.err far.err client.msg far.msg; do
		[ ! -s $f ] || { echo "--- $f" && head -n 120 $f; }
	done
	return 1
}

for name in "$@"; do
	play "$name" || bad=1
done

[ "$(http_get "$mgmt_port" /api/v1/sessions | tail -n 1)" = '[]' ] || { echo "a proxy has sessions" && bad=1; }
[ "$(metric "$mgmt_port" proxied)" -gt 0 ] || { echo "nothing was counted" && bad=1; }
parleyd_end || bad=1
[ $bad = 0 ] || { echo "--- parleyd" && cat parleyd.log; }
exit $bad
