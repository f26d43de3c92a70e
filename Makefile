# The front door. What a target does is in lab/; `make help` tells them all.

.DEFAULT_GOAL := help
.PHONY: help demo demo-dma demo-vm demo-systemd test test-debug deps tree kernel run series check docs refresh bench interop clean
# Each script takes what it needs from the environment.
export FRAGMENT INITRD APPEND NEXT SLUG FLAVOURS BENCH RECORD FRESH WHO INTEROP

help: ## what each target does
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

demo: kernel ## a live update in QEMU, told step by step, from a bare Debian 12
	@lab/demo.sh

demo-dma: kernel ## a network card goes on with DMA through a live update; no frame is lost
	@lab/demo-dma.sh

demo-vm: kernel ## an unmodified QEMU and its Linux guest go through a live update of the host
	@lab/demo-vm.sh

demo-systemd: deps ## systemd >= 261 keeps what its services have stored; fetches a Debian sid
	@lab/demo-systemd.sh

test: ## everything that must pass; the last line counts it
	@lab/test.sh

test-debug: ## the tests on kernels with KASAN, lockdep, kmemleak, KCSAN; hours
	@lab/test-debug.sh

deps: ## install the Debian packages that are missing
	@lab/deps.sh

tree: deps ## out/linux: Debian's 6.12 source, one commit per patch
	@lab/tree.sh

kernel: deps ## out/bzImage, out/vmlinux, out/config [FRAGMENT=file, merged last]
	@lab/kernel.sh

run: ## boot out/bzImage in QEMU: INITRD=file APPEND="..." [NEXT=bzImage]
	@lab/run.sh

series: deps ## out/series/*.patch with a cover letter, as git format-patch writes them
	@lab/series.sh

check: kernel ## checkpatch, kernel-doc, htmldocs, sparse, shellcheck, uapi headers, names
	@lab/check.sh

refresh: ## take edits in out/linux back into series/*/hooks.patch [SLUG=patch]
	@lab/refresh.sh

docs: tree ## out/docs/html: the pages of the series, as htmldocs would make them
	@lab/docs.sh

bench: kernel ## what it costs, ours and mainline's in one table [BENCH=quick] [RECORD=1]
	@lab/bench.sh

interop: kernel ## live updates between this kernel and mainline's
	@lab/interop.sh

clean: ## remove out/
	@rm -rf out
