; SPDX-License-Identifier: MIT
;
; switch.S - from one thread's stack to another's: arch_thread_switch() of arch/arch.h.
;
; The caller expects a call: it has saved what a callee may change.  What a callee must keep (System
; V ABI, AMD64 supplement 3.2.1) goes onto the stack that is left, its pointer is what is kept, and
; the same is taken from the other stack.  arch/x86_64/thread.c lays out such a stack for a thread
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
