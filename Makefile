# SPDX-License-Identifier: MIT
#
# keel.  `make help` lists targets and variables.  Everything is built under build/.

MAKEFLAGS += -rR --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
export LC_ALL := C

# ---------------------------------------------------------------- jobs
# All CPUs, unless -j is given.  Goals that do more than build run one after the other.  The output
# of a build is printed target by target, all other output at once.
BUILDS := all kernel iso host seam compile_commands.json build/%
RUNS   := $(filter-out $(BUILDS),$(or $(MAKECMDGOALS),all))
ifeq ($(MAKELEVEL),0)
ifneq ($(if $(RUNS),$(filter 1,$(words $(MAKECMDGOALS))),1),)
MAKEFLAGS += -j$(shell nproc)
endif
ifeq ($(RUNS),)
MAKEFLAGS += --output-sync=target
endif
endif
# for a program that calls make: the job server's pipe is closed there
unjobbed = MAKELEVEL=0 MAKEFLAGS='$(filter-out -j% --jobserver-auth=%,$(MAKEFLAGS))'

# ---------------------------------------------------------------- variables
# `make help` prints each `##` with the variable below it.
ifneq ($(filter default undefined,$(origin CC)),)
## gcc|clang-14: the compiler
CC := gcc
endif
ifdef ONLY # the older name of T
T := $(ONLY)
endif
## debug|release: DASSERT and UBSan traps, or neither; empty: release for users, debug for the suite
MODE     ?=
## 0|1: the test suite in the kernel that `make run` boots, too
TESTS    ?= 0
## 1|0: warnings are errors, or not, for newer compilers
WERROR   ?= 1
## 0|1: show the commands
V        ?= 0
## GLOB[,GLOB...]: which tests, scenarios, proofs, mutants or machines
T        ?= *
## N: start of the tests' random numbers; in `make explore` a schedule
SEED     ?= 1
## SIZE, as 64M or 6G: memory of the machine
MEM      ?= 2G
## N: CPUs of the machine
SMP      ?= 1
## bios|uefi: firmware of the machine
FIRMWARE ?= bios
## none|gtk: the window of `make run` and `make debug`
UI       ?= none
## qemu|bochs: what runs `make test-kernel`
MACHINE  ?= qemu
## WORDS: the kernel's command line
CMDLINE  ?=
## N: repeat the sample that `.ci/run` printed
SAMPLE   ?=
## DIR: shared test data and peers; ../shared if it exists
SHARED   ?= $(wildcard ../shared)
## K/N: which part of the mutants; WORDS: which parts of `make bench`, all when empty
PART     ?=
## /dev/sdX: the device of `make flash`
DEV      ?=
## N: seconds for each parser of `make fuzz`
FUZZ_SECONDS ?= 60
## 0|1: all proofs, or those that take little time
PROVE_QUICK ?= 0
## yes|no: install packages that are missing, or not
SETUP    ?= yes
## SECONDS since 1970: the time stamp in images
SOURCE_DATE_EPOCH ?= 1700000000
VERSION  := $(file <VERSION)
## TEXT: the commit in the first line that is printed, where git is not asked
COMMIT   ?= $(or $(if $(wildcard .git),$(shell git describe --always --exclude='*' --abbrev=12 \
	--dirty 2>/dev/null)),unknown)
COMMIT   := $(COMMIT)
export SHARED SEED SOURCE_DATE_EPOCH PROVE_QUICK SETUP VERSION COMMIT

Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $(2);)
probe = $(shell $(CC) -Werror $(1) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(1))

