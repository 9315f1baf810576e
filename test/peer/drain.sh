#!/bin/bash
# SPDX-License-Identifier: MIT
# drain.sh PARLEYD PARLEY-UA: SIGTERM while a session is up.  It may go on until drain_s is over, then both sides get a
# BYE with its reason, and the server ends with status 0 (UP-52).
set -euo pipefail
parleyd=$1 ua=$2
here=$(dirname "$(readlink -f "$0")")/../../tools/demo
# shellcheck source=tools/demo/play.sh
source "$here/play.sh"
sip=${port[4]} msrp=${port[5]} host=127.0.0.1

# until FILE TEXT: it stands there; fails after 10 s.
until_in() {
	local i
	for ((i = 0; i < 200; i++)); do
		! grep -qF "$2" "$1" 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}

check() {
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		bad=1
		tail -n 20 "$dir"/*.log | sed 's/^/# /'
	fi
}

cat >"$dir/parley.yaml" <<YAML
sip:
  listen: ["udp:$host:$sip", "tcp:$host:$sip"]
  next_hop: "sip:$host:${port[2]}"
im: { served_domains: ["example.com"] }
msrp: { listen: ["tcp:$host:$msrp"] }
drain_s: 1
YAML
"$parleyd" -c "$dir/parley.yaml" >"$dir/server.log" 2>&1 &
server=$!
until_in "$dir/server.log" ready

cat >"$dir/far.ua" <<SCRIPT
name far
identity sip:bob@example.net
listen udp:$host:${port[2]} msrp:$host:${port[3]}
expect invite within 20000
answer 200
expect message "hello"
expect message "while draining"
expect bye within 20000
SCRIPT
cat >"$dir/near.ua" <<SCRIPT
name near
identity sip:alice@example.com
listen udp:$host:${port[0]} msrp:$host:${port[1]}
invite sip:bob@example.net via $host:$sip
expect 200
send "hello"
expect msrp 200
wait 300
send "while draining"
expect msrp 200
expect bye within 20000
SCRIPT
"$ua" "$dir/far.ua" >"$dir/far.log" 2>&1 &
far=$!
"$here/ports" --until-taken "${port[2]}"
"$ua" "$dir/near.ua" >"$dir/near.log" 2>&1 &
near=$!
pid="$far $near"

until_in "$dir/server.log" ' session-up '
kill -TERM $server
rc=0 && wait $server || rc=$?
server=''
check "the server ends with status 0" test $rc = 0
check "the client could write while draining, then got its BYE" wait $near
check "so did the controlling side" wait $far
pid=''
reason='Reason: SIP;cause=503;text="shutdown"'
check "the BYE to the client says why" grep -qF "$reason" "$dir/near.log"
check "the BYE to the controlling side says why" grep -qF "$reason" "$dir/far.log"
check "no session was left" grep -q 'stopped sessions=none' "$dir/server.log"
echo "1..$n"
exit "$bad"
