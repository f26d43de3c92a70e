#!/usr/bin/env bash
# Live updates between our kernel and the peer's (see lab/peer.sh): memfds go from one to
# the other and back, by the uAPI that both have. Result lines as those of a test, then a
# verdict.
. "$(dirname "$0")/lib.sh"
. "$REPO/lab/vm.sh"

peer=$("$REPO/lab/peer.sh")
mkdir -p "$LOGS"
selftests_build
INITRD=$(selftests_initrd interop "$OUT/selftests/luo_interop" \
	"$OUT/bzImage:/kernels/ours" "$peer:/kernels/peer")
export INITRD TIMEOUT=${TIMEOUT:-900}
declare -A kernel=([ours]=$OUT/bzImage [peer]=$peer)
results=$LOGS/interop.results

# hops KERNEL,KERNEL...: from one to the next.
hops() {
	KERNEL=${kernel[${1%%,*}]} NEXT=$OUT/bzImage MEM=2G \
		APPEND="kho=on liveupdate=on luo.mode=interop luo.stage=0 luo.order=$1" \
		vm_run "interop-${1//,/-}" "luo: mode interop stage $(tr -cd , <<<"$1" | wc -c): 0"
}
echo "# the peer is $(cat "$CACHE/peer/version")"
for order in ${INTEROP:-ours,peer peer,ours ours,peer,ours peer,ours,peer}; do
	hops "$order"
done | tee "$results"
passed=$(grep -c '^ok' "$results" || true) failed=$(grep -c '^not ok' "$results" || true)
echo "interop: $passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
