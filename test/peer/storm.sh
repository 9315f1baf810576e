#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The storm: parleyd on loopback, sessions at full speed in both directions, each modified many times a second
# (parley-load storm).  At the end nothing may be left in the server: no session, no connection, no transaction.
#
#	storm.sh PARLEYD PARLEY-LOAD [--acknowledge end|hop] [--tls none|client|both] [options of parley-load storm]
#
# Exit: 0 good, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
[ $# -ge 2 ] || { sed -n '3,9p' "$0" >&2 && exit 2; }
parleyd=$1 load=$2 acknowledge=end core=same
shift 2
for program in "$parleyd" "$load"; do
	[ -x "$program" ] || { echo "no $program" && exit 77; }
done
if [ "${1-}" = --acknowledge ]; then
	acknowledge=$2
	shift 2
	[ "$acknowledge" = end ] || set -- --hop "$@"
fi
# With "client" the far side stays with TCP, whatever the client has.
[[ " $* " != *" --tls client "* ]] || core=tcp
# What AddressSanitizer keeps of freed memory, and its shadow, is not the server's.
! grep -q __asan_init "$parleyd" || set -- --memory 512M "$@"
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4

tmp=$(mktemp -d "${TMPDIR:-/tmp}/parley-storm.XXXXXX") || exit 1
server=''
cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	wait
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ulimit -n "$(ulimit -Hn)" 2>/dev/null
port sip_port && port msrp_port && port tls_port && port far_port && port mgmt_port
cat >"$tmp/parleyd.yaml" <<YAML
sip:
  listen: ["udp:127.0.0.1:$sip_port"]
  next_hop: "sip:127.0.0.1:$far_port"
im:
  served_domains: ["example.com"]
  media:
    max_chats: 4
    allow_downgrade: true
    chat_max_size: 10M
msrp:
  listen: ["tcp:127.0.0.1:$msrp_port", "tls:127.0.0.1:$tls_port"]
  transport: { client: same, core: $core }
  acknowledge: $acknowledge
mgmt:
  listen: "127.0.0.1:$mgmt_port"
log:
  level: warn
YAML
"$parleyd" -c "$tmp/parleyd.yaml" >"$tmp/parleyd.log" 2>&1 </dev/null &
server=$!
wait_open $server udp "$sip_port" || { echo "parleyd did not start:" && cat "$tmp/parleyd.log" && exit 1; }

# metric NAME: its value now.
metric() {
	local line
	exec 3<>"/dev/tcp/127.0.0.1/$mgmt_port" || return 1
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3
	while read -r line <&3; do
		case $line in "$1 "*) echo "${line#* }" ;; esac
	done
	exec 3>&-
}

bad=0
"$load" storm --to 127.0.0.1:"$sip_port" --far-port "$far_port" --pid $server "$@" || bad=1
if kill -0 $server 2>/dev/null; then
	for name in sessions msrp_sessions msrp_connections net_msrp_connections; do
		left=none
		for ((i = 0; i < 100; i++)); do # closing a connection takes a moment
			left=$(metric "parley_$name" | tr -d '\r')
			[ "${left:-none}" != 0 ] || break
			sleep 0.1
		done
		[ "$left" = 0 ] || { echo "left in the server: $name $left" && bad=1; }
	done
else
	echo "parleyd is gone" && bad=1
fi
kill -TERM $server 2>/dev/null
wait $server
rc=$?
server=''
[ $rc = 0 ] || { echo "parleyd ended with $rc on SIGTERM" && bad=1; }
[ $bad = 0 ] || { echo "--- parleyd.log" && head -n 40 "$tmp/parleyd.log"; }
exit $bad
