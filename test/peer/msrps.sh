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
	local i
	if [ -n "$server" ]; then
		kill "$server"
		wait "$server" || true
	fi
	cat >"$dir/parley.yaml" <<-YAML
	sip:
	  listen: ["udp:$host:$sip", "tcp:$host:$sip"]
	  next_hop: "sip:$host:${port[2]}"
	im: { served_domains: ["example.com"], media: { allow_downgrade: true } }
	msrp:
	  listen: ["tcp:$host:$msrp", "tls:$host:0"]
	  transport: { client: $1, core: $2 }
	log: { level: info }
	YAML
	"$parleyd" -c "$dir/parley.yaml" >"$dir/server.log" 2>&1 &
	server=$!
	for ((i = 0; i < 200; i++)); do
		! grep -q '^ready' "$dir/server.log" || return 0
		kill -0 $server 2>/dev/null || break
		sleep 0.05
	done
	sed 's/^/# /' "$dir/server.log"
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
		tail -n 40 "$dir/server.log" | sed 's/^/# /'
	fi
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

serve same same
play "TLS on both legs, offered by the client" $host udp <<SCRIPT
listen msrps:$host:0
policy accept-types="*"
invite sip:bob@example.net via \$VIA proto=TCP/TLS/MSRP
expect 200
$near_talk
check bytes
bye
expect 200
----
listen msrps:$host:0
policy accept-types="*"
expect invite within 20000
answer 200
$far_talk
expect bye within 20000
check bytes
SCRIPT

play "the client waits for us to connect" $host udp <<SCRIPT
listen msrps:$host:0
policy accept-types="*" setup=passive
invite sip:bob@example.net via \$VIA proto=TCP/TLS/MSRP
expect 200
$near_talk
check bytes
bye
expect 200
----
listen msrps:$host:0
policy accept-types="*" setup=active
expect invite within 20000
answer 200
$far_talk
expect bye within 20000
check bytes
SCRIPT

play "TCP to TLS and back, twice" $host udp <<SCRIPT
listen msrps:$host:0
policy accept-types="*"
invite sip:bob@example.net via \$VIA
expect 200
$near_talk
update proto=TCP/TLS/MSRP newpath
expect 200
$near_talk
reinvite proto=TCP/MSRP newpath
expect 200
$near_talk
update proto=TCP/TLS/MSRP newpath
expect 200
$near_talk
check bytes
bye
expect 200
----
listen msrps:$host:0
policy accept-types="*"
expect invite within 20000
answer 200
$far_talk
expect update
$far_talk
expect reinvite
$far_talk
expect update
$far_talk
expect bye within 20000
check bytes
SCRIPT

serve tls tcp
play "TLS to the client, TCP to the core, and the client changes" $host udp <<SCRIPT
listen msrps:$host:0
policy accept-types="*"
invite sip:bob@example.net via \$VIA proto=TCP/TLS/MSRP
expect 200
$near_talk
update proto=TCP/MSRP newpath
expect 200
$near_talk
update proto=TCP/TLS/MSRP newpath
expect 200
$near_talk
check bytes
bye
expect 200
----
policy accept-types="*"
expect invite within 20000
answer 200
$far_talk
expect update
$far_talk
expect update
$far_talk
expect bye within 20000
check bytes
SCRIPT

kill -TERM $server
rc=0 && wait $server || rc=$?
server=''
check "the server ends with status 0" test $rc = 0
echo "1..$n"
exit "$bad"
