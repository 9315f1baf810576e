# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by core.sh and core-cases.sh, behind loopback.sh and certificates.sh: a Kamailio as S-CSCF (scscf.cfg) and a
# parleyd on its ISC, as these say: mode, profile, transport (between the two), family, parleyd.
#
# In IPv4 the core, the server and the devices have addresses of their own, so that only the core is trusted.

modules=/usr/lib/x86_64-linux-gnu/kamailio/modules
[ -e $modules/tls.so ] || { echo "no Kamailio with TLS here" && exit 77; }
[ "$family" != 6 ] || [ -e /proc/net/if_inet6 ] || { echo "no IPv6 here" && exit 77; }
if [ "$family" = 6 ]; then
	core_ip='[::1]' as_ip='[::1]' dev_ip='[::1]'
else
	core_ip=127.0.21.1 as_ip=127.0.21.2 dev_ip=127.0.21.3
fi
bare=${core_ip//[\[\]]/}
device=udp # what the devices speak
[ "$transport" != tcp ] || device=tcp

# start_core: the Kamailio; sets core_port, core_tls, and as_port, where it looks for parleyd.
start_core() {
	local hop as core
	port core_port && port core_tls && port as_port
	as=$as_ip:$as_port hop=$core_ip:$core_port
	[ "$transport" = udp ] || as+=";transport=$transport"
	[ "$transport" != tcp ] || hop+=";transport=tcp"
	[ "$transport" != tls ] || hop="$core_ip:$core_tls;transport=tls"
	if ! authority ca || ! identity core ca "$core_ip" || ! identity parley ca "$as_ip"; then
		cat "$tmp/openssl.log"
		return 1
	fi
	# on loopback the kernel would choose another source for a connection
	sed "s|@MODULES@|$modules|; s|@DIR@|$tmp|; s|@CORE@|$core_ip|g; s|@PORT@|$core_port|g; s|@TLS@|$core_tls|g
		s|@SOURCE@|tcp_source_ipv$family=$core_ip|; s|@ODI@|$hop|g; s|@AS@|$as|g" "$here/core/scscf.cfg" >"$tmp/scscf.cfg"
	kamailio -DD -E -m 64 -M 8 -f "$tmp/scscf.cfg" -w "$tmp" -Y "$tmp" >"$tmp/core.log" 2>&1 </dev/null &
	core=$!
	others+=("$core")
	wait_open $core tcp "$core_tls" || { echo "Kamailio did not start:" && cat "$tmp/core.log" && return 1; }
}

start_parleyd() {
	local tls='' msrp=''
	port msrp_port
	[ "$mode" != anchored ] || msrp="msrp: { listen: [\"tcp:$as_ip:$msrp_port\"] }"
	[ "$transport" != tls ] ||
		tls="  tls: { certificate: \"$tmp/parley.pem\", key: \"$tmp/parley.key\", ca: \"$tmp/ca.pem\", require_clients: true }"
	parleyd_start "${transport/tls/tcp}" "$as_port" <<-YAML
	sip:
	  listen: ["$transport:$as_ip:$as_port"]
	  trusted: ["$bare"]
	$tls
	im:
	  mode: $mode
	  served_domains: ["example.com"]
	$([ "$mode" = proxy ] || echo "  profile: $profile")
	$msrp
	log: { level: info }
	YAML
}

# contact PORT: of a device.
contact() {
	[ $device = udp ] && echo "sip:bob@$dev_ip:$1" || echo "sip:bob@$dev_ip:$1;transport=tcp"
}
