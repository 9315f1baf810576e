#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Does parley-load notice?  It is run through a relay with one fault and must say so; through one without it must not.
#
#	load.sh FAULTY PARLEY-LOAD
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
[ $# = 2 ] || { sed -n '3,6p' "$0" >&2 && exit 2; }
faulty=$1 load=$2 relay='' bad=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/parley-load.XXXXXX") || exit 1
end_relay() {
	[ -z "$relay" ] || { kill "$relay" && wait "$relay"; } 2>/dev/null
	relay=''
}
trap 'end_relay; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# expect RC TEXT WHAT COMMAND...: its exit status, and a word of what it says about it.
expect() {
	local want=$1 text=$2 what=$3 rc
	shift 3
	"$@" >"$tmp/out" 2>&1
	rc=$?
	if [ $rc = "$want" ] && grep -q "$text" "$tmp/out"; then
		echo "ok: $what"
	else
		echo "FAIL: $what: exit $rc, not $want with '$text':"
		head -n 12 "$tmp/out"
		bad=1
	fi
	end_relay
}

# tcp FAULT RC TEXT
tcp() {
	local a b
	port a && port b
	"$faulty" tcp "$a" "$b" "$1" &
	relay=$!
	wait_open $relay tcp "$a" || { echo "the relay did not start" && exit 1; }
	expect "$2" "$3" "bytes: $1" "$load" msrp --direct 127.0.0.1:"$a" --listen 127.0.0.1:"$b" --size 1000,30000 \
		--total 2M --reports --timeout 2
}

# udp FAULT RC TEXT
udp() {
	local a b far
	port a && port b && port far
	"$faulty" udp "$a" "$b" "$far" "$1" &
	relay=$!
	wait_open $relay udp "$b" || { echo "the relay did not start" && exit 1; }
	expect "$2" "$3" "datagrams: $1" "$load" sip --to 127.0.0.1:"$a" --far-port "$far" --count 300 --warm-up 0
}

tcp none 0 'messages          [1-9]'
tcp flip 1 'not every message arrived'
tcp lose 1 'not every message arrived'
tcp twice 1 'not every message arrived'
tcp silence 1 'nothing moves any more'
udp none 0 'seen on far side  300'
udp alter 1 'the other side wrote a=send'
udp lose 0 'sent again        [1-9]'
udp twice 0 'seen on far side  300'
expect 2 'want ADDRESS:PORT' 'usage: an address without a port' "$load" sip --to 127.0.0.1
expect 2 'not within' 'usage: a port too large' "$load" sip --to 127.0.0.1:1 --far-port 70000
expect 0 'Exit status' 'usage: help' "$load" msrp --help
exit $bad
