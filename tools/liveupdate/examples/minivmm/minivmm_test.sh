#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# minivmm across live updates by luctl, in the test machine (luo_init.sh):
#
#	minivmm_test.sh STAGE HOPS
#
# The guest "lives" goes all the way: "minivmm: leaves" and "minivmm: goes on" tell after
# which turn. "mute" does not answer luod, and an update is given up. "killed" dies
# before the update. "snapshot" is a copy of what "lives" had saved for the update that
# was given up; "damaged" and "other" are that, but for some bytes. "drives" has an edu,
# and goes all the way, too. So does "receives", which has an e1000e that gets frames all
# the time: "minivmm: receives" tells how many there were.
#
# shellcheck disable=SC2317,SC3045 # called by its name; busybox has it

stage=$1
hops=$2
next="console=ttyS0 panic=-1 no_timer_check tsc=reliable luo.mode=minivmm luo.hops=$hops"
meanwhile=": [1-9][0-9]* frames came while it was stopped"
results=0
failed=0

# result NAME STATUS
result() {
	results=$((results + 1))
	if [ "$2" = 0 ]; then
		echo "ok $results $1_stage_$stage"
	else
		echo "not ok $results $1_stage_$stage"
		tail -n 4 /tmp/*.log /tmp/refused | sed 's/^/# /'
		failed=1
	fi
}

# soon COMMAND...: it succeeds, within a minute or some; not if a guest has had enough.
soon() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
		[ $((tries % 10)) != 0 ] || ! grep -q ": WRONG: " /tmp/*.log || return 1
		sleep 0.1
	done
}

# Each is a process, without privileges, and says things.
as_vmm() { su -s /bin/sh vmm -c "exec $*"; }
vmm() {
	su -s /bin/sh vmm -c "exec minivmm $*" >"/tmp/$2.log" 2>&1 &
	echo $! >"/tmp/$2.pid"
}
pid_of() { cat "/tmp/$1.pid"; }
signal() { kill "-$1" "$(pid_of "$2")"; }
said() { grep -q "$2" "/tmp/$1.log"; }
times_said() { grep -c "$2" "/tmp/$1.log"; }
has_said() { [ "$(times_said "$1" "$2")" -ge "$3" ]; }
last_turn() { sed -n 's/.*: turn \([0-9]*\),.*/\1/p' "/tmp/$1.log" | tail -n 1; }

# runs NAME: it says that all is well, some more times.
runs() {
	soon has_said "$1" "checksum right" $(($(times_said "$1" "checksum right") + 3)) &&
		signal 0 "$1"
}

# refused COMMAND NAME TEXT: it ends, for this reason.
refused() {
	as_vmm "minivmm $1 $2" >/tmp/refused 2>&1
	[ $? = 1 ] && grep -qx "$2: $3" /tmp/refused
}

# memfd NAME WHAT: where the file is that is handed over.
memfd() {
	for fd in "/proc/$(pid_of "$1")"/fd/*; do
		case $(readlink "$fd") in
		"/memfd:minivmm-$2 "*)
			echo "$fd"
			return
			;;
		esac
	done
}

# hand_over NAME: a session of the files that were copied.
hand_over() {
	as_vmm luctl create "$1" && as_vmm luctl preserve "$1" 1 </tmp/ram &&
		as_vmm luctl preserve "$1" 2 <"/tmp/state-$1"
}

# change NAME OFFSET: another state, but for four bytes.
change() {
	cp /tmp/state-snapshot "/tmp/state-$1"
	printf 'oops' | dd of="/tmp/state-$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# lend DEVICE: to vmm, who has no privileges.
lend() {
	echo vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
	[ ! -e "/sys/bus/pci/devices/$1/driver" ] ||
		echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
	echo "$1" >/sys/bus/pci/drivers_probe
	for path in "/sys/bus/pci/devices/$1/vfio-dev"/*; do
		chown vmm "/dev/vfio/devices/${path##*/}"
	done
}

update() {
	exec luctl update --kernel /next/bzImage --initrd /next/initrd --timeout 60 \
		--append "$next luo.stage=$((stage + 1))"
}

