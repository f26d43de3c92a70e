#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# luod and luctl on the real device, in the test machine: see lab/tests/70-luod.sh.
#
#	luod_test.sh STAGE
#
# Stage 0 is a cold boot, stages 1 and 2 come by "luctl update". In stage 0 luod and its
# keeper are built with ASan and UBSan, in stage 1 it is one that can be told where to
# die, in stage 2 it is what is installed.
#
# shellcheck disable=SC2317 # what is called by its name is reachable

stage=$1
number=0
bad=0
next="console=ttyS0 panic=-1 no_timer_check luo.mode=luod luo.stage=$((stage + 1))"
log=/tmp/luod.log
export LUOD_CRASH_POINTS=/tmp/crash
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1

result() {
	number=$((number + 1))
	echo "$2 $number stage_${stage}_$1"
	[ "$2" = ok ] || bad=1
}

# yes NAME COMMAND...: it succeeds. exits N NAME COMMAND...: with that status.
yes() { exits 0 "$@"; }
exits() {
	wanted=$1
	name=$2
	shift 2
	"$@" >/tmp/out 2>&1
	got=$?
	if [ "$got" = "$wanted" ]; then
		result "$name" ok
	else
		result "$name" "not ok"
		echo "# $*: $got, not $wanted"
		sed 's/^/# /' /tmp/out
	fi
}
# says NAME TEXT: so it said.
says() {
	if grep -qF -- "$2" /tmp/out; then
		result "$1" ok
	else
		result "$1" "not ok"
		echo "# \"$2\" is not in:"
		sed 's/^/# /' /tmp/out
	fi
}

# What a user does; the words must have no blanks.
as() {
	user=$1
	shift
	su -s /bin/sh "$user" -c "$*"
}
# preserve USER NAME TOKEN TEXT
preserve() { as "$1" "printf %s $4 | luctl preserve $2 $3"; }
# holds USER NAME TOKEN TEXT: in the new kernel
holds() { [ "$(as "$1" "luctl retrieve $2 $3")" = "$4" ]; }

