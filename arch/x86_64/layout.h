/* SPDX-License-Identifier: MIT */
/*
 * layout.h - the kernel half of the address space.
 *
 *   ffff8000_00000000  linear map of physical memory (up to 16 TiB used)
 *   ffffe000_00000000  MetaSlot array: 16 bytes a frame, 64 GiB for 16 TiB
 *   fffff000_00000000  vmalloc area: areas, stacks, MMIO windows
 *   ffffffff_80000000  kernel image: virtual = physical + KERNEL_VMA
 *
 * The same numbers serve 48-bit and 57-bit paging: all of it is in the topmost 2^47
 * bytes, which are canonical in both (SDM 1, 3.3.7.1).
 *
 * Read by C and, turned into %define lines by the Makefile, by NASM: plain
 * `#define NAME NUMBER` lines only.
 */
#pragma once

#define KERNEL_LMA   0x200000
#define KERNEL_VMA   0xffffffff80000000
#define DIRECT_BASE  0xffff800000000000
#define META_BASE    0xffffe00000000000
#define VMALLOC_BASE 0xfffff00000000000
#define VMALLOC_GIB  64

/* A GS base that places per-CPU variables (at KERNEL_VMA and up) at ffffdead_00000000 and up, where
 * nothing is ever mapped. */
#define PERCPU_NOWHERE 0xffffdead80000000

/* Top-level indices of the three, SDM 3A 4.5: bits 47:39. */
#define PML4_DIRECT 256
#define PML4_META   448
#define PML4_KERNEL 511
#define PDPT_KERNEL 510

/* Physical addresses below this are in the boot table. */
#define BOOT_MAP_GIB    4
/* From here up the boot table maps uncached until the memory map is known. */
#define BOOT_DEVICE_MIN 0xc0000000

/* The stacks that the first CPU starts with; each has a guard page below it. */
#define BOOT_STACK_BYTES 0x8000
#define IST_STACK_BYTES  0x4000
#define GUARD_BYTES      0x1000
