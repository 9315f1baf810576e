# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by sipp.sh and impaired.sh: what the two SIPp play, and how a case becomes a scenario.  A case is a list of
# steps for each side; a step is a file in sipp/, with its argument behind a colon (a direction or a status), and the
# scenario is those files one after the other.
#
# Over a network that loses packets SIPp needs help: it knows the last message it got and what it sent at once, and takes
# an older one that comes again for a fault.  So with settle_ms a side waits, after an ACK and where a case says pause
# or a step @SETTLE@, for as long as the other side may repeat what it waits for; and an ACK that is overtaken by the
# next request may stay away.

# shellcheck disable=SC2034  # read by name, in the table
all='INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, MESSAGE, OPTIONS'
# shellcheck disable=SC2034
old='INVITE, ACK, CANCEL, BYE, OPTIONS'

# name | client's Allow | far side's Allow | client's steps | far side's steps
cases='
client-hangs-up           |all|all|invite bye                          |answer answer-bye
far-hangs-up              |all|all|invite answer-bye                   |answer bye
refused                   |all|all|invite-refused:486                  |answer-refused:486
client-reinvite           |all|all|invite reinvite bye                 |answer answer-reinvite answer-bye
client-update             |all|all|invite update bye                   |answer answer-update answer-bye
client-update-as-reinvite |all|old|invite update bye                   |answer answer-reinvite answer-bye
client-reinvite-488-here  |all|all|invite reinvite-bad bye             |answer answer-bye
client-update-488-here    |all|all|invite update-bad bye               |answer answer-bye
client-reinvite-488-there |all|all|invite reinvite-refused bye         |answer refuse-reinvite answer-bye
client-update-488-there   |all|all|invite update-refused bye           |answer refuse-update answer-bye
client-update-488-reinvite|all|old|invite update-refused bye           |answer refuse-reinvite answer-bye
client-reinvite-491-there |all|all|invite reinvite-refused:491 bye     |answer refuse-reinvite:491 answer-bye
client-update-500-there   |all|all|invite update-refused:500 bye       |answer refuse-update:500 answer-bye
client-update-503-there   |all|all|invite update-refused:503 bye       |answer refuse-update:503 answer-bye
client-reinvite-603-there |all|all|invite reinvite-refused:603 bye     |answer refuse-reinvite:603 answer-bye
far-reinvite              |all|all|invite answer-reinvite answer-bye   |answer pause reinvite bye
far-update                |all|all|invite answer-update answer-bye     |answer pause update bye
far-update-as-reinvite    |old|all|invite answer-reinvite answer-bye   |answer pause update bye
far-reinvite-488-here     |all|all|invite answer-bye                   |answer pause reinvite-bad bye
far-update-488-here       |all|all|invite answer-bye                   |answer pause update-bad bye
far-reinvite-488-there    |all|all|invite refuse-reinvite answer-bye   |answer pause reinvite-refused bye
far-update-488-there      |all|all|invite refuse-update answer-bye     |answer pause update-refused bye
refused-then-taken        |all|all|invite reinvite-bad reinvite-refused update-refused reinvite bye|answer refuse-reinvite refuse-update answer-reinvite answer-bye
hold-and-resume           |all|all|invite reinvite reinvite:sendrecv update update:sendrecv bye|answer answer-reinvite answer-reinvite:sendrecv answer-update answer-update:sendrecv answer-bye
client-offerless          |all|all|invite reinvite-offerless bye       |answer answer-offerless answer-bye
far-offerless             |all|all|invite answer-offerless answer-bye  |answer pause reinvite-offerless bye
client-cancels            |all|all|invite reinvite-cancelled bye       |answer answer-cancelled answer-bye
far-cancels               |all|all|invite answer-cancelled answer-bye  |answer pause reinvite-cancelled bye
glare-client-first        |all|all|invite reinvite bye                 |answer answer-glare answer-bye
glare-far-first           |all|all|invite answer-glare answer-bye      |answer pause reinvite bye
glare-update              |all|all|invite update bye                   |answer answer-glare-update answer-bye
unchanged                 |all|all|invite refresh-reinvite refresh-update reinvite refresh-reinvite bye|answer answer-reinvite answer-bye
reliable                  |all|all|invite-reliable prack answered bye  |answer-reliable pickup answer-bye
early-update              |all|all|invite-reliable prack pause update answered bye|answer-reliable answer-update pickup answer-bye
session-timer             |all|all|invite-brief invite-timer refresh-timer update refresh-timer bye|answer answer-update answer-bye
other-requests            |all|all|invite message answer-message pause bye|answer answer-message pause message answer-bye
'

