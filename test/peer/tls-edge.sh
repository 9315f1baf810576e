#!/bin/bash
# SPDX-License-Identifier: MIT
#
# parleyd's TLS port against OpenSSL's s_client: what must be refused is refused, with a line in the log that says why, and
# who did nothing wrong does not notice.
#
#	tls-edge.sh PARLEYD
#
# Exit: 0 good, 77 there is no openssl here, 1 else.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/loopback.sh
source "$here/../../tools/loopback.sh"
# shellcheck source=test/peer/certificates.sh
source "$here/certificates.sh"
[ $# = 1 ] || { sed -n '3,9p' "$0" >&2 && exit 2; }
parleyd=$(readlink -f "$1")
command -v openssl >/dev/null || { echo "no openssl here" && exit 77; }

scratch tls
cd "$tmp" || exit 1

# An expired certificate needs the ca command: req dates all of them from now.
expired() {
	openssl req "${new_key[@]}" -keyout "$1.key" -subj "/CN=$1" -out "$1.csr" 2>>openssl.log &&
		printf '[ca]\ndefault_ca=a\n[a]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' >ca.cnf &&
		: >index && echo 01 >serial &&
		openssl ca -batch -config ca.cnf -cert "$2.pem" -keyfile "$2.key" -in "$1.csr" -out "$1.pem" -notext \
			-startdate 20200101000000Z -enddate 20210101000000Z 2>>openssl.log
}
if ! { authority ours && authority theirs && identity parley ours 127.0.0.1 && identity core ours 127.0.0.1 && identity stranger theirs 127.0.0.1 &&
	authority alone && expired old ours; }; then
	cat openssl.log
	exit 1
fi

port sip_port
parleyd_start tcp "$sip_port" <<YAML || exit 1
sip:
  listen: ["tls:127.0.0.1:$sip_port"]
  tls: { certificate: "$tmp/parley.pem", key: "$tmp/parley.key", ca: "$tmp/ours.pem", require_clients: true }
  message_wait: 2s
im: { served_domains: ["example.com"] }
log: { level: info }
YAML

options() {
	printf 'OPTIONS sip:127.0.0.1:%s SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n' "$sip_port" "$1"
	printf 'From: <sip:a@example.com>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n' "$1"
}
# ask NAME OPTION...: asks and prints what came back
ask() {
	local name=$1
	shift
	{ options "$name" && sleep 0.7; } | timeout 10 openssl s_client -connect 127.0.0.1:"$sip_port" -quiet -CAfile ours.pem \
		-verify_return_error "$@" 2>"$name.err"
}
n=0 bad=0
echo 1..14
result() { # RC NAME
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	echo "not ok $n - $2"
	bad=1
	sed 's/^/# /' parleyd.log ./*.err
}
taken_in() { # NAME OPTION...
	local what=$1
	shift
	[[ $(ask "n$n" "$@") == "SIP/2.0 200 "* ]]
	result $? "$what: served"
}
refused() { # WHAT REASON-IN-THE-LOG OPTION...
	local what=$1 pattern=$2 before
	shift 2
	before=$(wc -l <parleyd.log)
	[[ $(ask "n$n" "$@") != *SIP/2.0* ]] &&
		tail -n +$((before + 1)) parleyd.log | grep -Eq "sip-tls-failed addr=127\.0\.0\.1:[0-9]+ why=\"$pattern\"\$"
	result $? "$what: refused, and said why"
}
core=(-cert core.pem -key core.key)
old_ok='DEFAULT:@SECLEVEL=0'

taken_in "TLS 1.3 with a certificate of our authority" "${core[@]}" -tls1_3
taken_in "TLS 1.2 with a certificate of our authority" "${core[@]}" -tls1_2
refused "TLS 1.1" 'unsupported protocol' "${core[@]}" -tls1_1 -cipher "$old_ok"
refused "TLS 1.0" 'unsupported protocol' "${core[@]}" -tls1 -cipher "$old_ok"
refused "a cipher without forward secrecy" 'no shared cipher' "${core[@]}" -tls1_2 -cipher AES128-GCM-SHA256
refused "a cipher without authenticated encryption" 'no shared cipher' "${core[@]}" -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA
refused "a cipher without authentication" 'no shared cipher' "${core[@]}" -tls1_2 -cipher "AECDH-AES128-SHA:@SECLEVEL=0"
refused "no certificate" 'peer did not return a certificate'
refused "a certificate of a stranger's authority" 'unable to get local issuer certificate' -cert stranger.pem -key stranger.key
refused "a self-signed certificate" 'self-signed certificate' -cert alone.pem -key alone.key
refused "an expired certificate" 'certificate has expired' -cert old.pem -key old.key

# Each R asks for a new handshake: refused one by one, and the connection still serves.
{
	for _ in $(seq 20); do echo R; sleep 0.02; done
	sleep 0.3
} | timeout 10 openssl s_client -connect 127.0.0.1:"$sip_port" -CAfile ours.pem "${core[@]}" -tls1_2 >reneg.out 2>reneg.err
grep -q 'no renegotiation' reneg.err
result $? "renegotiation: refused"

# Who connects and says nothing, or half a handshake, is closed after message_wait and holds nothing.
exec {idle}<>/dev/tcp/127.0.0.1/"$sip_port" {half}<>/dev/tcp/127.0.0.1/"$sip_port"
printf '\x16\x03\x01\x02\x00\x01' >&$half
timeout 8 cat <&$idle >/dev/null && timeout 8 cat <&$half >/dev/null
result $? "silence and half a handshake: closed"
exec {idle}>&- {half}>&-

taken_in "who did nothing wrong, after all that" "${core[@]}" -tls1_3
parleyd_end || bad=1
exit $bad
