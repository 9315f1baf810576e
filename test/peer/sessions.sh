#!/bin/bash
# SPDX-License-Identifier: MIT
# sessions.sh PARLEYD PARLEY-UA: whole sessions through the real server, on real sockets: an IM Client and a controlling
# side that do what each script says.  What is held in virtual time by ladders is held here against the network.
set -euo pipefail
parleyd=$1 ua=$2
here=$(dirname "$(readlink -f "$0")")/../../tools/demo
# shellcheck source=tools/demo/play.sh
source "$here/play.sh"
sip=${port[4]} msrp=${port[5]}

# serve HOST TRANSPORT [ACKNOWLEDGE]: one server for the plays that follow.
serve() {
	local host=$1 tp=$2
	[ -z "$server" ] || parleyd_end || bad=1
	near_via=$host:$sip
	parleyd_start "$tp" "$sip" <<-YAML
		sip:
		  listen: ["udp:$host:$sip", "tcp:$host:$sip"]
		  trusted: ["127.0.0.0/8", "::1/128"]
		  next_hop: "sip:$host:${port[2]};transport=$tp"
		im:
		  served_domains: ["example.com"]
		  media:
		    accept_types: ["text/*", "image/*", "message/cpim", "application/octet-stream"]
		    chat_max_size: 10485760
		msrp:
		  listen: ["tcp:$host:$msrp"]
		  acknowledge: ${3:-end}
	YAML
}

