; SPDX-License-Identifier: MIT
;
; trap.S - one entry per vector, all leading to trap_enter(struct trap_frame *).
;
; The frame that it builds is struct trap_frame of trap.h, lowest address first.  Vectors
; that push no error code get a zero (SDM 3A 6.13).  Everything here is kernel mode: user
; mode, and with it swapgs, comes with user programs.

bits 64
section .text progbits alloc exec nowrite align=16
extern trap_enter
global trap_entries

%assign ERRORS (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17) | (1 << 21) | (1 << 29) | (1 << 30)

align 16
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
        jmp strict near trap_common
%assign vector vector + 1
%endrep

        align 16
trap_common:
        cld
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
        mov rdi, rsp
        mov rbp, rsp
        and rsp, -16
        call trap_enter
        mov rsp, rbp
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
        add rsp, 16
        iretq
