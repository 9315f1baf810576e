# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by what starts servers on loopback (bench/run, test/peer): free ports, and waiting until one is open.
# Tests run side by side, so each process looks for its ports in a range of its own.

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

# port VAR: a port free for both udp and tcp.
port() {
	port_next=$((port_next + 1))
	while taken udp $port_next || taken tcp $port_next; do
		port_next=$((port_next + 1))
	done
	printf -v "$1" '%s' $port_next
}

# wait_open PID udp|tcp PORT: until it is open; fails when PID ends first, or after a minute (a busy machine).
wait_open() {
	local i
	for ((i = 0; i < 1200; i++)); do
		kill -0 "$1" 2>/dev/null || return 1
		! taken "$2" "$3" || return 0
		sleep 0.05
	done
	return 1
}