# Takes too long to be played on its own.
cases_slow='
server-refreshes          |all|all|invite long-pause bye               |answer-timer answer-refresh answer-bye
'

# Through a proxy the two have only each other: what the server would refuse, answer, turn into another method or settle
# when it crosses, the other side does.  A proxy says 500 where it hears 503 (PX-10).
cases_proxy='
client-update-as-reinvite |all|old|invite update-refused:405 bye       |answer refuse-update:405 answer-bye
client-reinvite-488-here  |all|all|invite reinvite-bad bye             |answer refuse-reinvite-bad answer-bye
client-update-488-here    |all|all|invite update-bad bye               |answer refuse-update-bad answer-bye
client-update-488-reinvite|all|old|invite update-refused bye           |answer refuse-update answer-bye
far-update-as-reinvite    |old|all|invite refuse-update:405 answer-bye |answer pause update-refused:405 bye
far-reinvite-488-here     |all|all|invite refuse-reinvite-bad answer-bye|answer pause reinvite-bad bye
far-update-488-here       |all|all|invite refuse-update-bad answer-bye |answer pause update-bad bye
refused-then-taken        |all|all|invite reinvite-bad reinvite-refused update-refused reinvite bye|answer refuse-reinvite-bad refuse-reinvite refuse-update answer-reinvite answer-bye
glare-client-first        |all|all|invite reinvite-crossed bye         |answer answer-glare answer-bye
glare-far-first           |all|all|invite answer-glare answer-bye      |answer pause reinvite-crossed bye
glare-update              |all|all|invite update-crossed bye           |answer answer-glare-update answer-bye
unchanged                 |all|all|invite refresh-reinvite refresh-update reinvite refresh-reinvite bye|answer answer-unchanged answer-empty answer-reinvite answer-unchanged answer-bye
session-timer             |all|all|invite-brief invite-timer refresh-timer update refresh-timer bye|answer-brief answer-timer answer-refresh answer-update answer-refresh answer-bye
'

# In a core: a proxy that hears 503 says 500 (RFC 3261 16.7), and Kamailio's 500 is its own.
cases_core='
client-update-503-there   |all|all|invite update-failed:500 bye        |answer refuse-update:503 answer-bye
'

# case_load NAME [proxy|core|core-proxy]: sets client_allow, far_allow, client_steps, far_steps.
case_load() {
	local own=''
	[[ ${2-} != *core* ]] || own=$cases_core
	[[ ${2-} != *proxy* ]] || own+=$cases_proxy
	IFS='|' read -r _ client_allow far_allow client_steps far_steps < <(grep "^$1 *|" <<<"$own$cases$cases_slow")
	if [ -z "${far_steps-}" ]; then
		echo "no such case: $1" >&2
		return 2
	fi
}

