; SPDX-License-Identifier: MIT
;
; trampoline.S - start of another CPU, from real mode to ap_main().
;
; smp.c copies trampoline_start..trampoline_end to a page below 1 MiB, where a CPU begins at CS =
; page / 16, IP = 0, and fills in the words at its end (struct trampoline_words of smp.c).
; The table at T_ROOT maps this page to itself, for reading and executing, and the kernel's
; half as the kernel's table does; so the CPU can jump to the kernel's text (ap_start) and loads the
; kernel's own table there.
;
; Sources: SDM 3A 9.9.1 (protected mode), 9.8.5 (long mode), 8.4.4 (start-up).

%include "layout.inc"

CR0_PE equ 1 << 0
CR0_ET equ 1 << 4
CR0_NE equ 1 << 5
CR0_WP equ 1 << 16
CR0_PG equ 1 << 31
MSR_EFER equ 0xc0000080
MSR_GS_BASE equ 0xc0000101
EFER_LME equ 1 << 8
EFER_NXE equ 1 << 11
SEG_CODE32 equ 8
SEG_DATA   equ 16
SEG_CODE64 equ 24

global trampoline_start, trampoline_end, trampoline_words, trampoline_pointers
extern ap_main

section .rodata
align 16
bits 16
trampoline_start:
        cli
        cld
        mov ax, cs
        mov ds, ax
        mov ebx, [trampoline_words.base - trampoline_start]
        o32 lgdt [trampoline_words.gdt_pointer - trampoline_start]
        mov eax, CR0_PE | CR0_ET | CR0_NE
        mov cr0, eax
        jmp dword far [trampoline_words.to_32 - trampoline_start]

bits 32
trampoline_32:                          ; ebx = address of this page
        mov ax, SEG_DATA
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov eax, [ebx + trampoline_words.cr4 - trampoline_start]
        mov cr4, eax
        mov eax, [ebx + trampoline_words.root - trampoline_start]
        mov cr3, eax
        mov ecx, MSR_EFER
        rdmsr
        or eax, EFER_LME | EFER_NXE
        wrmsr
        mov eax, CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE
        mov cr0, eax
        jmp dword far [ebx + trampoline_words.to_64 - trampoline_start]

bits 64
trampoline_64:
        xor eax, eax
        mov fs, ax
        mov gs, ax
        mov ecx, MSR_GS_BASE            ; no per-CPU variables before percpu_use()
        mov eax, PERCPU_NOWHERE & 0xffffffff
        mov edx, PERCPU_NOWHERE >> 32
        wrmsr
        mov rbp, rbx
        mov eax, 1                      ; ebx 31:24: low byte of the APIC's identifier
        cpuid
        shr ebx, 24
        cmp rbx, [rbp + trampoline_pointers.apic - trampoline_start]
        jne .not_wanted
        mov rsi, [rbp + trampoline_pointers.kernel_root - trampoline_start]
        mov rdi, [rbp + trampoline_pointers.start - trampoline_start]
        mov rsp, [rbp + trampoline_pointers.stack - trampoline_start]
        mov rax, ap_start
        jmp rax
.not_wanted:
        hlt
        jmp .not_wanted

align 8
trampoline_words:
.base:        dd 0
.root:        dd 0
.cr4:         dd 0
.to_32:       dd trampoline_32 - trampoline_start       ; plus base
              dw SEG_CODE32
              dw 0
.to_64:       dd trampoline_64 - trampoline_start       ; plus base
              dw SEG_CODE64
.gdt_pointer: dw trampoline_gdt_end - trampoline_gdt - 1
              dd trampoline_gdt - trampoline_start      ; plus base
        align 8, db 0
trampoline_pointers:
.kernel_root: dq 0
.start:       dq 0                                      ; struct smp_start of this CPU
.stack:       dq 0
.apic:        dq 0                                      ; low byte of the CPU that is being started
trampoline_gdt:                         ; accessed already: the CPU cannot write to this page
        dq 0
        dq 0x00cf9b000000ffff           ; 32-bit code, SDM 3A 3.4.5
        dq 0x00cf93000000ffff           ; data
        dq 0x00af9b000000ffff           ; 64-bit code
trampoline_gdt_end:
trampoline_end:

section .text progbits alloc exec nowrite align=16
ap_start:                               ; rdi = struct smp_start, rsi = the kernel's root
        mov cr3, rsi
        xor ebp, ebp                    ; ends every backtrace
        call ap_main
        ud2
