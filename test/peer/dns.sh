#!/bin/bash
# SPDX-License-Identifier: MIT
#
# RFC 3263 against a real name server: the next hop is a name with two servers behind it.  The first is killed in the middle of a
# session: the next request goes to the second, at once, and nothing is lost.  Then the first is overloaded (503), then the name
# leads to parleyd itself.
#
#	dns.sh udp|tcp PARLEYD PARLEY-UA
#
# For udp NAPTR, SRV and A records are asked; for tcp, which the URI names, SRV and A.
# Exit: 0 good, 77 no dnsmasq or Kamailio here, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
[ $# = 3 ] || { sed -n '3,12p' "$0" >&2 && exit 2; }
transport=$1 parleyd=$2 ua=$3
modules=/usr/lib/x86_64-linux-gnu/kamailio/modules
command -v dnsmasq >/dev/null || { echo "no dnsmasq here" && exit 77; }
[ -e $modules/tm.so ] || { echo "no Kamailio here" && exit 77; }

scratch dns
fail() {
	echo "not ok - $*"
	for log in alice bob parleyd; do
		tail -n 30 "$tmp/$log.log" | sed "s/^/# $log: /"
	done
	exit 1
}

port ns && port one && port two && port busy && port as_port && port msrp && port alice && port alice_msrp && port bob &&
	port bob_msrp
param=''
[ "$transport" = udp ] || param=';transport=tcp'

cat >"$tmp/dnsmasq.conf" <<CONF
no-resolv
no-hosts
port=$ns
listen-address=127.0.0.1
bind-interfaces
local-ttl=1
local=/test/
host-record=edge.core.test,127.0.0.1
srv-host=_sip._$transport.core.test,edge.core.test,$one,10,0
srv-host=_sip._$transport.core.test,edge.core.test,$two,20,0
naptr-record=core.test,10,10,s,SIP+D2U,,_sip._udp.core.test
srv-host=_sip._$transport.full.test,edge.core.test,$busy,10,0
srv-host=_sip._$transport.full.test,edge.core.test,$two,20,0
srv-host=_sip._$transport.loop.test,edge.core.test,$as_port,10,0
CONF
dnsmasq -k -C "$tmp/dnsmasq.conf" --user="$(id -un)" --pid-file= >"$tmp/dnsmasq.log" 2>&1 </dev/null &
others+=($!)
wait_open $! tcp "$ns" || { cat "$tmp/dnsmasq.log" && exit 77; }

# edge PORT BUSY: a proxy of the name, in a process group of its own.
edge() {
	sed "s|@MODULES@|$modules|; s|@PORT@|$1|g; s|@BUSY@|$2|; s|@FAR@|$bob|; s|@PARAM@|$param|g" "$here/dns/edge.cfg" \
		>"$tmp/edge-$1.cfg"
	mkdir "$tmp/edge-$1"
	setsid kamailio -DD -E -m 64 -M 8 -f "$tmp/edge-$1.cfg" -w "$tmp/edge-$1" -Y "$tmp/edge-$1" >"$tmp/edge-$1.log" 2>&1 \
		</dev/null &
	edges+=($!) others+=("-$!")
	wait_open $! tcp "$1" || { cat "$tmp/edge-$1.log" && fail "Kamailio did not start"; }
}
edges=()
edge "$one" false
first=${edges[0]}
edge "$two" false
edge "$busy" true

# serve NAME: parleyd with this next hop; devices as files that are read while they are written.
serve() {
	parleyd_start tcp "$as_port" <<YAML || fail "no parleyd"
sip:
  listen: ["udp:127.0.0.1:$as_port", "tcp:127.0.0.1:$as_port"]
  next_hop: "sip:$1$param"
  dns: { servers: ["127.0.0.1:$ns"] }
im:
  served_domains: ["example.com"]
msrp: { listen: ["tcp:127.0.0.1:$msrp"] }
log: { level: info }
YAML
}

# bob SCRIPT: he answers.
bob() {
	printf 'name bob edge\nlisten %s:127.0.0.1:%s msrp:127.0.0.1:%s\n%s\n' "$transport" "$bob" "$bob_msrp" "$1" >"$tmp/bob.ua"
	"$ua" "$tmp/bob.ua" >"$tmp/bob.log" 2>&1 </dev/null &
	bob_pid=$!
	others+=($!)
	wait_open $! "$transport" "$bob" || fail "bob did not start"
}

# call: alice is told what to do by lines on descriptor 3.
call() {
	rm -f "$tmp/alice.in" && mkfifo "$tmp/alice.in"
	"$ua" <"$tmp/alice.in" >"$tmp/alice.log" 2>&1 &
	alice_pid=$!
	others+=($!)
	exec 3>"$tmp/alice.in"
	printf 'name alice as\nidentity sip:alice@example.com\nlisten %s:127.0.0.1:%s msrp:127.0.0.1:%s\n' "$transport" "$alice" \
		"$alice_msrp" >&3
	printf 'invite sip:bob@example.net via %s:127.0.0.1:%s\n' "$transport" "$as_port" >&3
}

# said WORD: alice has come to `print WORD`, or has ended.
said() { grep -q "$1" "$tmp/alice.log" || ! kill -0 "$alice_pid" 2>/dev/null; }

# Nobody listens on PORT or has a connection to it, not even one whose end has not been read yet.
left() {
	local hex
	! taken udp "$1" && ! taken tcp "$1" || return 1
	hex=$(printf ':%04X' "$1")
	awk -v p="$hex" '$3 ~ p "$" && ($4 == "01" || $4 == "08") { found = 1 } END { exit found }' /proc/net/tcp
}

over() {
	exec 3>&-
	wait "$alice_pid" || fail "alice, $1"
	[ -z "$bob_pid" ] || wait "$bob_pid" || fail "bob, $1"
	echo "ok - $1, $transport"
}

serve core.test
bob 'expect invite
answer 200
expect update
expect message "before"
expect update
expect reinvite
expect message "after"
expect bye'
call
printf 'expect 200\nupdate accept-types="text/plain"\nexpect 200\nsend "before"\nexpect msrp 200\nprint "it-is-up"\n' >&3
until_true said it-is-up || fail "alice never came so far"
# Its processes share the sockets, so it is dead when the last of them is; a request that reaches it before is lost with it.
kill -9 -- "-$first"
until_true left "$one" || fail "the first server is still there"
printf 'update accept-types="text/plain text/html"\nexpect 200\nreinvite accept-types="text/plain"\nexpect 200\n' >&3
printf 'send "after"\nexpect msrp 200\nbye\nexpect 200\n' >&3
over "the first server is killed in the middle"
grep -q "sip-target-avoided addr=127.0.0.1:$one" "$tmp/parleyd.log" || fail "the first server was never used"

serve full.test
bob 'expect invite
answer 200
expect bye'
call
printf 'expect 200\nbye\nexpect 200\n' >&3
over "the first server has too much to do"
grep -q "sip-target-avoided addr=127.0.0.1:$busy" "$tmp/parleyd.log" || fail "the busy server was never asked"

serve loop.test
bob_pid=''
call
printf 'expect 500\n' >&3
over "the name leads back"
grep -q "sip-target-is-us" "$tmp/parleyd.log" || fail "it was not noticed"
