#!/bin/bash
# SPDX-License-Identifier: MIT
#
# parleyd in a core: a Kamailio that registers users, asserts who they are, sends every initial request through parleyd
# twice, for its sender and for its recipient, knows it again by the original dialog identifier in its own Route, and
# forks it to all devices of the recipient.  The devices are parley-ua with real MSRP.  Each play: set up, modify from both
# sides, end.
#
#	core.sh MODE|3gpp2 udp|tcp|tls 4|6 PARLEYD PARLEY-UA
#
# What it shows on the wire: IMS-1, IMS-6, ROLE-1, ROLE-2, ROLE-3, ROLE-9, ROLE-10, ROAD-10; with 3gpp2: C2K-1, C2K-4, C2K-5.
#
# 3gpp2: mode anchored with that profile.
#
# The transport is that between core and parleyd; devices speak UDP, or TCP where that is tcp.
# Exit: 0 good, 77 there is no such Kamailio here, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
# shellcheck source=test/peer/certificates.sh
source "$here/certificates.sh"
[ $# = 5 ] || { sed -n '3,17p' "$0" >&2 && exit 2; }
mode=${1/3gpp2/anchored} profile=3gpp transport=$2 family=$3 parleyd=$4 ua=$5
[ "$1" != 3gpp2 ] || profile=3gpp2
scratch core
# shellcheck source=test/peer/core/world.sh
source "$here/core/world.sh"
if ! start_core || ! start_parleyd; then
	exit 1
fi
port alice_port && port alice_msrp && port bob1_port && port bob1_msrp && port bob2_port && port bob2_msrp
port bob3_port && port bob3_msrp
python3 "$here/core/register.py" "$bare" "$core_port" sip:bob@example.com "$(contact "$bob1_port")" \
	sip:bob@example.com "$(contact "$bob2_port")" sip:bob@example.com "$(contact "$bob3_port")" || { cat "$tmp/core.log" && exit 1; }

bad=0 n=0 devices=()
# device NAME SIP-PORT MSRP-PORT: the script of standard input.
device() {
	{
		printf 'name %s core\nidentity sip:%s@example.com\nlisten %s:%s:%s msrp:%s:%s\n' "$1" "${1%[0-9]}" "$device" "$dev_ip" \
			"$2" "$dev_ip" "$3"
		cat
	} >"$tmp/$1.ua"
	"$ua" -u -D VIA="$device:$core_ip:$core_port" "$tmp/$1.ua" >"$tmp/$1.log" 2>&1 </dev/null &
	devices+=($!) others+=($!)
	wait_open $! "$device" "$2" || { echo "$1 did not start:" && cat "$tmp/$1.log"; }
}

# played NAME: all devices have done what their scripts say.
played() {
	local rc=0 pid
	n=$((n + 1))
	for pid in "${devices[@]}"; do
		wait "$pid" || rc=1
	done
	devices=()
	if [ $rc = 0 ]; then
		echo "ok $n - $1, $mode over $transport, IPv$family"
		return
	fi
	echo "not ok $n - $1, $mode over $transport, IPv$family"
	bad=1
	sed 's/^/# /' "$tmp"/alice.log "$tmp"/bob?.log
	tail -n 40 "$tmp/parleyd.log" | sed 's/^/# /'
}

# The recipient has three devices: one answers, one is busy, one rings until it is cancelled.
device bob1 "$bob1_port" "$bob1_msrp" <<'UA'
expect invite
answer 180
wait 200
answer 200
expect message "one"
send "two"
expect msrp 200
expect reinvite
expect update
wait 100
reinvite newpath accept-types="text/plain text/html"
expect 200
update accept-types="text/plain"
expect 200
send "three"
expect msrp 200
expect message "four"
on reinvite 488
send "five"
expect reinvite
expect message "six"
check bytes
wait 100
bye
expect 200
UA
device bob2 "$bob2_port" "$bob2_msrp" <<'UA'
expect invite
answer 180
expect cancel
UA
device bob3 "$bob3_port" "$bob3_msrp" <<'UA'
expect invite
answer 486
UA
device alice "$alice_port" "$alice_msrp" <<'UA'
invite sip:bob@example.com via $VIA
expect 200
send "one"
expect msrp 200
expect message "two"
reinvite accept-types="text/plain text/html text/calendar"
expect 200
update newpath accept-types="text/plain text/html"
expect 200
expect reinvite
expect update
expect message "three"
send "four"
expect msrp 200
expect message "five"
reinvite newpath accept-types="text/plain"
expect 488
send "six"
expect msrp 200
expect bye
UA
played "forked to three devices, one answers; modified from both sides"

# Two answer, since the CANCEL comes too late for the second: it is acknowledged and hung up, by the recipient's parleyd; in
# mode proxy by the caller, who hears both.  The session that stays is changed from both sides.
device bob1 "$bob1_port" "$bob1_msrp" <<'UA'
expect invite
answer 200
expect message "one"
expect update
wait 100
reinvite newpath accept-types="text/plain"
expect 200
send "two"
expect msrp 200
expect bye
UA
device bob2 "$bob2_port" "$bob2_msrp" <<'UA'
on cancel hold
expect invite
expect cancel
answer 200
expect bye
UA
device bob3 "$bob3_port" "$bob3_msrp" <<'UA'
expect invite
answer 480
UA
device alice "$alice_port" "$alice_msrp" <<'UA'
invite sip:bob@example.com via $VIA
expect 200
send "one"
expect msrp 200
update accept-types="text/plain"
expect 200
expect reinvite
expect message "two"
wait 300
bye
expect 200
UA
played "two of three devices answer: the second is hung up"
# hung_up DEVICE COUNT: so many BYE told it that the call was completed elsewhere.
hung_up() {
	[ "$(grep -c 'BYE .*Reason: SIP;cause=200;text="Call completed elsewhere"' "$tmp/$1.log")" = "$2" ]
}
n=$((n + 1))
if hung_up bob2 1 && hung_up bob1 0; then
	echo "ok $n - the second hears why, $mode over $transport, IPv$family"
else
	echo "not ok $n - the second hears why, $mode over $transport, IPv$family"
	bad=1
	grep -h "BYE" "$tmp"/bob?.log | sed 's/^/# /'
fi

device alice "$alice_port" "$alice_msrp" <<'UA'
invite sip:carol@example.com via $VIA
expect 480
UA
played "nobody is registered"

parleyd_end || bad=1
if [ "$mode" != proxy ] && ! grep -q 'registration .*status=200' "$tmp/parleyd.log"; then
	echo "the core told of a registration, and parleyd took none"
	bad=1
fi
[ $bad = 0 ] || { echo "--- Kamailio" && tail -n 40 "$tmp/core.log"; }
echo "1..$n"
exit $bad