echo "vmm:x:1000:1000::/:/bin/sh" >/etc/passwd
echo "allow user 1000 * max=16" >/etc/luod.conf
chown vmm /dev/kvm /dev/iommu
# What is preserved counts as locked, and so does what a device has access to.
ulimit -l 262144
mkdir -p /run
luod-keeper luod 2>/tmp/luod.log &
soon luctl status
result luod $?

if [ "$stage" = 0 ]; then
	for guest in lives killed mute; do
		vmm start $guest
	done
	lend 0000:00:04.0
	vmm start drives 0000:00:04.0
	lend 0000:01:00.0
	vmm start receives 0000:01:00.0
	for guest in lives killed mute drives receives; do
		runs $guest
		result ${guest}_runs $?
	done
	refused start lives "the guest can't be handed over: File exists"
	result no_two_of_a_name $?

	kill -KILL "$(pidof luod)"
	soon said lives "luod is back" && soon said mute "luod is back" && runs lives
	result lives_runs_on_without_luod $?

	# An update that is given up: all go on in this kernel.
	signal STOP mute
	(update) >/tmp/update.log 2>&1 &
	soon said lives "stopped after turn"
	result lives_is_stopped $?
	for guest in drives receives; do
		soon said $guest "stopped after turn"
		result ${guest}_is_stopped $?
	done
	cat "$(memfd lives ram)" >/tmp/ram
	cat "$(memfd lives state)" >/tmp/state-snapshot
	kill $!
	soon said lives "goes on after turn" && runs lives
	result lives_goes_on_without_update $?
	# It hears of the beginning and of the end at once.
	signal CONT mute
	runs mute
	result mute_goes_on $?
	soon said drives "goes on after turn" && runs drives
	result drives_goes_on_without_update $?
	soon said receives "$meanwhile" && runs receives
	result receives_goes_on_without_update $?
	signal TERM mute
	wait "$(pid_of mute)"
	result mute_ends $?
	luctl release mute >/tmp/out
	result mute_is_released $?

	change damaged 5000
	change other 8
	for guest in snapshot damaged other; do
		hand_over $guest
		result ${guest}_is_handed_over $?
	done
	signal KILL killed
	runs lives
	result lives_runs_on $?
else
	for guest in lives drives receives; do
		vmm resume $guest
	done
	for guest in lives drives receives; do
		soon said $guest "goes on after turn" && runs $guest
		result ${guest}_goes_on $?
	done
	said receives "$meanwhile"
	result receives_has_received_meanwhile $?
	sed -n 's/^lives: goes on/minivmm: goes on/p' /tmp/lives.log
	luctl report | sed 's/^/# /'
fi

if [ "$stage" = 1 ]; then
	vmm resume snapshot
	soon said snapshot "goes on after turn" && runs snapshot
	result snapshot_goes_on $?
	refused resume nobody "no session: No such file or directory"
	result nobody_is_not_there $?
	refused resume killed \
		"refused: the guest was not stopped before the update: Invalid argument"
	result killed_is_refused $?
	# Nothing has changed by that.
	for try in 1 2; do
		refused resume damaged "refused: the state is damaged: Invalid argument"
		result damaged_is_refused_$try $?
	done
	refused resume other \
		"refused: the state is of another version of minivmm: Invalid argument"
	result other_is_refused $?
	for guest in killed damaged other; do
		luctl finish $guest >/tmp/out
		result ${guest}_is_given_up $?
	done
	runs lives
	result lives_runs_on $?
fi

# The clocks are compared only then.
! grep "does not trust its TSC" /tmp/*.log
result clocks_were_compared $?
sed 's/^/# /' /tmp/*.log | grep -v "checksum right"
grep "checksum right" /tmp/lives.log | tail -n 1 | sed 's/^/# /'
if [ "$stage" = "$hops" ]; then
	for guest in lives receives; do
		signal TERM $guest
		wait "$(pid_of $guest)"
		result ${guest}_ends $?
	done
	sed -n 's/^receives: .*has received/minivmm: receives/p' /tmp/receives.log
	exit $failed
fi
echo "minivmm: leaves after turn $(last_turn lives)"
(update)
result update 1
exit 1