head -c 70000 /dev/urandom >"$tmp/photo.jpg"
head -c 3000 /dev/urandom >"$tmp/notes.txt"
echo 1..23
serve 127.17.0.1 udp
play "UPDATE becomes re-INVITE where UPDATE is not allowed (MOD-14)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
update accept-types="text/plain"
expect 200
send "after"
expect msrp 200
bye
expect 200
----
policy no-update
expect invite
answer 200
expect reinvite
expect message "after"
expect bye
UA
play "refused by the far side: nothing has changed (MOD-24)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
reinvite newpath
expect 603
update newpath
expect 603
send "as before"
expect msrp 200
bye
expect 200
----
on reinvite 603
on update 603
expect invite
answer 200
expect reinvite
expect update
expect message "as before"
expect bye
UA
play "the controlling side modifies (MOD-43)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
send "one"
expect reinvite
expect update
expect message "two"
expect bye
----
expect invite
answer 200
expect message "one"
reinvite newpath
expect 200
update accept-types="text/plain"
expect 200
send "two"
expect msrp 200
bye
expect 200
UA
play "new paths on both sides, messages all along (UPA)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
send "1"
expect msrp 200
reinvite newpath
expect 200
send "2"
expect msrp 200
update newpath
expect 200
send "3"
expect msrp 200
expect message "a"
check bytes sent=3 received=1
expect bye
----
expect invite
answer 200
expect message "1"
expect reinvite
expect message "2"
expect update
expect message "3"
send "a"
expect msrp 200
bye
expect 200
UA
play "an offer in the 2xx (SETUP-6, MOD-37)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA offerless
expect 200
send "late"
expect msrp 200
reinvite offerless
expect 200
send "again"
expect msrp 200
bye
expect 200
----
expect invite
answer 200
expect message "late"
expect reinvite
expect message "again"
expect bye
UA
play "the client connects to nobody: it listens (UP-6)" 127.17.0.1 udp <<'UA'
policy setup=passive
invite sip:bob@example.net via $VIA
expect 200
send "passive"
expect msrp 200
expect message "active"
expect bye
----
policy setup=active
expect invite
answer 200
expect message "passive"
send "active"
expect msrp 200
bye
expect 200
UA
play "no a=setup at all (RFC 4975 8.5)" 127.17.0.1 udp <<'UA'
policy setup=none
invite sip:bob@example.net via $VIA
expect 200
send "x"
expect msrp 200
expect message "y"
expect bye
----
policy setup=none
expect invite
answer 200
expect message "x"
send "y"
expect msrp 200
bye
expect 200
UA
play "success reports come back (UP-26)" 127.17.0.1 udp <<'UA'
policy success-report=yes chunk=3000
invite sip:bob@example.net via $VIA
expect 200
fill text/plain 20000
expect msrp 200
expect report 200
bye
expect 200
----
expect invite
answer 200
expect message
expect bye
UA
play "Failure-Report no and partial (UP-25)" 127.17.0.1 udp <<'UA'
policy failure-report=no
invite sip:bob@example.net via $VIA
expect 200
send "no"
expect message "got no"
policy failure-report=partial
send "partial"
expect message "got partial"
expect bye
----
expect invite
answer 200
expect message "no"
send "got no"
expect msrp 200
expect message "partial"
send "got partial"
expect msrp 200
bye
expect 200
UA
play "a type the far side does not take gets 415 (UP-34)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
send text/csv "a;b"
expect msrp 415
send "plain"
expect msrp 200
bye
expect 200
----
policy accept-types="text/plain"
expect invite
answer 200
expect message "plain"
expect bye
UA
play "the far side's MSRP refusal reaches the sender (UP-29)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
send "no"
expect msrp 413
bye
expect 200
----
policy msrp=413
expect invite
answer 200
expect bye
UA
play "a file, its slot closed and used again, both ways (RFC 5547)" 127.17.0.1 udp <<'UA'
policy accept-types="text/plain"
save $DIR
invite sip:bob@example.net via $VIA
expect 200
reinvite +file $DIR/photo.jpg
expect 200
sendfile $DIR/photo.jpg
expect msrp 200
reinvite -file
expect 200
send "it is free"
expect msrp 200
expect reinvite
expect file notes.txt
send "thanks"
expect msrp 200
bye
expect 200
----
expect invite
answer 200
expect reinvite
expect file photo.jpg
expect reinvite
expect message "it is free"
reinvite +file $DIR/notes.txt
expect 200
sendfile $DIR/notes.txt
expect msrp 200
expect message "thanks"
expect bye
UA
play "megabytes in one chunk and in many" 127.17.0.1 udp <<'UA'
policy chunk=9000000
invite sip:bob@example.net via $VIA
expect 200
fill text/plain 5000000
expect msrp 200
policy chunk=2048
fill text/plain 1000000
expect msrp 200
check bytes sent=6000000
bye
expect 200
----
expect invite
answer 200
expect message
expect message
check bytes received=6000000
expect bye
UA
play "other requests in the dialog (SETUP-22)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
request INFO application/x-test "body"
expect 200
expect info
request OPTIONS
expect 200
bye
expect 200
----
expect invite
answer 200
expect info
request INFO application/x-test "back"
expect 200
expect options
expect bye
UA
play "ringing, then refused (SETUP-17)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 180
expect 486
----
expect invite
answer 180
answer 486
wait 100
UA
play "cancelled while it rings (SETUP-12)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 180
cancel
expect 487
----
expect invite
answer 180
expect cancel
UA
play "the controlling side hangs up (TERM-1)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
expect bye
----
expect invite
answer 200
expect ack
bye
expect 200
UA
play "refused by the server: wrong proto, no accept-types, too many lines (ACC)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
reinvite proto=RTP/AVP
expect 488
update accept-types=""
expect 488
reinvite +chat
expect 488
update media=audio
expect 488
send "still here"
expect msrp 200
bye
expect 200
----
expect invite
answer 200
expect message "still here"
expect bye
UA
play "put on hold and resumed (SDP-11, UPA-19)" 127.17.0.1 udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
reinvite direction=sendonly
expect 200
send "music"
expect msrp 200
reinvite direction=sendrecv
expect 200
expect message "back"
expect bye
----
expect invite
answer 200
expect reinvite
expect message "music"
expect reinvite
expect ack
send "back"
expect msrp 200
bye
expect 200
UA
serve 127.17.0.1 tcp
play "SIP over TCP on both sides" 127.17.0.1 tcp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
update accept-types="text/plain"
expect 200
send "tcp"
expect msrp 200
expect message "pct"
expect bye
----
expect invite
answer 200
expect update
expect message "tcp"
send "pct"
expect msrp 200
bye
expect 200
UA
serve "[::1]" udp
play "IPv6 on both sides" "[::1]" udp <<'UA'
invite sip:bob@example.net via $VIA
expect 200
reinvite newpath
expect 200
send "six"
expect msrp 200
expect message "6"
expect bye
----
expect invite
answer 200
expect reinvite
expect message "six"
send "6"
expect msrp 200
bye
expect 200
UA
serve 127.17.0.1 udp hop
play "acknowledge: hop" 127.17.0.1 udp <<'UA'
policy success-report=yes chunk=2048
invite sip:bob@example.net via $VIA
expect 200
fill text/plain 300000
expect msrp 200
expect report 200
bye
expect 200
----
expect invite
answer 200
expect message
check bytes received=300000
expect bye
UA
check "the server ends cleanly" parleyd_end
exit "$bad"
