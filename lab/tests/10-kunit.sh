#!/usr/bin/env bash
# The KUnit suites, in a kernel that is booted for them.
. "$(dirname "$0")/../lib.sh"

mkdir -p "$LOGS"
cat >"$OUT/kunit-init" <<'INIT'
#!/bin/sh
echo "kunit: done"
/bin/busybox poweroff -f
INIT
"$REPO/lab/initrd.sh" "$OUT/kunit-initrd" "$OUT/kunit-init"
INITRD=$OUT/kunit-initrd APPEND="kunit.enable=1" "$REPO/lab/run.sh" >"$LOGS/kunit-console.log" 2>&1 || true
vm_results "$LOGS/kunit-console.log" "kunit: done"
