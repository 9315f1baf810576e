# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by what starts servers on loopback (bench/run, test/peer, tools/demo): free ports, waiting until one is open, a folder
# that goes at the end with all that runs, and parleyd.  Tests run side by side, so each process looks for its ports in
# a range of its own; they run on busy machines, so what is waited for may take a minute.

PATH=$PATH:/usr/sbin:/sbin # kamailio and dnsmasq are there, which is not on a user's path

# taken udp|tcp PORT: does something listen there, in either family?
taken() {
	local hex
	hex=$(printf ':%04X' "$2")
	awk -v p="$hex" -v tcp="$([ "$1" = tcp ] && echo 1 || echo 0)" \
		'FNR > 1 && substr($2, length($2) - 4) == p && (!tcp || $4 == "0A") { found = 1 } END { exit !found }' \
		"/proc/net/$1" "/proc/net/${1}6" 2>/dev/null
}

# Below the range from which the kernel takes ports for outgoing connections.
port_next=$((10000 + $$ % 1100 * 20))
ports_taken=''

# port VAR: a port free for both udp and tcp.  What is taken is read once: nobody else looks in our range, and on a machine
# with many connections reading takes a while.
port() {
	[ -n "$ports_taken" ] || ports_taken=$(awk 'FNR > 1 && !seen[n = substr($2, length($2) - 3)]++ { printf "%s ", n }' \
		/proc/net/{udp,tcp}{,6} 2>/dev/null)
	local hex
	while port_next=$((port_next + 1)) && printf -v hex %04X $port_next && [[ " $ports_taken" == *" $hex "* ]]; do
		:
	done
	printf -v "$1" '%s' $port_next
}

# until_true COMMAND...: waits until it succeeds.
until_true() {
	local i
	for ((i = 0; i < 1200; i++)); do
		! "$@" || return 0
		sleep 0.05
	done
	return 1
}

# wait_open PID udp|tcp PORT: until it is open; fails when PID ends first.
wait_open() {
	local opened=''
	until_true open_or_gone "$@"
	[ -n "$opened" ] && kill -0 "$1" 2>/dev/null
}
# One look that sees it is enough: what other sockets do meanwhile may hide it from the next.
open_or_gone() {
	! taken "$2" "$3" || opened=yes
	[ -n "$opened" ] || ! kill -0 "$1" 2>/dev/null
}

# http_get PORT PATH: what a server says there.
http_get() {
	local fd
	exec {fd}<>"/dev/tcp/127.0.0.1/$1" || return 1
	printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&$fd
	tr -d '\r' <&$fd
	exec {fd}>&-
}

# metric PORT NAME: of the parleyd whose management port that is.
metric() { http_get "$1" /metrics | sed -n "s/^parley_$2 //p"; }

# scratch NAME: the folder $tmp.  When the script ends it goes, and before it what $server and $others name (-PID: a process group).
tmp='' server='' others=()
scratch() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/parley-$1.XXXXXX") || exit 1
	trap scratch_end EXIT
	trap 'exit 130' INT TERM
}
scratch_end() {
	# shellcheck disable=SC2086  # what does not run is no argument
	kill -- $server "${others[@]}" 2>/dev/null || true
	wait
	rm -rf "$tmp"
}

# parleyd_start udp|tcp PORT: the program $parleyd as $server, with the configuration of standard input, until it is open
# there.  One that still runs ends first.
parleyd_start() {
	[ -z "$server" ] || parleyd_end || return 1
	cat >"$tmp/parleyd.yaml"
	"$parleyd" -c "$tmp/parleyd.yaml" >>"$tmp/parleyd.log" 2>&1 </dev/null &
	server=$!
	wait_open $server "$1" "$2" && return
	echo "parleyd did not start:"
	cat "$tmp/parleyd.log"
	return 1
}

# parleyd_end: by SIGTERM; it fails, and says so, when the server was gone before or does not end well.
parleyd_end() {
	local rc=0
	kill -TERM "$server" 2>/dev/null || { echo "parleyd is gone" && rc=1; }
	wait "$server" || { rc=$? && echo "parleyd ended with $rc on SIGTERM"; }
	server=''
	return $rc
}
