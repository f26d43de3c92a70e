# The front door of the repository. Everything is done by lab/*.sh.

.DEFAULT_GOAL := help
.PHONY: help demo test deps tree kernel run series check refresh bench clean

help: ## what each target does
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 18

demo: deps ## live update in QEMU, step by step, from a bare Debian 12
	@lab/tree.sh && lab/kernel.sh >out/kernel.log 2>&1 || { tail -n 40 out/kernel.log; exit 1; }
	@lab/demo.sh

test: ## everything that must pass; the last line counts it
	@lab/test.sh

deps: ## install the Debian packages that are missing
	@lab/deps.sh

tree: deps ## out/linux: Debian's 6.12 source, one commit per patch
	@lab/tree.sh

kernel: tree ## out/bzImage, out/vmlinux, out/config [FRAGMENT=file]
	@FRAGMENT="$(FRAGMENT)" lab/kernel.sh

run: ## boot out/bzImage in QEMU: INITRD=file APPEND="..." [NEXT=bzImage]
	@INITRD="$(INITRD)" APPEND="$(APPEND)" NEXT="$(NEXT)" lab/run.sh

series: tree ## out/series/*.patch, to be mailed
	@lab/series.sh

check: kernel ## checkpatch, kernel-doc, sparse, shellcheck and the like
	@lab/check.sh

refresh: ## take edits in out/linux back into series/ [SLUG=slug]
	@lab/refresh.sh "$(SLUG)"

bench: kernel ## the benchmark table
	@lab/bench.sh

clean: ## remove out/
	@rm -rf out
