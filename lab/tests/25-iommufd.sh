#!/usr/bin/env bash
# iommufd on domains of no device: IOMMU_IOAS_MAP_FILE, and live update.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_iommufd)
export INITRD
# The domains of no device are for whoever comes first.
tests=iommufd_map_file_test,iommufd_map_file_refused_test,iommufd_liveupdate_test
APPEND="intel_iommu=off luo.mode=vfio luo.tests=$tests" \
	vm_run iommufd-map-file "luo: mode vfio stage : 0"
check "iommufd-map-file: nothing was skipped" \
	sh -c "! grep '# SKIP' '$LOGS/iommufd-map-file.results'"

INITRD=$(vm_vfio)
APPEND="intel_iommu=off luo.mode=vfio-kexec luo.stage=0 luo.hops=1 luo.only=iommufd luo.next=intel_iommu=off" \
	vm_run iommufd-kexec "luo: mode vfio-kexec stage 1: 0"
