#!/bin/bash
# SPDX-License-Identifier: MIT
#
# MSRP through a real parleyd, every byte, every 200 and every REPORT of it checked by parley-load, and the server's
# memory watched: it passes bytes on, it does not keep them.
#
#	transfer.sh CASE PARLEYD PARLEY-LOAD
#
# Exit: 0 good, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
[ $# = 3 ] || { sed -n '3,9p' "$0" >&2 && exit 2; }
name=$1 parleyd=$2 load=$3
for program in "$parleyd" "$load"; do
	[ -x "$program" ] || { echo "no $program" && exit 77; }
done

acknowledge=end core=same
# Memory that AddressSanitizer holds back, and its shadow, is not the server's.
rss=12M
! grep -q __asan_init "$parleyd" || rss=64M
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=4
how=(msrp --rss-max "$rss")
case $name in
big) run=(--size 1M --total 32M --sessions 2) ;;
big-hop) run=(--size 1M --total 32M --sessions 2) acknowledge=hop ;;
chunks) run=(--size "1M,200,70000" --chunk 30000 --total 16M --sessions 4 --duplex --reports) ;;
small) run=(--size 200 --total 2M --sessions 4 --duplex --reports) ;;
chat) run=(--size 200 --total 100K --sessions 32 --window 1 --duplex) ;;
far-listens) run=(--size "200,64K" --total 4M --sessions 4 --duplex --far-setup passive) ;;
no-reports) run=(--size "200,1M" --total 16M --sessions 2 --failure-report no) ;;
partial) run=(--size "200,1M" --total 16M --sessions 2 --failure-report partial --reports) ;;
updates) run=(--size "200,64K,1M" --chunk 100000 --total 32M --sessions 2 --duplex --reports --updates 40) ;;
# All Failure-Report and Success-Report modes, drawn sizes and chunks, several messages interleaved, chunks cut short.
modes) run=(--size mix --chunk mix --interleave 4 --interrupt --all-modes --total 12M --sessions 4 --duplex) ;;
modes-hop) run=(--size mix --chunk mix --interleave 8 --interrupt --all-modes --total 12M --sessions 4 --duplex) acknowledge=hop ;;
# MSRP over TLS on one side, on the other, on both.
tls-client) run=(--tls client --size "200,64K,1M" --total 8M --sessions 2 --duplex --reports) core=tcp ;;
tls-far) run=(--tls far --size "200,64K,1M" --total 8M --sessions 2 --duplex --reports) core=tls ;;
tls-both) run=(--tls both --far-setup passive --size mix --chunk mix --interleave 4 --interrupt --all-modes --total 8M --sessions 2 --duplex) ;;
# A receiver that does not read stops its own sender, without filling the server's memory, and nobody else.
stall) run=(--size 64K --total 64M --sessions 3 --stall 1 --failure-report no) ;;
# Two hundred sessions with both connections that say nothing, and ten that chat.
bridged) how=(bridged) run=(--idle 200 --hold 0 --count 2000 --interval 1) ;;
stall-acknowledged) run=(--size 64K --total 64M --sessions 3 --stall 1 --window 4096) ;;
*) echo "no such case: $name" >&2 && exit 2 ;;
esac

scratch transfer
port sip_port && port msrp_port && port far_port && port tls_port
parleyd_start udp "$sip_port" <<YAML || exit 1
sip:
  listen: ["udp:127.0.0.1:$sip_port"]
  next_hop: "sip:127.0.0.1:$far_port"
im:
  served_domains: ["example.com"]
  media: { chat_max_size: 10M }
msrp:
  listen: ["tcp:127.0.0.1:$msrp_port", "tls:127.0.0.1:$tls_port"]
  transport: { client: same, core: $core }
  acknowledge: $acknowledge
YAML

bad=0
"$load" "${how[@]}" --to 127.0.0.1:"$sip_port" --far-port "$far_port" --pid "$server" "${run[@]}" || bad=1
parleyd_end || bad=1
[ $bad = 0 ] || { echo "--- parleyd.log" && head -n 80 "$tmp/parleyd.log"; }
exit $bad
