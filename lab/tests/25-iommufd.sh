#!/usr/bin/env bash
# iommufd on domains of no device: IOMMU_IOAS_MAP_FILE.
. "$(dirname "$0")/../lib.sh"
. "$REPO/lab/vm.sh"

INITRD=$(vm_iommufd)
export INITRD
# The domains of no device are for whoever comes first.
APPEND="intel_iommu=off luo.mode=vfio luo.tests=iommufd_map_file_test,iommufd_map_file_refused_test" \
	vm_run iommufd-map-file "luo: mode vfio stage : 0"
check "iommufd-map-file: nothing was skipped" \
	sh -c "! grep '# SKIP' '$LOGS/iommufd-map-file.results'"
