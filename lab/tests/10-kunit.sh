#!/usr/bin/env bash
# Boot with KUnit enabled: it runs every suite that the kernel has, then /init.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../vm.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#!/bin/sh\necho lab: all suites were run\npoweroff -f\n' >"$work/init"
"$REPO/lab/initrd.sh" "$work/initrd" "$work/init"

INITRD=$work/initrd APPEND="kho=on liveupdate=on kunit.enable=1" vm_run kunit "lab: all suites were run"
# A suite that is not built is not a suite that passed.
for suite in kho luo; do
	check "kunit: suites of $suite have run" grep -qE "^ok - kunit: $suite" "$LOGS/kunit.results"
done
