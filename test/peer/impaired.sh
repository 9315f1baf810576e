#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The cases of cases.sh, all of them at once, over a network that loses and delays packets: parleyd at one end, all SIPp
# at the other, so that each message of a call crosses it.  Every call must succeed all the same, since SIPp and
# parleyd repeat what got lost; at the end nothing may be left in the server, and its counters must say what happened.
# The network is tc netem where the kernel has it, else impair.c does the same.
#
#	impaired.sh [--calls N] [--loss PERCENT] [--delay MS] [--seed N] [--only REGEX] [--keep DIR] PARLEYD IMPAIR
#
# --calls: of each case and transport (4).  --keep: leave logs and a capture of the network there, which tshark reads.
# Exit: 0 good, 77 this cannot be done here (and why), 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=test/peer/cases.sh
source "$here/cases.sh"

# as_root ARGUMENT...: this script anew, as root by sudo or in a user namespace; returns when neither is to be had.
as_root() {
	if sudo -n true 2>/dev/null; then
		exec sudo -n env PATH="$PATH" ASAN_OPTIONS="${ASAN_OPTIONS-}" UBSAN_OPTIONS="${UBSAN_OPTIONS-}" "$0" "$@"
	elif unshare -Ur true 2>/dev/null; then
		exec unshare -Ur "$0" "$@"
	fi
}

given=("$@")
calls=4 loss=5 delay=50 seed=1 only=. keep=''
while [ $# -gt 2 ]; do
	case $1 in
	--calls) calls=$2 ;;
	--loss) loss=$2 ;;
	--delay) delay=$2 ;;
	--seed) seed=$2 ;;
	--only) only=$2 ;;
	--keep) keep=$2 ;;
	*) sed -n '3,13p' "$0" >&2 && exit 2 ;;
	esac
	shift 2
