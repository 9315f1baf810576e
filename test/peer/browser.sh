#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A browser as IM Client: headless Chromium runs the page in browser/, which speaks SIP and MSRP over WebSocket with a real
# parleyd; the far side is a parley-ua, over UDP and TCP.
#
#	browser.sh ws|wss PARLEYD PARLEY-UA
#
# Exit: 0 good, 77 no Chromium, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
[ $# = 3 ] || { sed -n '3,10p' "$0" >&2 && exit 2; }
scheme=$1 parleyd=$2 ua=$3
chromium=''
for program in chromium-headless-shell chromium; do
	[ -n "$chromium" ] || chromium=$(command -v $program)
done
[ -n "$chromium" ] || { echo "there is no Chromium: apt-get install chromium-headless-shell" && exit 77; }

scratch browser

# The page is told to believe this one certificate, by its key.
openssl req -batch -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$tmp/key.pem" -out "$tmp/cert.pem" \
	-days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>"$tmp/openssl.log" ||
	{ cat "$tmp/openssl.log" && exit 1; }
key=$(openssl x509 -in "$tmp/cert.pem" -noout -pubkey | openssl pkey -pubin -outform der |
	openssl dgst -sha256 -binary | openssl base64)

mkfifo "$tmp/results"
python3 "$here/browser/serve.py" "$here/browser" >"$tmp/results" 2>"$tmp/serve.log" &
others+=($!)
exec 3<"$tmp/results"
read -r -t 60 page <&3 || { echo "the page is not served:" && cat "$tmp/serve.log" && exit 1; }

port sip && port sip_ws && port msrp && port msrp_ws && port far
parleyd_start tcp "$sip_ws" <<YAML || exit 1
sip:
  listen: ["udp:127.0.0.1:$sip", "$scheme:127.0.0.1:$sip_ws"]
  next_hop: "sip:127.0.0.1:$far"
  tls: { certificate: "$tmp/cert.pem", key: "$tmp/key.pem" }
websocket:
  origins: ["http://127.0.0.1:$page"]
im:
  served_domains: ["example.com"]
drain_s: 2
msrp:
  listen: ["tcp:127.0.0.1:$msrp", "$scheme:127.0.0.1:$msrp_ws"]
  transport: { core: tcp }
YAML

cat >"$tmp/far.txt" <<'UA'
timeout 60000
policy accept-types="*"
expect invite
answer 200
expect message "hello from the browser"
send "hello from afar"
expect msrp 200
expect message
fill application/octet-stream 700000
expect reinvite
expect msrp 200
expect message "moved"
reinvite direction=inactive
expect 200
reinvite direction=sendrecv
expect 200
send "after the hold"
expect msrp 200
expect message "heard"
expect bye
UA
sed -i "1i listen udp:127.0.0.1:$far msrp:127.0.0.1:0" "$tmp/far.txt"
"$ua" -s "$tmp/far.stat" "$tmp/far.txt" >"$tmp/far.log" 2>&1 </dev/null &
far_pid=$!
others+=("$far_pid")
wait_open $far_pid udp "$far" || { echo "parley-ua did not start:" && cat "$tmp/far.log" && exit 1; }

"$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --no-proxy-server \
	--user-data-dir="$tmp/profile" --remote-debugging-port=0 --ignore-certificate-errors-spki-list="$key" \
	"http://127.0.0.1:$page/index.html?sip=$scheme://127.0.0.1:$sip_ws/" >"$tmp/chromium.log" 2>&1 </dev/null &
others+=($!)

bad=0
result='no word from the page'
read -r -t 100 result <&3
[ "$result" = ok ] || { echo "the page: $result" && bad=1; }
# What it has sent and received, counted and as digests, is what the far side has received and sent.
read -r -t 1 said <&3
while read -r -t 1 line <&3; do
	echo "  $line"
done
[ $bad = 0 ] || kill $far_pid 2>/dev/null
wait $far_pid || { echo "the far side did not see what it should" && bad=1; }
stat=$(tr ' ' '\n' <"$tmp/far.stat" | sed -n 's/^\(messages\|bytes\|digest\)_\(in\|out\)=/&/p' | sort | tr '\n' ' ')
[ $bad != 0 ] || [ "$stat" = "$said " ] || { echo "the page has: $said; the far side: $stat" && bad=1; }
parleyd_end || bad=1
if [ $bad != 0 ]; then
	for log in parleyd far chromium; do
		echo "--- $log.log" && tail -n 60 "$tmp/$log.log"
	done
fi
exit $bad
