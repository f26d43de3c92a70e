#!/usr/bin/env bash
# Boot with KUnit enabled: it runs every suite that the kernel has, then /init.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../vm.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#!/bin/sh\necho lab: all suites were run\npoweroff -f\n' >"$work/init"
"$REPO/lab/initrd.sh" "$work/initrd" "$work/init"

INITRD=$work/initrd APPEND="kho=on liveupdate=on kunit.enable=1" vm_run kunit "lab: all suites were run"
# A suite that is not built is not a suite that passed: those that there are have run, and
# no other ones.
suites=(kho_apic_timer kho_block kho_map kho_memory kho_mutate luo-hugetlb luo-intel-iommu
	luo-iommu luo-iommufd luo-pci luo-vfio-pci luo_debugfs luo_file luo_flb luo_mutate
	luo_session memfd_luo_mutate reserve_mem_mutate)
all_suites() {
	diff <(printf '%s\n' "${suites[@]}") \
		<(sed -n 's/^\(not \)*ok - kunit: \([^ .]*\)\..*/\2/p' "$LOGS/kunit.results" | LC_ALL=C sort -u)
}
check "kunit: all suites have run" all_suites
