# SPDX-License-Identifier: MIT
# To be sourced: plays two parley-ua against each other, as TAP.  The caller sets here (this directory) and ua (the
# program), and near_via where the near end's INVITE goes to (empty: to the far end).  port[0..5] are free; callers use
# addresses of 127/8 that no other test uses, since a port free now may be another test's a moment later.
dir=$(mktemp -d "${TMPDIR:-/tmp}/parley-ua.XXXXXX")
pid='' server=''
trap 'kill $pid $server 2>/dev/null || true; rm -rf "$dir"' EXIT
n=0 bad=0 near_via=''
mapfile -t port < <("$here/ports" $((b = 12000 + $$ % 1000 * 20)) $((b + 1)) $((b + 2)) $((b + 3)) $((b + 4)) $((b + 5)))

# play NAME HOST TRANSPORT: stdin has the near end's script, a line "----", the far end's.
play() {
	local name=$1 host=$2 tp=$3 rc=0 via
	n=$((n + 1))
	via=${near_via:-$host:${port[2]}}
	cat >"$dir/both"
	sed '/^----$/,$d' "$dir/both" >"$dir/near.ua"
	sed '1,/^----$/d' "$dir/both" >"$dir/far.ua"
	{ printf 'name far\nidentity sip:bob@example.net\nlisten %s:%s:%s msrp:%s:%s\nsave %s\n' "$tp" "$host" "${port[2]}" \
		"$host" "${port[3]}" "$dir" && cat "$dir/far.ua"; } >"$dir/far.run"
	{ printf 'name near\nidentity sip:alice@example.com\nlisten %s:%s:%s msrp:%s:%s\n' "$tp" "$host" "${port[0]}" "$host" \
		"${port[1]}" && cat "$dir/near.ua"; } >"$dir/near.run"
	"$ua" -s "$dir/far.sum" -D DIR="$dir" "$dir/far.run" >"$dir/far.log" 2>&1 &
	pid=$!
	"$here/ports" --until-taken "${port[2]}" || rc=1 # the far end says why
	"$ua" -s "$dir/near.sum" -D VIA="$tp:$via" -D DIR="$dir" "$dir/near.run" >"$dir/near.log" 2>&1 || rc=1
	wait $pid || rc=1
	pid=''
	if [ $rc = 0 ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		bad=1
		sed 's/^/# /' "$dir/near.log" "$dir/far.log"
	fi
}