# ---------------------------------------------------------------- sources
PORTABLE := $(sort $(wildcard lib/*.c kern/*.c boot/*.c mm/*/*.c iommu/*.c dma/*.c drivers/*.c \
	drivers/*/*.c monitor/*.c)) build/font.c
ARCH_C   := $(sort $(wildcard arch/x86_64/*.c))
ARCH_S   := $(sort $(wildcard arch/x86_64/*.S)) boot/boot.S
HOST_C   := $(sort $(wildcard arch/host/*.c))
TEST_C   := $(sort $(wildcard tests/*.c tests/unit/*.c))
KTEST_C  := $(filter-out tests/host_%.c,$(TEST_C)) $(sort $(wildcard tests/kernel/*.c \
	tests/bench/kernel_*.c))
KERNEL_C := $(PORTABLE) $(ARCH_C) $(sort $(wildcard boot/start/*.c)) build/version.c
FUZZERS  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))

# ---------------------------------------------------------------- flags
WARN := -Wall -Wextra -Wundef -Wshadow -Wvla -Walloca -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wcast-align -Wcast-qual -Wwrite-strings \
	-Wconversion -Wno-sign-conversion -Wimplicit-fallthrough -Wswitch-enum -Wformat=2 \
	-Wredundant-decls -Wnested-externs -Wnull-dereference -Wdate-time -Wenum-conversion \
	$(if $(findstring clang,$(CC)),-Wthread-safety -Wthread-safety-beta,-Wlogical-op \
	-Wduplicated-cond -Wduplicated-branches) $(if $(filter 1,$(WERROR)),-Werror)
COMMON := -std=gnu2x -I. -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 $(WARN) -g \
	-fno-common -fno-strict-aliasing -fno-delete-null-pointer-checks \
	-ffile-prefix-map=$(CURDIR)=. -MMD -MP
DEBUG_release :=
# no sibling calls: a backtrace shows every caller
DEBUG_debug := -DKEEL_DEBUG -DKEEL_IRQ_OFF -fno-optimize-sibling-calls
# release, and each time with interrupts off is measured
DEBUG_bound := -DKEEL_IRQ_OFF
TRAP_debug := $(if $(findstring clang,$(CC)),-fsanitize=undefined -fsanitize-trap=all,\
	-fsanitize=undefined -fsanitize-undefined-trap-on-error) -fno-sanitize=alignment
KFLAGS := $(COMMON) -fdebug-types-section -Iarch/x86_64 -O2 -ffreestanding -mno-red-zone -mcmodel=kernel \
	-mgeneral-regs-only -fno-pic -fno-pie -fcf-protection=none -fno-omit-frame-pointer \
	-march=x86-64 -fno-asynchronous-unwind-tables -fno-stack-protector \
	-Wframe-larger-than=1024 \
	$(call probe,-gno-variable-location-views) $(call probe,-ftrivial-auto-var-init=zero)
HFLAGS := $(COMMON) -Iarch/host -D__daddr_t_defined -D_GNU_SOURCE -pthread -fno-omit-frame-pointer
SAN_asan  := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -DKEEL_DEBUG
SAN_tsan  := -O1 -fsanitize=thread -DKEEL_DEBUG
SAN_plain := -O2

# ---------------------------------------------------------------- the kernels
# build/keel.elf is what users get: release, without the suite.  build/ktest.elf carries the suite,
# with the checks of debug builds.  MODE= and TESTS= say otherwise.  Both are stripped; the files
# beside the objects, build/kernel-*/keel.elf, have the debug information.
# $(1): debug or release, $(2): 1 with the suite
kernel_folder = build/kernel-$(1)-$(CC)$(if $(filter 1,$(2)),,-bare)
K     := $(call kernel_folder,$(or $(MODE),release),$(or $(TESTS),0))
SUITE := $(call kernel_folder,$(or $(MODE),debug),1)

all: kernel iso host ## build everything that can be run

kernel: build/keel.elf build/ktest.elf ## build/keel.elf, and build/ktest.elf with the test suite
iso: build/keel.iso ## build/keel.iso: BIOS and UEFI, CD and USB

build/keel.elf: $(K)/stripped.elf FORCE
	@cmp -s $< $@ || cp $< $@

build/ktest.elf: $(SUITE)/stripped.elf FORCE
	@cmp -s $< $@ || cp $< $@

LINK := ld -nostdlib -static --build-id=none -z max-page-size=4096 -z noexecstack \
	--compress-debug-sections=zlib --no-warn-rwx-segments -T linker.ld

# Two links: the names and addresses of the first go to the end of the second, so that no named
# symbol moves.
# $(1): debug or release, $(2): 1 with the suite, $(3): the folder
define kernel_variant
$(3)/objects := $$(patsubst %.c,$(3)/%.o,$$(KERNEL_C) $(if $(filter 1,$(2)),$$(KTEST_C))) \
	$$(ARCH_S:%.S=$(3)/%.S.o)
$(3)/command := $$(CC) $$(KFLAGS) $$(DEBUG_$(1)) $$(TRAP_$(1)) $(if $(filter 1,$(2)),-DKEEL_TESTS)

$(3)/stripped.elf: $(3)/keel.elf
	$$(Q)strip -o $$@ $$<

$(3)/keel.elf: $(3)/first.elf $(3)/symbols.o
	$$(call say,LD,$$@)$$(LINK) $$($(3)/objects) $(3)/symbols.o -o $$@
	@tools/symbols.py --check $$< $$@

$(3)/first.elf: $$($(3)/objects) $(3)/no-symbols.o linker.ld
	$$(call say,LD,$$@)$$(LINK) $$($(3)/objects) $(3)/no-symbols.o -o $$@

$(3)/no-symbols.asm: tools/symbols.py
	@mkdir -p $$(@D)
	@tools/symbols.py > $$@

$(3)/symbols.asm: $(3)/first.elf tools/symbols.py
	@tools/symbols.py $$< > $$@

$(3)/symbols.o $(3)/no-symbols.o: %.o: %.asm | setup-build
	$$(call say,NASM,$$@)nasm -f elf64 -Werror $$< -o $$@

$(3)/%.o: %.c $(3)/flags | setup-build
	@mkdir -p $$(@D)
	$$(call say,CC,"$$< ($(1)$(if $(filter 1,$(2)), suite))")$$($(3)/command) -c $$< -o $$@

$(3)/layout.inc: arch/x86_64/layout.h
	@mkdir -p $$(@D)
	@sed -n 's/^#define \([A-Z0-9_]*\) *\(0x[0-9a-f]*\|[0-9]*\)$$$$/%define \1 \2/p' $$< > $$@

$(3)/%.S.o: %.S $(3)/layout.inc | setup-build
	@mkdir -p $$(@D)
	$$(call say,NASM,$$<)nasm -f elf64 -w+orphan-labels -Werror -I$(3)/ $$< -o $$@

$(3)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$$($(3)/command)' | cmp -s - $$@ || echo '$$($(3)/command)' > $$@

-include $$(wildcard $$(patsubst %.o,%.d,$$($(3)/objects)))
endef
$(foreach mode,debug release bound,$(foreach tests,0 1,\
	$(eval $(call kernel_variant,$(mode),$(tests),$(call kernel_folder,$(mode),$(tests))))))

# tools/crashes.py expects every caller in release builds, too
$(foreach mode,debug release bound,$(foreach tests,0 1,\
	$(eval $(call kernel_folder,$(mode),$(tests))/monitor/crash.o: private $(call kernel_folder,$(mode),$(tests))/command += -fno-optimize-sibling-calls)))

# What the first line says.  It changes with every commit, so it is a file of its own.
build/version.c: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '#include "lib/version.h"' 'const char version[] = "$(VERSION)";' \
		'const char version_commit[] = "$(COMMIT)";' > $@.$$$$ && \
		{ cmp -s $@.$$$$ $@ && rm $@.$$$$ || mv $@.$$$$ $@; }

# The glyphs come from a font of GRUB's package; the sources contain none.
## FILE: the font of the screen
GRUB_FONT ?= /usr/share/grub/ascii.pf2
build/font.c: tools/font.py | setup-build
	@mkdir -p $(@D)
	$(call say,FONT,$@)tools/font.py $(GRUB_FONT) $@

# The image that users get: build/keel.elf starts, and the boot menu has build/ktest.elf.
build/keel.iso: build/keel.elf build/ktest.elf build/cmdline tools/iso.sh | setup-build setup-run
	$(call say,ISO,$@)SUITE=build/ktest.elf tools/iso.sh build/keel.elf $@ "$$(cat build/cmdline)"

build/cmdline: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CMDLINE)' | cmp -s - $@ || printf '%s\n' '$(CMDLINE)' > $@

# One image for each name in RUN, so that several can run side by side.
KTEST := build/ktest$(RUN:%=-%)
KTEST_CMDLINE = ktest=$(T) seed=$(SEED) $(CMDLINE)
$(KTEST).iso: $(SUITE)/stripped.elf $(KTEST)-cmdline tools/iso.sh | setup-build setup-run
	$(call say,ISO,$@)tools/iso.sh $< $@ "$$(cat $(KTEST)-cmdline)"

$(KTEST)-cmdline: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(KTEST_CMDLINE)' | cmp -s - $@ || printf '%s\n' '$(KTEST_CMDLINE)' > $@

# ---------------------------------------------------------------- the host
# $(1): asan, tsan or plain
define host_variant
H_$(1) := build/host-$(1)-$(CC)
$$(H_$(1))/%.o: %.c $$(H_$(1))/flags | setup-build
	@mkdir -p $$(@D)
	$$(call say,HOSTCC,"$$< ($(1))")$$(CC) $$(HFLAGS) $$(SAN_$(1)) -c $$< -o $$@
$$(H_$(1))/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$$(CC) $$(HFLAGS) $$(SAN_$(1))' | cmp -s - $$@ || \
		echo '$$(CC) $$(HFLAGS) $$(SAN_$(1))' > $$@
$$(H_$(1))/keel-test: $$(patsubst %.c,$$(H_$(1))/%.o,$$(PORTABLE) $$(HOST_C) $$(TEST_C))
	$$(call say,LD,$$@)$$(CC) -pthread $$(SAN_$(1)) $$^ -o $$@
$$(H_$(1))/keel: $$(patsubst %.c,$$(H_$(1))/%.o,$$(PORTABLE) $$(HOST_C) tools/keel.c)
	$$(call say,LD,$$@)$$(CC) -pthread $$(SAN_$(1)) $$^ -o $$@
-include $$(patsubst %.c,$$(H_$(1))/%.d,$$(PORTABLE) $$(HOST_C) $$(TEST_C) tools/keel.c)
endef
$(foreach v,asan tsan plain,$(eval $(call host_variant,$(v))))

host: build/host/keel ## build/host/keel: `keel regions FILE --addr 0xHEX`, `keel acpi FILE`
build/host/keel: $(H_plain)/keel
	@mkdir -p $(@D)
	@cp $< $@

# ---------------------------------------------------------------- the explorer
# keel's sources and the scenarios are compiled as for TSan, whose library is not linked: the
# explorer implements its callbacks for each access (tests/explore/engine.h).  The locks are those of
# release builds: statistics of debug builds are exchanges, which empty store buffers.
X        := build/explore-$(CC)
XFLAGS   := $(patsubst -Iarch/host,-Itests/explore,$(HFLAGS)) -O2 -fno-pie \
	-Wno-missing-field-initializers
XSEEN    := -fsanitize=thread $(if $(findstring clang,$(CC)),,-Wno-tsan \
	--param=tsan-instrument-func-entry-exit=0) \
	-Dmemset=explore_memset -Dmemcpy=explore_memcpy -Dmemmove=explore_memmove
X_C      := $(sort $(wildcard tests/explore/*.c))
X_SEEN_C := $(filter-out build/%,$(PORTABLE)) $(sort $(wildcard \
	tests/explore/scenario/*.c))

$(X)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(XFLAGS) $(XSEEN)' | cmp -s - $@ || echo '$(CC) $(XFLAGS) $(XSEEN)' > $@
$(X)/tests/explore/scenario/%.o: XSEE := $(XSEEN)
$(filter-out $(X)/tests/%,$(X_SEEN_C:%.c=$(X)/%.o)): XSEE := $(XSEEN)
$(X)/%.o: %.c $(X)/flags | setup-build
	@mkdir -p $(@D)
	$(call say,XCC,$<)$(CC) $(XFLAGS) $(XSEE) -c $< -o $@
# an archive: unused objects are not linked
$(X)/keel.a: $(patsubst %.c,$(X)/%.o,$(filter-out tests/%,$(X_SEEN_C)))
	$(Q)rm -f $@ && ar rcs $@ $^
$(X)/explore: $(patsubst %.c,$(X)/%.o,$(X_C) $(filter tests/%,$(X_SEEN_C))) $(X)/keel.a
	$(call say,LD,$@)$(CC) -no-pie $^ -o $@
-include $(patsubst %.c,$(X)/%.d,$(X_C) $(X_SEEN_C))

# ---------------------------------------------------------------- benches on the host
# The harness and the peers are in the shared folder; without it nothing is built.  The
# harness' bench_cpu becomes host_cpu for keel, so that a CPU's number is one load as in the peers.
PEERS   := $(if $(SHARED),$(wildcard $(SHARED)/peers/allocators))
BENCHES := $(if $(PEERS),$(addprefix build/bench/,floor buddy buddy-pcp keel-raw keel-counted \
	heap-malloc heap-keel))
BENCHED := $(patsubst %.c,$(H_plain)/%.o,$(PORTABLE) $(HOST_C) tests/machine.c)
PEER_CC  = $(call say,BENCH,$@)$(CC) -O2 -pthread -I$(PEERS)

build/bench/harness.o: $(PEERS)/bench_frames.c | setup-build
	@mkdir -p $(@D)
	$(PEER_CC) -c $< -o $@
build/bench/heap-harness.o: $(PEERS)/bench_heap.c | setup-build
	@mkdir -p $(@D)
	$(PEER_CC) -c $< -o $@
build/bench/harness-keel.o build/bench/heap-harness-keel.o: build/bench/%-keel.o: build/bench/%.o
	$(Q)objcopy --redefine-sym bench_cpu=host_cpu --weaken-symbol=host_cpu $< $@
build/bench/floor: build/bench/harness.o $(PEERS)/fa_null.c
	$(PEER_CC) $^ -o $@
build/bench/buddy: build/bench/harness.o $(PEERS)/fa_linuxlike.c
	$(PEER_CC) $^ -o $@
build/bench/buddy-pcp: build/bench/harness.o $(PEERS)/fa_linuxlike.c
	$(PEER_CC) -DPCP $^ -o $@
KEELS   := build/bench/keel-raw build/bench/keel-counted
$(KEELS:=.o): build/bench/keel-%.o: tests/bench/frames_host.c $(H_plain)/flags | setup-build
	@mkdir -p $(@D)
	$(call say,BENCH,$@)$(CC) $(HFLAGS) $(SAN_plain) -I$(PEERS) -DBENCH_$* -c $< -o $@
$(KEELS): build/bench/keel-%: build/bench/harness-keel.o build/bench/keel-%.o $(BENCHED)
	$(call say,LD,$@)$(CC) -pthread $(SAN_plain) $^ -o $@
build/bench/heap-malloc: build/bench/heap-harness.o
	$(PEER_CC) $^ -o $@
build/bench/heap-keel.o: tests/bench/heap_host.c $(H_plain)/flags | setup-build
	@mkdir -p $(@D)
	$(call say,BENCH,$@)$(CC) $(HFLAGS) $(SAN_plain) -I$(PEERS) -c $< -o $@
build/bench/heap-keel: build/bench/heap-harness-keel.o build/bench/heap-keel.o $(BENCHED)
	$(call say,LD,$@)$(CC) -pthread $(SAN_plain) $^ -o $@
-include $(KEELS:=.d) build/bench/heap-keel.d

# ---------------------------------------------------------------- run and test
run: build/keel.iso | setup-run $(if $(filter gtk,$(UI)),setup-gui) ## boot the ISO in QEMU: CMDLINE= MEM= SMP= FIRMWARE=bios|uefi UI=gtk
	$(Q)tools/qemu.py --iso build/keel.iso --firmware $(FIRMWARE) --mem $(MEM) --smp $(SMP) \
		--ui $(UI)

debug: build/keel.iso | setup-run $(if $(filter gtk,$(UI)),setup-gui) ## the same, stopped and waiting for `make gdb`: MODE=debug
	$(Q)tools/qemu.py --iso build/keel.iso --firmware $(FIRMWARE) --mem $(MEM) --smp $(SMP) \
		--ui $(UI) --gdb

gdb: $(K)/keel.elf | setup-debug ## attach gdb to `make debug`: the same MODE
	$(Q)gdb -q -x tools/gdbinit $<

test-host: $(H_asan)/keel-test ## host tests under ASan and UBSan, in seconds: T=GLOB SEED=N
	$(Q)$(H_asan)/keel-test '$(T)'

test-tsan: $(H_tsan)/keel-test ## host tests under TSan
	$(Q)$(H_tsan)/keel-test '$(T)'

explore: $(X)/explore ## all schedules of small scenarios of the real code: T=GLOB SEED=SCHEDULE
	$(Q)$(X)/explore '$(T)'

test-kernel: $(KTEST).iso | setup-run ## in-kernel tests from an ISO: MACHINE=qemu|bochs
	$(Q)tools/ktest.py --iso $(KTEST).iso --machine $(MACHINE) --firmware $(FIRMWARE) \
		--mem $(MEM) --smp $(SMP) --log $(KTEST).log $(KTEST_FLAGS)

# instructions with interrupts off; its suite is a variant of its own
test-bound: ## in-kernel tests: instructions with interrupts off, at most 50,000 each
	$(Q)$(MAKE) MODE=bound RUN=bound build/ktest-bound.iso
	$(Q)tools/bound.py --iso build/ktest-bound.iso --objects $(call kernel_folder,bound,1)

test-screen: build/keel.iso build/keel.elf | setup-run ## screen and keyboard of QEMU, the boot menu, the monitor: T=GLOB
	$(Q)tools/screen.py --iso build/keel.iso --kernel build/keel.elf --only '$(T)'

crashes: build/keel.elf | setup-run ## trigger each kind of crash and check its explanation: T=GLOB
	$(Q)tools/crashes.py --kernel build/keel.elf --only '$(T)'

.PHONY: test-readme
test-readme: build/keel.iso | setup-run ## the screens quoted in README.md, each against a boot
	$(Q)tools/readme_screens.py --iso build/keel.iso

test-tools: | setup-build setup-test ## tests of the tools, and of the prompt
	$(Q)tests/tools/run.sh

# What the steps of a tier share; it is there before they run side by side.
artefacts: kernel iso host $(H_asan)/keel-test
explorer: $(X)/explore

# With T=, what has tests of such names; a program without one has passed.
comma := ,
test: | setup-build setup-run setup-test ## every commit: all tests, side by side, then their sum
	$(Q)tools/tier.py test $(if $(filter-out *,$(T)),--only host$(comma)kernel --may-be-empty)

full: | setup-build setup-run setup-test ## all there is, hours: every mutant, proof, schedule and machine
	$(Q)tools/tier.py full

shows: build/keel.iso | setup-run setup-bochs ## boot to the prompt on every machine of the list: T=GLOB
	$(Q)tools/shows.py --iso build/keel.iso --only '$(T)'

BENCHED_KERNELS := $(foreach tests,1 0,$(call kernel_folder,release,$(tests))/keel.elf)
bench: $(BENCHES) $(BENCHED_KERNELS) | setup-build setup-bench ## results beside their peers': PART='frames heap kernel user cpus ready size'
	$(Q)CC=$(CC) tools/bench.py $(PART)

fuzz: $(FUZZERS:%=build/fuzz/%) | setup-fuzz ## libFuzzer on every parser: FUZZ_SECONDS=N
	$(Q)for f in $^; do mkdir -p $$f.corpus; echo "# $$f"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=0 -verbosity=0 \
		-artifact_prefix=$$f. $$f.corpus || exit 1; done

build/fuzz/%: tests/fuzz/%.c $(PORTABLE) $(HOST_C) | setup-fuzz
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)clang-14 $(filter-out -MMD -MP -Werror -Wlogical-op -Wduplicated%,$(HFLAGS)) \
		-w -O1 -fsanitize=fuzzer,address,undefined $(filter %.c,$^) -o $@

flash: build/keel.iso ## write the ISO to a USB stick and read it back: DEV=/dev/sdX
	$(Q)tools/flash.sh build/keel.iso '$(DEV)'

# ---------------------------------------------------------------- checks
format: | setup-check ## format the sources by .clang-format
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h' ':!tests/proof')

layers: | setup-build setup-test ## every include points down
	$(Q)tools/layers.py

words: | setup-build setup-test ## no file uses a word that the vocabulary replaced
	$(Q)tools/words.py

seam: $(PORTABLE:%.c=$(SUITE)/%.o) ## the portable code links against arch/arch.h and lib/ only
	$(Q)tools/seam.py $^

analyze: | setup-check ## ownership of frames and nodes (__owns, __takes) by clang's analyzer
	$(Q)tools/analyze.sh

check: | setup-build setup-check ## format, layers, seam, lint, words, ownership, both compilers, TSan, cppcheck
	$(Q)$(unjobbed) tools/check.sh

prove: | setup-prove ## unbounded proofs by Frama-C/WP, and models checked by Spin: T=GLOB
	$(Q)tools/prove.sh '$(T)'; proofs=$$?; tools/spin.sh '$(T)' && exit $$proofs

mutate: | setup-build setup-run setup-test ## reintroduce each mistake of tests/mutants/ and name the test that kills it: T=GLOB PART=K/N
	$(Q)tools/mutate.py --only '$(T)' $(if $(PART),--part $(PART))
# build the programs of those targets: tools/mutate.py limits the time of build and run separately
build-test-host: $(H_asan)/keel-test
build-test-kernel: build/ktest.iso
build-explore: $(X)/explore
.PHONY: build-test-host build-test-kernel build-explore

fresh: | setup-fresh ## run and test in a minimal Debian 12 made by debootstrap
	$(Q)tools/fresh.sh

setup-%:
	@tools/setup.sh $*

compile_commands.json: build/font.c FORCE ## the compile command of each source, for clangd
	$(Q)$(MAKE) -nB V=1 kernel $(H_asan)/keel-test $(H_plain)/keel $(X)/explore \
		$(FUZZERS:%=build/fuzz/%) $(if $(PEERS),$(KEELS:=.o) build/bench/heap-keel.o) | \
		tools/compile_commands.py > $@

help: ## this list
	@awk -f tools/help.awk Makefile

clean: ## remove build/
	$(Q)rm -rf build

.PHONY: all kernel iso host run debug gdb crashes explore test full artefacts explorer test-host \
	test-tsan test-kernel test-tools shows bench fuzz test-screen flash format layers words seam analyze \
	check prove mutate fresh help clean build-test-host build-test-kernel build-explore FORCE
FORCE:
