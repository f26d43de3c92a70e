#!/usr/bin/env bash
# Everything that must pass. The last line is "N passed, N failed, N skipped".
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/suite.sh"

step deps "$REPO/lab/deps.sh"
step tree "$REPO/lab/tree.sh"
step kernel "$REPO/lab/kernel.sh"

# The longest come first: then none is left to run alone at the end.
scripts=("$REPO"/lab/{check,soundness}.sh "$REPO"/lab/tests/{40-other-kernels,45-hostile,60-chain}.sh)
for script in "$REPO"/lab/tests/*.sh; do
	[[ " ${scripts[*]} " == *" $script "* ]] || scripts+=("$script")
done
suites "${scripts[@]}"
finish
