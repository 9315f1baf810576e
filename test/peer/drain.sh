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

parleyd_start udp "$sip" <<YAML
sip:
  listen: ["udp:$host:$sip", "tcp:$host:$sip"]
  next_hop: "sip:$host:${port[2]}"
im: { served_domains: ["example.com"] }
msrp: { listen: ["tcp:$host:$msrp"] }
drain_s: 3
YAML

cat >"$tmp/far.ua" <<SCRIPT
name far
identity sip:bob@example.net
listen udp:$host:${port[2]} msrp:$host:${port[3]}
expect invite within 60000
answer 200
expect message "hello"
expect message "while draining" within 60000
expect bye within 60000
SCRIPT
"$ua" "$tmp/far.ua" >"$tmp/far.log" 2>&1 &
far=$!
others+=("$far")
wait_open $far udp "${port[2]}"

# The client is told by lines what to do next.
mkfifo "$tmp/near.in"
"$ua" <"$tmp/near.in" >"$tmp/near.log" 2>&1 &
near=$!
others+=("$near")
exec 3>"$tmp/near.in"
cat >&3 <<SCRIPT
name near
identity sip:alice@example.com
listen udp:$host:${port[0]} msrp:$host:${port[1]}
invite sip:bob@example.net via $host:$sip
expect 200
send "hello"
expect msrp 200
SCRIPT
until_true grep -q ' session-up ' "$tmp/parleyd.log"
kill -TERM "$server"
until_true grep -q ' signal=TERM drain' "$tmp/parleyd.log"
cat >&3 <<SCRIPT
send "while draining"
expect msrp 200
expect bye within 60000
SCRIPT
exec 3>&-
rc=0
wait "$server" || rc=$?
server=''
check "the server ends with status 0" test $rc = 0
check "the client could write while draining, then got its BYE" wait $near
check "so did the controlling side" wait $far
others=()
reason='Reason: SIP;cause=503;text="shutdown"'
check "the BYE to the client says why" grep -qF "$reason" "$tmp/near.log"
check "the BYE to the controlling side says why" grep -qF "$reason" "$tmp/far.log"
check "no session was left" grep -q 'stopped sessions=none' "$tmp/parleyd.log"
echo "1..$n"
exit "$bad"
