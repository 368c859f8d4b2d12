# SPDX-License-Identifier: MIT
# Tests of tools/layers.py; read by run.sh.

# source FILE: a source with its licence line and the text of standard input.
source_file() { { echo "$LICENCE" && cat; } | put "$1"; }
header() { { echo "$LICENCE" && echo '#pragma once' && cat; } | put "$1"; }

good_layers() {
	fresh_tree
	header lib/a.h </dev/null
	header arch/arch.h <<'END'
#include "lib/a.h"
#include "arch_impl.h"
END
	header arch/x86_64/arch_impl.h <<'END'
#include "lib/a.h"
#include "arch/x86_64/cpu.h"
END
	header arch/x86_64/cpu.h <<'END'
static inline void pause(void) { asm volatile("pause"); outb(1, 2); }
#ifdef __x86_64__
#endif
END
	header arch/host/arch_impl.h </dev/null
	header boot/info.h </dev/null
	header kern/thread.h </dev/null
	header kern/lock.h <<'END'
#include "arch/arch.h"
END
	header mm/pt/node.h <<'END'
#include "mm/frame/zone.h"
END
	header monitor/monitor.h <<'END'
#include "drivers/tty/v.h"
END
	source_file arch/x86_64/smp.c <<'END'
#include "kern/lock.h"
END
	header mm/frame/zone.h <<'END'
/* asm("in a comment"), inb(1) and "__x86_64__" are words: #include "drivers/tty/v.h" */
#include "arch/arch.h"
#include "boot/info.h"
static const char *const text = "asm(\"in a string\") __x86_64__ outb(1)";
static int basm(int login) { return login; }
END
	header iommu/unit.h </dev/null
	header dma/buffer.h </dev/null
	header drivers/tty/v.h <<'END'
#include "dma/buffer.h"
END
	source_file boot/start/main.c <<'END'
#include "drivers/tty/v.h"
#include "arch/x86_64/cpu.h"
END
	source_file boot/entry.S <<'END'
	outb %al, $0x80
END
	source_file tests/unit/t.c <<'END'
#include "drivers/tty/v.h"
#include "arch/x86_64/cpu.h"
#include <stdint.h>
END
	printf '#!/bin/sh\n# SPDX-License-Identifier: MIT\n' | put tools/x.sh
	printf '# SPDX-License-Identifier: MIT\nall:\n' | put Makefile
}

# objects NAME FILE PATTERN: the good tree with FILE made from standard input is refused.
objects() {
	object_name=$1
	object_file=$2
	object_pattern=$3
	good_layers
	case $object_file in
	*.h) header "$object_file" ;;
	*) source_file "$object_file" ;;
	esac
	expect "$object_name" 1 "^$object_file:[0-9]+: .*$object_pattern" "$tools/layers.py" "$work/tree"
}

good_layers
expect layers_good_tree_passes 0 '' "$tools/layers.py" "$work/tree"
objects layers_lib_may_not_see_arch lib/b.c 'lib/ may not include arch/' <<'END'
#include "arch/arch.h"
END
objects layers_arch_seam_may_not_see_kern arch/b.h 'arch/ may not include kern/' <<'END'
#include "kern/lock.h"
END
objects layers_frames_may_not_see_page_tables mm/frame/b.c 'mm/frame/ may not include mm/pt/' <<'END'
#include "mm/pt/node.h"
END
objects layers_mm_knows_no_threads mm/pt/b.c 'know no threads' <<'END'
#include "kern/thread.h"
END
objects layers_entries_are_opaque_outside_pt mm/vm/b.c 'PTE_WRITE: bits of an entry' <<'END'
int f(unsigned long pte) { return (pte & PTE_WRITE) != 0; }
END
objects layers_drivers_may_not_see_the_monitor drivers/tty/b.c 'drivers/ may not include monitor/' <<'END'
#include "monitor/monitor.h"
END
objects layers_file_outside_every_folder mm/b.c 'lies in no layer' <<'END'
#include "mm/frame/zone.h"
END
objects layers_boot_may_not_see_mm boot/b.c 'boot/ may not include mm/frame/' <<'END'
#include "mm/frame/zone.h"
END
objects layers_mm_may_not_see_iommu mm/frame/b.c 'mm/frame/ may not include iommu/' <<'END'
	# include "iommu/unit.h"
END
objects layers_iommu_may_not_see_dma iommu/b.c 'iommu/ may not include dma/' <<'END'
#include "dma/buffer.h"
END
objects layers_dma_may_not_see_drivers dma/b.c 'dma/ may not include drivers/' <<'END'
#include "drivers/tty/v.h"
END
objects layers_drivers_may_not_see_tests drivers/tty/b.c 'drivers/ may not include tests/' <<'END'
#include "tests/unit/t.c"
END
objects layers_arch_may_not_see_boot arch/x86_64/b.c 'arch/x86_64/ may not include boot/' <<'END'
#include "boot/info.h"
END
objects layers_mm_may_not_see_one_machine mm/frame/b.c 'private to arch/x86_64' <<'END'
#include "arch/x86_64/cpu.h"
END
objects layers_machines_may_not_see_each_other arch/host/b.c 'private to arch/x86_64' <<'END'
#include "arch/x86_64/cpu.h"
END
objects layers_implementation_comes_through_the_seam mm/frame/b.c 'only the seam' <<'END'
#include "arch_impl.h"
END
objects layers_include_is_a_path_from_the_root mm/frame/b.c 'not a path from the root' <<'END'
#include "zone.h"
END
objects layers_include_does_not_climb mm/frame/b.c 'not a path from the root' <<'END'
#include "mm/../drivers/v.h"
END
objects layers_include_exists mm/frame/b.c 'does not exist' <<'END'
#include "mm/frame/gone.h"
END
objects layers_asm_stays_in_arch mm/frame/b.c 'an asm statement' <<'END'
void f(void) { __asm__ volatile("cli"); }
END
objects layers_asm_stays_out_of_the_root boot/start/main.c 'an asm statement' <<'END'
void f(void) { asm("hlt"); }
END
objects layers_port_io_stays_in_arch drivers/tty/b.c 'port I/O' <<'END'
int f(void) { return inb(0x60); }
END
objects layers_machine_test_stays_in_arch lib/b.c 'a test for the machine' <<'END'
#ifdef __x86_64__
#endif
END
objects layers_assembly_file_stays_in_arch mm/frame/b.S 'an assembly file' <<'END'
	nop
END
good_layers
echo "$LICENCE" | put mm/frame/b.h
expect layers_header_has_pragma_once 1 '^mm/frame/b.h:1: .*pragma once' "$tools/layers.py" "$work/tree"
good_layers
printf '#include <stdint.h>\n%s\n' "$LICENCE" | put mm/frame/b.c
expect layers_licence_comes_first 1 '^mm/frame/b.c:1: .*SPDX' "$tools/layers.py" "$work/tree"
good_layers
printf '#!/bin/sh\necho\n' | put tools/y.sh
expect layers_script_has_a_licence 1 '^tools/y.sh:1: .*SPDX' "$tools/layers.py" "$work/tree"