# until COMMAND...: within 20 s.
soon() {
	i=0
	until "$@" >/dev/null 2>&1; do
		i=$((i + 1))
		[ "$i" -lt 200 ] || return 1
		sleep 0.1
	done
}
luod_is_not() { now=$(pidof "$luod") && [ "$now" != "$1" ] && luctl status; }
descriptors() { set -- /proc/"$(pidof "$luod")"/fd/*; echo $#; }

start() {
	luod=$1
	keeper=$2
	"$keeper" "$luod" 2>>"$log" &
	keeper_pid=$!
	yes "start_$luod" soon luctl status
}

cat >/etc/passwd <<-END
	root:x:0:0::/:/bin/sh
	alice:x:1000:1000::/:/bin/sh
	bob:x:1001:1001::/:/bin/sh
	carol:x:1002:1002::/:/bin/sh
	dave:x:1003:1003::/:/bin/sh
END
cat >/etc/group <<-END
	root:x:0:
	alice:x:1000:
	bob:x:1001:
	carol:x:1002:
	vmm:x:100:carol
END
cat >/etc/luod.conf <<-END
	# the test's
	allow user alice vm-* max=6
	allow user bob vm-* max=4
	allow user bob fz-1
	allow group vmm g-*
END
chmod 644 /etc/luod.conf
mkdir -p /run /etc
: >$log
chmod 1777 /tmp

stage_0_verbs() {
	exits 3 no_luod luctl status
	chmod 666 /etc/luod.conf
	exits 78 config_that_others_can_write luod
	chmod 644 /etc/luod.conf
	start luod-asan keeper-asan
	kill "$keeper_pid"
	yes clean_stop_without_a_leak wait "$keeper_pid"
	start luod-asan keeper-asan
	# It is patient for 3 s.
	luod --socket /tmp/other 2>/dev/null &
	other=$!

	yes create as alice luctl create vm-a
	exits 1 create_again as alice luctl create vm-a
	exits 4 create_not_allowed as alice luctl create other
	exits 4 create_luod luctl create luod
	exits 1 create_empty luctl create ""
	exits 2 create_two luctl create a b
	exits 5 show_none as alice luctl show vm-x
	yes preserve_file preserve alice vm-a 1 guest-of-alice
	exits 1 preserve_again preserve alice vm-a 1 other
	yes show as alice luctl show vm-a
	says show_file memfd-v2
	yes show_json as alice luctl --json show vm-a
	says show_json_file '{"token":"0x1","type":"memfd-v2","size":14,"state":"preserved"}'
	yes unpreserve as alice luctl unpreserve vm-a 1
	exits 5 unpreserve_again as alice luctl unpreserve vm-a 1
	yes preserve_after preserve alice vm-a 1 guest-of-alice
	exits 5 preserve_no_memfd as alice "luctl preserve vm-a 2 --fd 0 </dev/null"
	exits 5 retrieve_in_this_kernel as alice luctl retrieve vm-a 1
	exits 5 finish_in_this_kernel as alice luctl finish vm-a

	# Others.
	exits 4 show_of_another as bob luctl show vm-a
	exits 4 release_of_another as bob luctl release vm-a
	exits 1 create_of_another as bob luctl create vm-a
	yes sessions as bob luctl --json sessions
	says sessions_of_others '{"sessions":[]}'
	yes root_sees luctl sessions
	says root_sees_it vm-a
	yes root_shows luctl show vm-a
	yes create_by_bob as bob luctl create vm-b
	yes preserve_by_bob preserve bob vm-b 7 guest-of-bob
	yes create_by_group as carol luctl create g-c
	exits 4 create_not_of_group as bob luctl create g-d
	for i in 1 2 3; do yes "quota_$i" as bob luctl create "vm-q$i"; done
	exits 1 quota as bob luctl create vm-q4
	for i in 1 2 3; do yes "release_$i" as bob luctl release "vm-q$i"; done
	echo "allow" >>/etc/luod.conf
	kill -HUP "$keeper_pid"
	yes bad_config_is_told soon grep -q "file=/etc/luod.conf line=6 error=EINVAL" "$log"
	yes bad_config_changes_nothing as bob luctl create vm-q1
	sed -i '$d' /etc/luod.conf
	echo "allow user alice new-*" >>/etc/luod.conf
	kill -HUP "$keeper_pid"
	yes config_is_read_again soon as alice luctl create new-1
	yes release_by_root luctl release new-1
	yes release_q1 as bob luctl release vm-q1
	exits 1 one_luod_only wait "$other"
	yes status luctl --json status
	says status_state '"state":"preserving"'
	says status_store '"store":"yes"'
}

stage_0_hostile() {
	pid=$(pidof luod-asan)
	fds=$(descriptors)
	yes fuzz as bob luod_test fuzz 3000
	says fuzz_is_answered "answers, thrown out"
	as bob luctl release fz-1 2>/dev/null
	yes crowd as bob luod_test crowd 1000
	says crowd_is_limited "crowd: 64 served, 936 refused, 0 else"
	as bob "luod_test crowd 1000 sleep 3" >/dev/null &
	crowd=$!
	sleep 1
	yes crowd_does_not_harm_others as alice luctl show vm-a
	exits 1 crowd_harms_itself as bob luctl show vm-b
	says crowd_is_told "Too many users"
	wait "$crowd"
	yes deaf as bob luod_test deaf
	says deaf_is_dropped "deaf: dropped"
	yes generous as bob luod_test generous 1000
	says generous_is_answered "generous: answers"
	yes version as bob luod_test version
	says version_is_told EPROTONOSUPPORT
	exits 3 starved luod_test starve "$pid" luctl status
	says starved_is_told "Too many open files"
	yes starved_no_more luctl status
	yes no_descriptor_is_left soon sh -c "set -- /proc/$pid/fd/*; [ \$# -le $fds ]"
	yes nobody_died [ "$pid" = "$(pidof luod-asan)" ]
	yes log_is_not_flooded [ "$(wc -l <"$log")" -lt 1000 ]
}

# It dies at a place, while it does what COMMAND asks for: then it is there again, and so
# is all that it had.
crash_at() {
	point=$1
	shift
	pid=$(pidof "$luod")
	echo "$point" >/tmp/crash
	"$@" >/dev/null 2>&1
	yes "crash_$point" soon [ ! -e /tmp/crash ]
	yes "crash_${point}_restart" soon luod_is_not "$pid"
	if [ "$stage" = 0 ]; then
		yes "crash_${point}_show" as alice luctl show vm-a
		says "crash_${point}_file" "memfd-v2	14	preserved"
	fi
}

stage_0_crashes() {
	for point in created saved stored preserved two-states answered; do
		crash_at "$point" as bob luctl create vm-n
		yes "crash_${point}_again" as bob "luctl show vm-n || luctl create vm-n"
		yes "crash_${point}_release" as bob luctl release vm-n
	done
	yes create_to_release as bob luctl create vm-n
	crash_at released as bob luctl release vm-n
	exits 5 crash_released_for_good as bob luctl show vm-n
	pid=$(pidof luod-asan)
	kill -KILL "$pid"
	yes killed_restart soon luod_is_not "$pid"
	exits 4 killed_owner_is_known as bob luctl show vm-a
	yes killed_file as bob luctl show vm-b
	says killed_file_is_there "0x7	memfd-v2	12	preserved"
}

update() { luctl --json update --kernel /next/bzImage --initrd /next/initrd --append "$next" "$@"; }

vmm_says() { grep -q "$1" /tmp/vmm; }
start_vmm() {
	as alice exec vmm-client vm-vmm >/tmp/vmm 2>&1 &
	yes vmm soon vmm_says "^vm-vmm: update $stage, guest at"
	# What it was at is what is in either.
	yes vmm_is_whole sh -c "sed -n 1p /tmp/vmm | grep -E 'guest at ([0-9]+), state at \\1\$'"
}

stage_0_update() {
	start_vmm
	yes dry_run update --dry-run
	says dry_run_release "\"next_release\":\"$(uname -r)\""
	exits 6 update_is_for_root as alice luctl update --kernel /next/bzImage
	exits 2 update_of_what luctl update --initrd /next/initrd
	exits 6 update_without_kernel luctl update
	exits 6 update_no_kernel luctl update --kernel /etc/passwd
	exits 6 update_off update --append "kho=off"
	yes create_for_types luctl create vm-types
	yes preserve_for_types luctl preserve vm-types 7 --fd 4 4<>/dev/liveupdate_test
	exits 6 update_types update --types mainline
	says update_types_are_named "session vm-types: 0x7 is "
	yes release_for_types luctl release vm-types
	yes update_types_known update --types mainline --dry-run
	exits 6 update_types_unknown update --types memfd-v1,vfio-pci-v1 --dry-run
	exits 2 update_bad_timeout update --timeout x

	as bob exec luod_test subscribe 5 >/tmp/subscriber &
	soon grep -q "subscribe: Success" /tmp/subscriber
	exits 6 update_one_cant update
	says update_one_cant_is_named "uid 1001: Input/output error"
	yes vmm_goes_on soon vmm_says "goes on"
	kill "$(pidof luod_test)"
	as bob exec luod_test mute >/tmp/subscriber &
	soon grep -q "subscribe: Success" /tmp/subscriber
	exits 6 update_one_is_mute update --timeout 1
	says update_mute_is_named "uid 1001: Connection timed out"
	kill "$(pidof luod_test)"
	as bob exec luod_test die >/tmp/subscriber &
	soon grep -q "subscribe: Success" /tmp/subscriber
	exits 6 update_one_dies update
	says update_dead_is_named "uid 1001: Broken pipe"
	# The kernel has a say, too.
	yes load_off kexec -s -l /next/bzImage --initrd=/next/initrd --append=liveupdate=off
	exits 1 update_refused luctl update
	says update_refused_is_told "the kernel has refused the update"
	yes update_refused_resumes soon sh -c "tail -n 1 /tmp/vmm | grep 'goes on'"
	yes update_is_off_again luctl status
	says update_is_off_again_status "luod: running"
	yes subscribe_without_session as dave luod_test mute
	says subscribe_without_session_is_refused "subscribe: Operation not permitted"

	crash_at committed update
	soon vmm_says reconnected
	exits 0 no_update_after_a_crash luctl report
	says no_update_after_a_crash_report "pause_ms: -"

	# luod without a net: still it works.
	kill -KILL "$keeper_pid"
	exits 1 no_keeper_create as bob luctl create vm-a
	yes no_keeper_create as bob luctl create vm-last
	yes no_keeper luctl status
	says no_keeper_status "store: lost"
	yes no_sanitizer_report sh -c "! grep -E 'Sanitizer|runtime error' $log"
	# All that is left is one that does not want to: by force.
	as bob exec luod_test subscribe 5 >/tmp/subscriber &
	soon grep -q "subscribe: Success" /tmp/subscriber
	update --force
	result update "not ok"
}

stage_1() {
	echo taken-over >/tmp/crash
	start luod-crash luod-keeper
	yes crash_taken_over [ ! -e /tmp/crash ]
	yes status luctl --json status
	says status_updated '"state":"updated"'
	yes sessions luctl sessions
	says sessions_of_alice "vm-a	incoming	1000	waiting"
	says sessions_of_bob "vm-b	incoming	1001	waiting"
	says sessions_of_carol "g-c	incoming	1002	waiting"
	exits 4 retrieve_of_another as bob luctl retrieve vm-a 1
	crash_at claimed as alice luctl retrieve vm-a 1
	yes retrieve holds alice vm-a 1 guest-of-alice
	crash_at claim-saved as bob luctl retrieve vm-b 7
	yes retrieve_by_bob holds bob vm-b 7 guest-of-bob
	exits 5 retrieve_no_token as bob luctl retrieve vm-b 8
	yes retrieve_by_root holds root vm-b 7 guest-of-bob
	yes retrieve_for_command as bob "luctl retrieve vm-b 7 -- sh -c 'cat <&3'"
	says retrieve_for_command_it_has guest-of-bob
	exits 4 name_of_another as bob luctl create vm-a
	yes name_again as alice luctl create vm-a
	yes preserve_file preserve alice vm-a 1 second
	exits 4 finish_of_another as bob luctl finish vm-a
	yes finish as alice luctl finish vm-a
	exits 5 finish_again as alice luctl finish vm-a
	kill -KILL "$(pidof luod-crash)"
	yes killed_restart soon luctl status
	yes killed_retrieve holds bob vm-b 7 guest-of-bob
	crash_at finished as bob luctl finish vm-b
	exits 5 crash_finished_for_good as bob luctl retrieve vm-b 7
	start_vmm
	exits 6 update_with_unfinished update
	says update_unfinished_is_named "not finished: g-c"
	yes finish_empty as carol luctl finish g-c
	yes finish_last luctl finish vm-last
	yes report luctl --json report
	says report_pause '"pause_ms":'
	sed 's/^/# /' /tmp/out
	exits 1 report_knows grep -E '"(pause|jump|boot|prepare)_ms":null' /tmp/out
	yes report_text luctl report
	says report_finished "vm-b	1001	finished"
	update
	result update "not ok"
}

stage_2() {
	start luod luod-keeper
	yes retrieve holds alice vm-a 1 second
	exits 4 retrieve_of_another as bob luctl retrieve vm-a 1
	yes finish as alice luctl finish vm-a
	start_vmm
	kill "$(pidof vmm-client)"
	yes vmm_died as alice luctl show vm-vmm
	says vmm_died_session "0x1	memfd-v2	4194304	preserved"
	yes vmm_release as alice luctl release vm-vmm
	yes normal sh -c "grep -qx normal /sys/kernel/liveupdate/state"
	cp "$log" /tmp/out
	says log_is_structured "luod: level=info event=release session=vm-vmm uid=1000 pid="
}

# What it takes is to be seen.
section() {
	echo "# $1 begins at $(cut -d' ' -f1 /proc/uptime) s"
	"$1"
}

case $stage in
0)
	section stage_0_verbs
	section stage_0_hostile
	section stage_0_crashes
	section stage_0_update
	;;
*)
	section "stage_$stage"
	;;
esac
echo "# it ends at $(cut -d' ' -f1 /proc/uptime) s"
[ $bad = 0 ] || sed 's/^/# /' $log
exit $bad

