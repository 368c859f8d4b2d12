; SPDX-License-Identifier: MIT
;
; switch.S - switch of stacks between threads: arch_thread_switch() of arch/arch.h.
;
; To the caller it is a function call: the caller has saved the caller-saved registers.  The callee-
; saved ones (System V ABI, AMD64 supplement 3.2.1) are pushed onto the old stack, whose pointer is
; stored, and popped from the new one.  arch/x86_64/thread.c lays out such a stack for a thread
; that never ran: it returns to thread_first, with a frame pointer of zero, where backtraces end.

bits 64
section .text progbits alloc exec nowrite align=16
global arch_thread_switch:function (arch_thread_switch.end - arch_thread_switch)
global thread_first:function (thread_first.end - thread_first)

        align 16
arch_thread_switch:                     ; rdi: void **old_sp, rsi: void *new_sp
        push rbp
        push rbx
        push r12
        push r13
        push r14
        push r15
        mov [rdi], rsp
        mov rsp, rsi
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbx
        pop rbp
        ret
.end:

        align 16
thread_first:                           ; rbx: fn, r12: its argument, rsp aligned to 16
        mov rdi, r12
        call rbx
        ud2
.end:
