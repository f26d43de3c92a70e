#!/usr/bin/env bash
# Everything that must pass. The last line is "N passed, N failed, N skipped".
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/suite.sh"

step deps "$REPO/lab/deps.sh"
step tree "$REPO/lab/tree.sh"
step kernel "$REPO/lab/kernel.sh"
suite check "$REPO/lab/check.sh"
suite soundness "$REPO/lab/soundness.sh"
suites "$REPO"/lab/tests/*.sh
finish
