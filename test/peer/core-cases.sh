#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The cases of cases.sh in the core of core.sh: the two SIPp are devices of users of a Kamailio, which sends what they
# begin through parleyd twice, for the sender and for the recipient.  So each case sees two sessions of parleyd in a
# row, and ends where it would end with one: who is told what does not depend on how many servers are between.
#
#	core-cases.sh MODE udp|tcp|tls 4|6 PARLEYD [--calls N] [CASE...]
#
# As TAP, one line a case.  The transport is that between core and parleyd; SIPp speaks UDP, or TCP where that is tcp.
# Exit: 0 good, 77 there is no such Kamailio or SIPp here, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
# shellcheck source=test/peer/certificates.sh
source "$here/certificates.sh"
# shellcheck source=test/peer/cases.sh
source "$here/cases.sh"
[ $# -ge 4 ] || { sed -n '3,12p' "$0" >&2 && exit 2; }
# shellcheck disable=SC2034  # world.sh reads them
mode=$1 profile=3gpp transport=$2 family=$3 parleyd=$4 calls=2
shift 4
[ "${1-}" != --calls ] || { calls=$2 && shift 2; }
command -v sipp >/dev/null || { echo "no sipp here" && exit 77; }

scratch cases
# shellcheck source=test/peer/core/world.sh
source "$here/core/world.sh"
start_core && start_parleyd || exit 1

names=("$@")
[ $# -gt 0 ] || mapfile -t names < <(sed -n 's/ *|.*//p' <<<"$cases")
users=() client_ports=() far_ports=()
for name in "${names[@]}"; do
	port client_port && port far_port
	client_ports+=("$client_port") far_ports+=("$far_port")
	users+=("sip:$name@example.com" "$(contact "$far_port")")
done
python3 "$here/core/register.py" "$bare" "$core_port" "${users[@]}" || { cat "$tmp/core.log" && exit 1; }

# play N: the case in a folder of its own; verdict says how it went.
play() {
	local name=${names[$1]} client_port=${client_ports[$1]} far_port=${far_ports[$1]} settle_ms=0 at=${dev_ip//[\[\]]/}
	local common=(-i "$at" -mi "$at" -t "${device:0:1}1" -m "$calls" -nostdin -timeout 60 -timeout_error
		-trace_err -trace_msg -recv_timeout 20000)
	mkdir "$tmp/$name" && cd "$tmp/$name" && case_load "$name" "core-$mode" || return 1
	# shellcheck disable=SC2086,SC2154  # steps are words; case_load sets them
	scenario alice "${!client_allow}" "sip:$name@example.com" $client_steps | end_to_end "$mode" >client.xml
	# shellcheck disable=SC2086,SC2154
	scenario bob "${!far_allow}" "sip:$name@example.com" $far_steps | end_to_end "$mode" >far.xml
	if sipp_pair "$device" "$core_port" "$core_ip" && [ "$client_rc/$far_rc" = 0/0 ]; then
		echo good >verdict
		return
	fi
	echo "the client's SIPp ended with ${client_rc-nothing}, the far side's with ${far_rc-nothing}" >verdict
}

side_by_side=6
for i in "${!names[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge $((side_by_side + 2)) ]; do # Kamailio and parleyd are jobs too
		wait -n
	done
	(play "$i") >"$tmp/play.$i" 2>&1 </dev/null &
	plays+=($!) others+=($!)
done
wait "${plays[@]}"

bad=0
echo "1..$((${#names[@]} + 1))"
for i in "${!names[@]}"; do
	name=${names[$i]}
	line="$((i + 1)) - $name, $mode over $transport, IPv$family"
	if [ "$(cat "$tmp/$name/verdict" 2>/dev/null)" = good ]; then
		echo "ok $line"
		continue
	fi
	echo "not ok $line"
	bad=1
	for f in "$tmp/play.$i" "$tmp/$name"/{verdict,client.err,far.err,client.msg,far.msg}; do
		[ ! -s "$f" ] || { echo "# --- ${f##*/}" && head -n 120 "$f" | sed 's/^/# /'; }
	done
done
# Nothing is left of them, and parleyd ends well.
line="$((${#names[@]} + 1)) - $mode over $transport, IPv$family: the end"
if parleyd_end >"$tmp/end" 2>&1; then
	echo "ok $line"
else
	echo "not ok $line"
	bad=1
	sed 's/^/# /' "$tmp/end"
fi
[ $bad = 0 ] || { tail -n 40 "$tmp/parleyd.log" "$tmp/core.log" | sed 's/^/# /'; }
exit $bad
