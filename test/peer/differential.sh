#!/bin/bash
# SPDX-License-Identifier: MIT
#
# differential.sh PARLEYD [option of differential.py...]: the same generated dialogs through parleyd and through
# Kamailio; a difference that doc/differential.md does not explain is a fault.
# Exit: 0 good, 77 there is no Kamailio or Python here, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
[ $# -ge 1 ] || { sed -n '4,6p' "$0" >&2 && exit 2; }
parleyd=$1
shift
command -v kamailio >/dev/null || { echo "no kamailio here" && exit 77; }
command -v python3 >/dev/null || { echo "no python3 here" && exit 77; }

scratch differential

port sip_port && port msrp_port && port proxy_port
parleyd_start udp "$sip_port" <<YAML || exit 1
sip:
  listen: ["udp:127.0.0.1:$sip_port"]
im:
  served_domains: ["example.com"]
msrp:
  listen: ["tcp:127.0.0.1:$msrp_port"]
  bind_wait: "10m"
drain_s: 0
YAML
sed "s/PORT\$/$proxy_port/" "$here/differential.cfg" >"$tmp/kamailio.cfg"
kamailio -f "$tmp/kamailio.cfg" -m 64 -M 16 -DD -E -Y "$tmp" -P "$tmp/kamailio.pid" >"$tmp/kamailio.log" 2>&1 </dev/null &
proxy=$!
others+=("$proxy")
wait_open $proxy udp "$proxy_port" || { echo "kamailio did not start:" && tail -n 20 "$tmp/kamailio.log" && exit 1; }
sleep 0.5 # its workers
python3 "$here/differential.py" --parley "127.0.0.1:$sip_port" --proxy "127.0.0.1:$proxy_port" "$@"
rc=$?
parleyd_end || rc=1
[ $rc = 0 ] || { grep -v notice "$tmp/parleyd.log" | tail -n 20 && tail -n 5 "$tmp/kamailio.log"; }
exit $rc
