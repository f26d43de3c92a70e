#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# minivmm across kexecs, in the test machine (luo_init.sh):
#
#	minivmm_test.sh STAGE HOPS
#
# The guest "lives" goes all the way: "minivmm: stopped" and "minivmm: goes on" tell after
# which turn. Others don't: one is killed, one is not stopped, and the state of one is
# damaged. The next kernel has to be loaded: to leave for it is all that is left.
stage=$1
hops=$2
results=0
failed=0

# result NAME STATUS
result() {
	results=$((results + 1))
	if [ "$2" = 0 ]; then
		echo "ok $results $1_stage_$stage"
	else
		echo "not ok $results $1_stage_$stage"
		failed=1
	fi
}

# Each has a process and says things.
vmm() {
	minivmm "$1" "$2" >"/tmp/$2.log" 2>&1 &
	echo $! >"/tmp/$2.pid"
}
signal() { kill "-$1" "$(cat "/tmp/$2.pid")"; }
alive() { kill -0 "$(cat "/tmp/$1.pid")" 2>/dev/null; }
reports() { grep -c "checksum right" "/tmp/$1.log"; }

# said NAME TEXT: it says so some time, unless it ends.
said() {
	until grep -q "$2" "/tmp/$1.log"; do
		alive "$1" || return
		sleep 0.05
	done
}

# runs NAME: it says that all is well, some more times.
runs() {
	enough=$(($(reports "$1") + 3))
	while alive "$1" && [ "$(reports "$1")" -lt $enough ]; do sleep 0.05; done
	alive "$1"
}

# refused NAME TEXT: it can't be resumed.
refused() {
	minivmm resume "$1" >"/tmp/$1.log" 2>&1
	[ $? = 1 ] && grep -qx "$1: $2" "/tmp/$1.log"
}

# damage NAME OFFSET: in the state that is handed over.
damage() {
	for fd in "/proc/$(cat "/tmp/$1.pid")"/fd/*; do
		case $(readlink "$fd") in
		/memfd:minivmm-state*)
			printf 'oops' | dd of="$fd" bs=1 seek="$2" conv=notrunc 2>/dev/null
			return
			;;
		esac
	done
	return 1
}

# stop NAME: until it is saved, which may be for the second time.
stop() {
	before=$(grep -c "stopped after turn" "/tmp/$1.log")
	signal USR1 "$1"
	until [ "$(grep -c "stopped after turn" "/tmp/$1.log")" -gt "$before" ]; do
		alive "$1" || return
		sleep 0.05
	done
}

if [ "$stage" = 0 ]; then
	for guest in lives killed running damaged; do
		vmm start $guest
	done
	for guest in lives killed running damaged; do
		runs $guest
		result ${guest}_runs $?
	done

	# An update that does not take place.
	stop lives
	signal USR2 lives
	said lives "goes on after turn" && runs lives
	result lives_goes_on_without_update $?

	signal KILL killed
	runs lives && runs running
	result others_run_on $?

	stop damaged && damage damaged 5000
	result damaged_is_damaged $?
else
	vmm resume lives
	said lives "goes on after turn" && runs lives
	result lives_goes_on $?
	sed -n 's/^lives: goes on/minivmm: goes on/p' /tmp/lives.log
fi

if [ "$stage" = 1 ]; then
	refused killed "no session: No such file or directory"
	result killed_is_not_there $?
	refused running "refused: the guest was not stopped before the update: Invalid argument"
	result running_is_refused $?
	# Nothing has changed by that.
	for try in 1 2; do
		refused damaged "refused: the state is damaged: Invalid argument"
		result damaged_is_refused_$try $?
	done
	runs lives
	result lives_runs_on $?
fi

stop lives
result lives_is_stopped $?
# The clocks are compared only then.
! grep "does not trust its TSC" /tmp/*.log
result clocks_were_compared $?
sed 's/^/# /' /tmp/*.log | grep -v -e "checksum right" -e "lives: stopped"
grep "checksum right" /tmp/lives.log | tail -n 1 | sed 's/^/# /'
if [ "$stage" = "$hops" ]; then
	signal TERM lives
	wait "$(cat /tmp/lives.pid)"
	result lives_ends $?
else
	sed -n 's/^lives: stopped/minivmm: stopped/p' /tmp/lives.log | tail -n 1
fi
exit $failed
