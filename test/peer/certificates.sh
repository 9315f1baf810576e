# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by tests that need certificates: authorities of their own and identities made by them, in the folder $tmp; what openssl
# says goes to $tmp/openssl.log.

new_key=(-batch -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc)

# authority NAME: NAME.key and the self-signed NAME.pem.
authority() {
	openssl req "${new_key[@]}" -keyout "$tmp/$1.key" -x509 -days 1 -subj "/CN=$1" -out "$tmp/$1.pem" 2>>"$tmp/openssl.log"
}

# identity NAME AUTHORITY ADDRESS: NAME.key, and NAME.pem for that address ([::1] may have its brackets).
identity() {
	openssl req "${new_key[@]}" -keyout "$tmp/$1.key" -subj "/CN=$1" -x509 -CA "$tmp/$2.pem" -CAkey "$tmp/$2.key" \
		-days 1 -addext "subjectAltName=IP:${3//[\[\]]/}" -addext basicConstraints=critical,CA:FALSE \
		-out "$tmp/$1.pem" 2>>"$tmp/openssl.log"
}