done
[ $# = 2 ] || { sed -n '3,13p' "$0" >&2 && exit 2; }
parleyd=$1 impair=$2
[ "$(id -u)" = 0 ] || as_root "${given[@]}"
for program in sipp nsenter unshare; do
	command -v $program >/dev/null || { echo "no $program here" && exit 77; }
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/parley-impaired.XXXXXX") || exit 1
pids=() fars=() server='' network='' capture=''
cleanup() {
	# shellcheck disable=SC2086  # those that are not running are no argument
	kill "${pids[@]}" "${fars[@]}" $server $network $capture 2>/dev/null
	wait
	if [ -n "$keep" ]; then
		mkdir -p "$keep" && cp "$tmp"/* "$keep"/
	fi
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
bad=0
complain() {
	echo "$*"
	bad=1
}

# ---- the network ----

near_ip=10.77.0.1 far_ip=10.77.0.2
netem=''
! unshare -n tc qdisc add dev lo root netem delay 1ms 2>/dev/null || netem=yes
if [ -n "$netem" ]; then
	"$impair" $near_ip $far_ip >"$tmp/network.log" 2>&1 &
else
	"$impair" --loss "$loss" --delay "$delay" --seed "$seed" $near_ip $far_ip >"$tmp/network.log" 2>&1 &
fi
network=$!
for ((i = 0; i < 1200; i++)); do
	! grep -q ^far "$tmp/network.log" 2>/dev/null || break
	if ! kill -0 $network 2>/dev/null; then
		wait $network
		rc=$?
		network=''
		cat "$tmp/network.log"
		exit $rc
	fi
	sleep 0.05
done
near=$(sed -n 's/^near //p' "$tmp/network.log") far=$(sed -n 's/^far //p' "$tmp/network.log")
in_near() { nsenter --net="$near" "$@"; }
in_far() { nsenter --net="$far" "$@"; }
if [ -n "$netem" ]; then
	for end in "$near" "$far"; do
		nsenter --net="$end" tc qdisc add dev tun0 root netem loss "$loss%" delay "${delay}ms" || exit 1
	done
fi

# ---- the server ----

metrics() {
	# shellcheck disable=SC2016  # the inner shell's
	in_far bash -c 'exec 3<>/dev/tcp/127.0.0.1/8060 && printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3' 2>/dev/null
}

# metric NAME: its value now.
metric() {
	metrics | tr -d '\r' | sed -n "s/^parley_$1 //p"
}

cat >"$tmp/parleyd.yaml" <<YAML
sip:
  listen: ["udp:$far_ip:5060", "tcp:$far_ip:5060"]
  trusted: ["10.77.0.0/24"]
im:
  served_domains: ["example.com"]
msrp:
  listen: ["tcp:$far_ip:2855"]
  bind_wait: "10m"
mgmt:
  listen: "127.0.0.1:8060"
drain_s: 0
YAML
nsenter --net="$far" "$parleyd" -c "$tmp/parleyd.yaml" >"$tmp/parleyd.log" 2>&1 </dev/null &
server=$!
for ((i = 0; i < 1200; i++)); do
	! grep -q '^ready$' "$tmp/parleyd.log" 2>/dev/null || break
	kill -0 $server 2>/dev/null || { echo "parleyd did not start:" && cat "$tmp/parleyd.log" && exit 1; }
	sleep 0.05
done
if [ -n "$keep" ]; then
	nsenter --net="$far" tshark -q -i tun0 -w "$tmp/network.pcap" >/dev/null 2>&1 &
	capture=$!
fi

# ---- the calls ----

# expected counters, for one call of each case
declare -A want=([sessions_total]=0 [setups_failed]=0 [modifications]=0 [modifications_refused]=0
	[modifications_failed]=0 [glare]=0)

# expect STEP...: adds what one side's steps must do to the counters.
expect() {
	local step
	for step in "$@"; do
		case $step in
		invite | invite-timer | invite-reliable) want[sessions_total]=$((want[sessions_total] + 1)) ;;
		invite-refused*) want[setups_failed]=$((want[setups_failed] + 1)) ;;
		reinvite-bad | update-bad) want[modifications_refused]=$((want[modifications_refused] + 1)) ;;
		reinvite-refused* | update-refused* | reinvite-cancelled) want[modifications_failed]=$((want[modifications_failed] + 1)) ;;
		reinvite* | update*) want[modifications]=$((want[modifications] + 1)) ;;
		answer-glare*) want[glare]=$((want[glare] + 1)) ;;
		esac
	done
}

# start WHO PORT TRANSPORT [option...]: one SIPp.
start() {
	local who=$1 port=$2 transport=$3
	shift 3
	(cd "$tmp" && exec nsenter --net="$near" sipp -i $near_ip -mi $near_ip -mp $((port * 16 - 290000)) -cp $((port - 10000)) -p "$port" -t "${transport:0:1}1" -sf "$who.xml" \
		-m "$calls" -default_behaviors "$([ "$transport" = udp ] && echo all || echo bye)" -nostdin -timeout 150 -timeout_error -recv_timeout 60000 -trace_err -error_file "$who.err" \
		"$@" $far_ip:5060 >"$who.out" 2>&1 </dev/null) &
	pids+=($!)
	names+=("$who")
}

# Over TCP SIPp does not know a 2xx or a reliable 1xx that comes twice, as it may (RFC 3261 13.3.1.4, RFC 3262 3): there what
# is unexpected ends no call, but is looked at in its log.
twice() {
	grep -h "received '" "$tmp"/*-tcp-*.err 2>/dev/null | sed "s/.*received '//" | grep -vE '^SIP/2.0 (200 OK|183 Session)' | sort | uniq -c
}

# write CASE PORT: its scenarios for both transports; the far sides are at PORT and PORT + 2.
write() {
	local transport port=$2
	case_load "$1" || exit 2
	for transport in udp tcp; do
		ruri="sip:bob@$near_ip:$port;transport=$transport"
		# shellcheck disable=SC2086,SC2154  # steps are words; case_load sets them
		scenario alice "${!client_allow}" "$ruri" $client_steps >"$tmp/$1-$transport-client.xml"
		# shellcheck disable=SC2086,SC2154
		scenario bob "${!far_allow}" "$ruri" $far_steps >"$tmp/$1-$transport-far.xml"
		port=$((port + 2))
	done
	# Having sent a second message SIPp does not know the request any more that it sent the first for.
	sed -i '/<!-- ringing -->/,/<!-- answer -->/d' "$tmp/$1-udp-far.xml"
	# SIPp ends itself when the two come so close that its ACK is not out yet, and it was told of transactions.
	sed -i -E 's/ (start|response|ack)_txn="[^"]*"//' "$tmp/$1-tcp-client.xml" "$tmp/$1-tcp-far.xml"
}

settle_ms=8000 first=20000 names=() plays=0 writers=()
mapfile -t chosen < <(sed -n 's/ *|.*//p' <<<"$cases$cases_slow" | grep -E "$only")
for name in "${chosen[@]}"; do
	write "$name" $((first + 2 * plays)) &
	writers+=($!)
	plays=$((plays + 2))
done
wait "${writers[@]}"
port=$first
for name in "${chosen[@]}"; do
	for transport in udp tcp; do
		case_load "$name"
		# shellcheck disable=SC2086
		expect $client_steps $far_steps
		start "$name-$transport-far" $port $transport
		port=$((port + 2))
	done
done
[ $plays -gt 0 ] || { echo "no case is called $only" && exit 2; }
# Until all far sides are open: UDP sockets, and TCP ones that listen.
for ((i = 0; i < 600; i++)); do
	n=$(in_near cat /proc/net/udp /proc/net/tcp | awk '($4 == "07" || $4 == "0A") && substr($2, 10) ~ /^4[EF]/ { n++ } END { print n + 0 }')
	[ "$n" -lt $plays ] || break
	sleep 0.1
done
began=$SECONDS port=$first fars=("${pids[@]}") far_names=("${names[@]}")
pids=() names=()
for who in "${far_names[@]}"; do
	play=${who%-far}
	start "$play-client" $((port + 1)) "${play##*-}" -r 5 -l "$calls"
	port=$((port + 2))
done
for ((i = 0; i < plays; i++)); do
	if ! wait "${pids[i]}"; then
		complain "SIPp failed: ${names[i]}: $(head -c 2000 "$tmp/${names[i]}.err" 2>/dev/null)"
		# Without its calls the far side would wait to the end of its time.
		kill "${fars[i]}" 2>/dev/null
	fi
	wait "${fars[i]}" || complain "SIPp failed: ${far_names[i]}: $(head -c 2000 "$tmp/${far_names[i]}.err" 2>/dev/null)"
done
pids=()
took=$((SECONDS - began))
strange=$(twice)
[ -z "$strange" ] || complain "not expected over TCP: $strange"

# ---- what is left ----

# The last transactions go 64*T1 after the last call; a BYE whose 200 was lost for good too.
for ((i = 0; i < 80; i++)); do
	[ "$(metric sessions)" != 0 ] || [ "$(metric transactions)" != 0 ] || break
	sleep 1
done
metrics >"$tmp/metrics"
for gauge in sessions transactions msrp_sessions; do
	[ "$(metric $gauge)" = 0 ] || complain "left in the server: $gauge: $(metric $gauge)"
done
for name in "${!want[@]}"; do
	got=$(metric "$name")
	[ "$got" = $((want[$name] * calls)) ] || complain "$name: $got, not $((want[$name] * calls))"
done
echo "repeated by the server: $(metric sip_retransmissions)"
kill -TERM $server
wait $server
rc=$?
server=''
[ $rc = 0 ] || complain "parleyd ended with $rc on SIGTERM"
[ -z "$capture" ] || kill $capture
dropped=0
if [ -n "$netem" ]; then
	dropped=$(for end in "$near" "$far"; do nsenter --net="$end" tc -s qdisc show dev tun0; done |
		awk '/dropped/ { sub(/.*dropped /, ""); n += $1 } END { print n + 0 }')
fi
kill -TERM $network
wait $network
network=''
# Had the network been a good one, none of this would mean anything.
read -r packets lost < <(sed -n 's/^packets=\([0-9]*\) lost=\([0-9]*\) .*/\1 \2/p' "$tmp/network.log")
[ -z "$netem" ] || lost=$dropped
echo "network: ${netem:+netem, }$packets packets, $lost lost"
awk -v n="$packets" -v lost="$lost" -v p="$loss" 'BEGIN { exit !(lost / n * 100 >= p / 2 && lost / n * 100 <= p * 2) }' ||
	complain "the network did not lose $loss %"
# Over TCP what it minds would be the capture's lost segments.
if [ -s "$tmp/network.pcap" ]; then
	mine="udp && sip && ip.src == $far_ip"
	minds=$(tshark -r "$tmp/network.pcap" -Y "$mine && (_ws.malformed || _ws.expert.severity >= 0x800000)" 2>/dev/null | wc -l)
	echo "tshark: $(tshark -r "$tmp/network.pcap" -Y "$mine" 2>/dev/null | wc -l) messages of the server over UDP, it minds $minds"
	[ "$minds" = 0 ] || complain "tshark calls some of them malformed"
fi
[ $bad = 0 ] || { tail -n 40 "$tmp/parleyd.log" && exit 1; }
echo "$((plays * calls)) calls in $plays plays, $loss % lost, $delay ms late, ${took} s: good"