# description PROTO SETUP DIRECTION VERSION
description() {
	local text
	text=$(<"$here/sipp/sdp.txt")
	text=${text//@PROTO@/$1} text=${text//@SETUP@/$2} text=${text//@DIRECTION@/$3}
	echo "${text//@VERSION@/$4}"
}

# step STEP: the file with its descriptions, each one version after the last; sets version and said.
step() {
	local line dir=sendonly mirror=recvonly status=488
	case $1 in
	*:sendrecv) dir=sendrecv mirror=sendrecv ;;
	*:*) status=${1#*:} ;;
	esac
	while IFS= read -r line; do
		# Both ways is what no line says (RFC 3264, 5.1): the server writes none.
		[ $dir != sendrecv ] || [[ ! $line =~ \"a=@(DIR|MIRROR)@\" ]] ||
			line='<ereg regexp="a=(sendonly|recvonly|inactive)" search_in="body" check_it_inverse="true" assign_to="seen"/>'
		line=${line//@DIR@/$dir}
		line=${line//@MIRROR@/$mirror}
		if [[ $line =~ ^@SDP\ (.*)\ (.*)\ (.*)@$ ]]; then
			version=$((version + 1))
			said=$(description "${BASH_REMATCH[@]:1}" "$version")
			echo "$said"
		elif [ "$line" = @SETTLE@ ]; then
			[ "$settle_ms" = 0 ] || echo "<pause milliseconds=\"$settle_ms\"/>"
		elif [ "$line" = @SAME@ ]; then
			echo "$said"
		else
			echo "${line//@STATUS@/$status}"
		fi
	done <"$here/sipp/${1%%:*}.xml"
}

# is_passive STEP: does it begin by waiting for the other side?
is_passive() {
	case $1 in
	answer-* | refuse-*) return 0 ;;
	*) return 1 ;;
	esac
}

# scenario SIDE ALLOW RURI STEP...: the steps as one scenario.  settle_ms: see above; 0: the network loses nothing.
scenario() {
	local side=$1 allow=$2 ruri=$3 version=0 said='' cseq=0 n=0 file settle ack text out=$tmp/step.$BASHPID
	shift 3
	echo "<?xml version=\"1.0\" encoding=\"us-ascii\"?><scenario name=\"$side\">"
	while [ $# -gt 0 ]; do
		file=$(<"$here/sipp/${1%%:*}.xml")
		n=$((n + 1))
		[[ $file != *@CSEQ@* ]] || cseq=$((cseq + 1))
		ack='' settle=''
		if [ "$settle_ms" != 0 ] && [ $# -gt 1 ] && is_passive "$2"; then
			# An ACK that brings a description is needed, any other may be overtaken.
			[ "${1%%:*}" = answer-offerless ] || ack=' optional="true"'
		elif [ "$settle_ms" != 0 ] && [[ $file = *'"ACK"'* || $file = *$'\nACK '* || $1 = pause ]] && [ "${2-}" != pause ]; then
			settle="<pause milliseconds=\"$settle_ms\"/>"
		fi
		step "$1" >"$out"
		text=$(<"$out")
		text=${text//@N@/$n} text=${text//@CSEQ@/$cseq} text=${text//@SIDE@/$side} text=${text//@ALLOW@/$allow}
		text=${text//@RURI@/$ruri}
		echo "${text//<recv request=\"ACK\"\/>/<recv request=\"ACK\"$ack/>}"
		[ -z "$settle" ] || [ $# = 1 ] || echo "$settle"
		[ $# -gt 1 ] || [ "$settle_ms" = 0 ] || echo "<timewait milliseconds=\"$settle_ms\"/>"
		shift
	done
	echo '</scenario>'
}

# end_to_end MODE: a scenario of this mode, from one of an anchored server on standard input: what is checked there to be the
# server's own description, or its own refusal, is the other side's.
end_to_end() {
	case $1 in
	anchored) cat ;;
	unanchored) sed -e '/:20009\//s/check_it_inverse=/check_it=/' -e 's/a=setup:passive"/a=setup:(active|passive)"/' ;;
	proxy) end_to_end unanchored | sed -e '/header="Warning:"/s/regexp="302 "/regexp="370 core"/' ;;
	esac
}

# sipp_pair TRANSPORT PORT [HOST]: client.xml against far.xml through HOST:PORT, both of this folder, with the caller's `common`
# options and ports; client_rc and far_rc say how they ended.  Fails when the far side did not start.
sipp_pair() {
	local far at=${3-127.0.0.1}:$2
	sipp "${common[@]}" -sf far.xml -p "$far_port" -error_file far.err -message_file far.msg "$at" >far.out 2>&1 </dev/null &
	far=$!
	others+=("$far")
	wait_open $far "$1" "$far_port" || { echo "SIPp (far) did not start:" && cat far.out && return 1; }
	sipp "${common[@]}" -sf client.xml -p "$client_port" -error_file client.err -message_file client.msg -r 40 -l 8 "$at" \
		>client.out 2>&1 </dev/null
	client_rc=$?
	# Without its calls the far side would wait to the end of its time.
	[ $client_rc = 0 ] || { sleep 1 && kill $far 2>/dev/null; }
	wait $far
	far_rc=$?
	unset 'others[-1]'
}
