; SPDX-License-Identifier: MIT
;
; trap.S - one entry per vector, all leading to trap_enter(struct trap_frame *).
;
; The frame that it builds is struct trap_frame of trap.h, lowest address first.  Vectors
; that push no error code get a zero (SDM 3A 6.13).  Above the frame of trap_enter() is a
; pair like that of a call: the interrupted code's frame pointer and instruction pointer, so
; that a backtrace continues through an exception.
;
; There is no user mode yet; the entries are ready for it.  GS is swapped if user code was
; interrupted, which CS shows, except for vectors that can interrupt at any instant, also between a
; user entry and its swapgs: debug, NMI, double fault and machine check read the GS base itself
; (SDM 3A 6.12.1.4, SDM 2B SWAPGS).  The kernel's is in the upper half, and user code
; cannot load such a value: CR4.FSGSBASE stays clear.  NMI, double fault and machine check
; have stacks of their own (IST); a handler that runs on one causes no exception
; that returns, because IRETQ would unblock NMIs.
; Each starts with RFLAGS.AC clear, where there is SMAP: U1 of uaccess.h.  An interrupt gate leaves
; it as it was (SDM 3A 6.12.1.3); IRETQ restores it.
; LIMIT: before SYSCALL is enabled #DB needs a stack of its own too, and a fence belongs behind
; each conditional swapgs.

bits 64
section .text progbits alloc exec nowrite align=16
extern trap_enter, uaccess_has_smap
global trap_entries, trap_text_start, trap_text_end

MSR_GS_BASE equ 0xc0000101
FRAME_CS    equ 3 * 8                   ; from the vector
FRAME_RIP   equ 17 * 8                  ; from the lowest register
%assign ANY_INSTANT (1 << 1) | (1 << 2) | (1 << 8) | (1 << 18)

%assign ERRORS (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17) | (1 << 21) | (1 << 29) | (1 << 30)

align 16
trap_text_start:
trap_entries:                           ; 256 entries of TRAP_ENTRY_BYTES
%assign vector 0
%rep 256
        align 16
%if vector < 32
%if (ERRORS >> vector) & 1 == 0
        push 0
%endif
%else
        push 0
%endif
        push vector
%if vector < 32 && (ANY_INSTANT >> vector) & 1
        jmp strict near trap_any_instant
%else
        jmp strict near trap_common
%endif
%assign vector vector + 1
%endrep

%macro SAVE_REGISTERS 0
        push rax
        push rbx
        push rcx
        push rdx
        push rsi
        push rdi
        push rbp
        push r8
        push r9
        push r10
        push r11
        push r12
        push r13
        push r14
        push r15
%endmacro

%macro RESTORE_REGISTERS 0
        pop r15
        pop r14
        pop r13
        pop r12
        pop r11
        pop r10
        pop r9
        pop r8
        pop rbp
        pop rdi
        pop rsi
        pop rdx
        pop rcx
        pop rbx
        pop rax
%endmacro

%macro CLOSE_USER_ACCESS 0              ; CLAC is an invalid opcode on CPUs without SMAP
        cmp byte [rel uaccess_has_smap], 0
        je %%done
        clac
%%done:
%endmacro

%macro CALL_TRAP_ENTER 0                ; rbx is overwritten; it and r12 up are callee-saved
        mov rdi, rsp
        mov rbx, rsp
        push qword [rdi + FRAME_RIP]
        push rbp
        mov rbp, rsp
        and rsp, -16
        call trap_enter
        mov rsp, rbx
%endmacro

        align 16
trap_common:
        cld
        CLOSE_USER_ACCESS
        test byte [rsp + FRAME_CS], 3
        jz .from_kernel
        swapgs
.from_kernel:
        SAVE_REGISTERS
        CALL_TRAP_ENTER
        RESTORE_REGISTERS
        test byte [rsp + FRAME_CS], 3
        jz .to_kernel
        swapgs
.to_kernel:
        add rsp, 16
        iretq

        align 16
trap_any_instant:
        cld
        CLOSE_USER_ACCESS
        SAVE_REGISTERS
        mov ecx, MSR_GS_BASE
        rdmsr
        xor r12d, r12d                  ; whether to swap back
        test edx, edx
        js .is_kernels
        swapgs
        inc r12d
.is_kernels:
        CALL_TRAP_ENTER
        test r12d, r12d
        jz .stays
        swapgs
.stays:
        RESTORE_REGISTERS
        add rsp, 16
        iretq
trap_text_end:
