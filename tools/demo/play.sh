# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# To be sourced: plays two parley-ua against each other, as TAP.  The caller sets here (this directory) and ua (the
# program), and near_via where the near end's INVITE goes to (empty: to the far end).  port[0..5] are free.
# shellcheck source=tools/loopback.sh
source "$here/../loopback.sh"
scratch ua
n=0 bad=0 near_via='' port=()
for _ in {0..5}; do
	port free && port+=("$free")
done

# check NAME COMMAND...: a line of TAP, and on a fault what parleyd said.
check() {
	local name=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		bad=1
		[ ! -e "$tmp/parleyd.log" ] || tail -n 40 "$tmp/parleyd.log" | sed 's/^/# /'
	fi
}

# play NAME HOST TRANSPORT: stdin has the near end's script, a line "----", the far end's.
play() {
	local name=$1 host=$2 tp=$3 rc=0 via far
	n=$((n + 1))
	via=${near_via:-$host:${port[2]}}
	cat >"$tmp/both"
	sed '/^----$/,$d' "$tmp/both" >"$tmp/near.ua"
	sed '1,/^----$/d' "$tmp/both" >"$tmp/far.ua"
	{ printf 'name far\nidentity sip:bob@example.net\nlisten %s:%s:%s msrp:%s:%s\nsave %s\n' "$tp" "$host" "${port[2]}" \
		"$host" "${port[3]}" "$tmp" && cat "$tmp/far.ua"; } >"$tmp/far.run"
	{ printf 'name near\nidentity sip:alice@example.com\nlisten %s:%s:%s msrp:%s:%s\n' "$tp" "$host" "${port[0]}" "$host" \
		"${port[1]}" && cat "$tmp/near.ua"; } >"$tmp/near.run"
	"$ua" -s "$tmp/far.sum" -D DIR="$tmp" "$tmp/far.run" >"$tmp/far.log" 2>&1 &
	far=$!
	others+=("$far")
	wait_open $far "$tp" "${port[2]}" || rc=1 # the far end says why
	"$ua" -s "$tmp/near.sum" -D VIA="$tp:$via" -D DIR="$tmp" "$tmp/near.run" >"$tmp/near.log" 2>&1 || rc=1
	wait $far || rc=1
	unset 'others[-1]'
	if [ $rc = 0 ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		bad=1
		sed 's/^/# /' "$tmp/near.log" "$tmp/far.log"
	fi
}
