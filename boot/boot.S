; SPDX-License-Identifier: MIT
;
; boot.S - from a boot loader's 32-bit protected mode to kernel_main() in long mode.
;
; Two entries: Multiboot2 (GRUB: eax = magic, ebx = info) and PVH (QEMU -kernel:
; ebx = start info).  Both have paging off, flat segments and interrupts off.
;
; The bootstrap page table maps, by 2 MiB pages and without the global bit:
;   low 4 GiB at 0 (identity) and at DIRECT_BASE (no execute), the same tables;
;   the kernel image at KERNEL_VMA, with 4 KiB pages where the stacks are, so that
;   the page below each stack can be left out.
; From BOOT_DEVICE_MIN up it is uncached; boot_table_refine() sets the rest by the memory
; map.  With five levels (SDM 3A 4.5.4) entries 0 and 511 of the top lead to the same PML4.
;
; Sources: Multiboot2 specification 3.1, 3.3; Xen PVH start-of-day structure; SDM 3A 9.8.5.

%include "layout.inc"

MB2_MAGIC         equ 0xe85250d6
MB2_LOADER_MAGIC  equ 0x36d76289
MB2_TAG_END       equ 0
MB2_TAG_CMDLINE   equ 1
MB2_HDR_REQUEST   equ 1
MB2_HDR_FRAMEBUF  equ 5
MB2_HDR_ALIGN     equ 6
MB2_OPTIONAL      equ 1
PVH_MAGIC         equ 0x336ec578
PVH_CMDLINE       equ 24          ; offset of cmdline_paddr
XEN_ELFNOTE_PHYS32_ENTRY equ 18

PROTOCOL_MB2      equ 0           ; enum boot_protocol
PROTOCOL_PVH      equ 1

CR0_PE equ 1 << 0
CR0_ET equ 1 << 4
CR0_NE equ 1 << 5
CR0_WP equ 1 << 16
CR0_PG equ 1 << 31
CR4_PAE  equ 1 << 5
CR4_LA57 equ 1 << 12
MSR_EFER equ 0xc0000080
MSR_GS_BASE equ 0xc0000101
EFER_LME equ 1 << 8
EFER_NXE equ 1 << 11
EFLAGS_ID equ 1 << 21
CPUID_LM   equ 1 << 29            ; 80000001h edx
CPUID_NX   equ 1 << 20            ; 80000001h edx
CPUID_LA57 equ 1 << 16            ; 7.0 ecx

PTE_P   equ 1 << 0
PTE_RW  equ 1 << 1
PTE_PWT equ 1 << 3
PTE_PCD equ 1 << 4
PTE_PS  equ 1 << 7
PTE_NX_HIGH equ 1 << 31           ; bit 63, in the upper half

COM1 equ 0x3f8
COM_LSR equ COM1 + 5
LSR_THRE equ 0x20
SERIAL_SPINS equ 100000

LARGE  equ 0x200000
SEG_CODE64 equ 8
SEG_DATA   equ 16

; ---------------------------------------------------------------- headers
section .mb2 progbits alloc noexec nowrite align=8
mb2_header:
        dd MB2_MAGIC, 0, mb2_end - mb2_header
        dd -(MB2_MAGIC + (mb2_end - mb2_header)) & 0xffffffff
        align 8                         ; all but the memory map is requested as optional
        dw MB2_HDR_REQUEST, 0
        dd 12
        dd 6                            ; memory map: required
        align 8
        dw MB2_HDR_REQUEST, MB2_OPTIONAL
        dd 8 + 4 * 11
        dd 1, 2, 3, 8, 9, 11, 12, 14, 15, 17, 20
        align 8
        dw MB2_HDR_FRAMEBUF, MB2_OPTIONAL
        dd 20, 0, 0, 32                 ; any size, 32 bits a pixel
        align 8
        dw MB2_HDR_ALIGN, MB2_OPTIONAL
        dd 8
        align 8
        dw 0, 0
        dd 8
mb2_end:

section .note.pvh note alloc noexec nowrite align=4
        dd 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
        db "Xen", 0
        dd start_pvh

; ---------------------------------------------------------------- 32-bit code
section .boot.text progbits alloc exec nowrite align=16
bits 32
global start_mb2
global start_pvh
extern boot_stack_top, kernel_main
extern boot_stacks_phys, boot_stack_guards_phys, kernel_image_end_phys     ; linker.ld

start_mb2:
        cli
        cld
        mov esp, early_stack_top
        mov esi, ebx
        mov ebp, PROTOCOL_MB2
        mov edi, msg_magic
        cmp eax, MB2_LOADER_MAGIC
        jne stop
        jmp start_common

start_pvh:
        cli
        cld
        mov esp, early_stack_top
        mov esi, ebx
        mov ebp, PROTOCOL_PVH
        mov edi, msg_magic
        cmp dword [esi], PVH_MAGIC
        jne stop

start_common:                           ; esi = info, ebp = protocol, kept to the end
        call check_cpu
        call build_tables
        mov eax, CR4_PAE
        mov ecx, boot_pml4
        cmp byte [boot_la57], 0
        je .levels
        or eax, CR4_LA57
        mov ecx, boot_pml5
.levels:
        mov cr4, eax
        mov cr3, ecx
        mov ecx, MSR_EFER
        rdmsr
        or eax, EFER_LME | EFER_NXE
        wrmsr
        mov eax, CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE
        mov cr0, eax
        lgdt [gdt_pointer]
        jmp SEG_CODE64:start64

; CPUID, long mode and NX are required; LA57 is used if present and not disabled by no5lvl.
check_cpu:
        pushfd
        pop eax
        mov ecx, eax
        xor eax, EFLAGS_ID
        push eax
        popfd
        pushfd
        pop eax
        mov edi, msg_long_mode
        cmp eax, ecx
        je stop
        mov eax, 0x80000000
        cpuid
        mov edi, msg_long_mode
        cmp eax, 0x80000001
        jb stop
        mov eax, 0x80000001
        cpuid
        mov edi, msg_long_mode
        test edx, CPUID_LM
        jz stop
        mov edi, msg_nx
        test edx, CPUID_NX
        jz stop
        xor eax, eax
        cpuid
        cmp eax, 7
        jb .done
        mov eax, 7
        xor ecx, ecx
        cpuid
        test ecx, CPUID_LA57
        jz .done
        call find_cmdline
        call has_no5lvl
        jc .done
        mov byte [boot_la57], 1
.done:
        ret

; edx = command line, or 0.
find_cmdline:
        cmp ebp, PROTOCOL_PVH
        jne .mb2
        mov edx, [esi + PVH_CMDLINE]
        ret
.mb2:
        mov ecx, esi
        add ecx, [esi]                  ; end of the info block
        lea edx, [esi + 8]
.tag:
        lea eax, [edx + 8]
        cmp eax, ecx
        ja .none
        cmp dword [edx], MB2_TAG_CMDLINE
        je .found
        cmp dword [edx], MB2_TAG_END
        je .none
        mov eax, [edx + 4]
        cmp eax, 8
        jb .none
        add eax, 7
        jc .none
        and eax, ~7
        add edx, eax
        jc .none
        jmp .tag
.found:
        add edx, 8
        ret
.none:
        xor edx, edx
        ret

; Carry set if the word no5lvl is in the command line at edx (0: none).
has_no5lvl:
        test edx, edx
        jz .no
        mov ecx, CMDLINE_MAX
.word:
        xor ebx, ebx
.match:
        mov al, [edx + ebx]
        mov ah, [no5lvl + ebx]
        test ah, ah
        jz .end_of_word
        cmp al, ah
        jne .skip
        inc ebx
        jmp .match
.end_of_word:
        cmp al, ' '
        je .yes
        test al, al
        jz .yes
.skip:                                  ; to the next word
        mov al, [edx]
        test al, al
        jz .no
        inc edx
        dec ecx
        jz .no
        cmp al, ' '
        jne .skip
        jmp .word
.yes:
        stc
        ret
.no:
        clc
        ret
CMDLINE_MAX equ 4096

; Preserves esi, ebp.
build_tables:
        ; low 4 GiB: 2048 pages of 2 MiB
        mov edi, boot_pd
        mov eax, PTE_P | PTE_RW | PTE_PS
        mov ecx, BOOT_MAP_GIB * 512
.low:
        cmp eax, BOOT_DEVICE_MIN
        jb .cached
        or eax, PTE_PCD | PTE_PWT
.cached:
        mov [edi], eax
        add edi, 8
        add eax, LARGE
        loop .low

        mov edi, boot_pdpt
        mov eax, boot_pd + (PTE_P | PTE_RW)
        mov ecx, BOOT_MAP_GIB
.pdpt:
        mov [edi], eax
        add eax, 4096
        add edi, 8
        loop .pdpt

        ; the image at KERNEL_VMA: every 2 MiB page that it touches
        mov eax, KERNEL_LMA + (PTE_P | PTE_RW | PTE_PS)
        mov edi, boot_pd_kernel + (KERNEL_LMA / LARGE) * 8
.image:
        mov [edi], eax
        add edi, 8
        add eax, LARGE
        cmp eax, kernel_image_end_phys
        jb .image

        ; the 2 MiB page of the stacks, by 4 KiB pages
        mov eax, boot_stacks_phys
        and eax, ~(LARGE - 1)
        mov edx, eax
        or eax, PTE_P | PTE_RW
        mov edi, boot_pt_stack
        mov ecx, 512
.small:
        mov [edi], eax
        add edi, 8
        add eax, 4096
        loop .small
        shr edx, 21
        lea edi, [boot_pd_kernel + edx * 8]
        mov dword [edi], boot_pt_stack + (PTE_P | PTE_RW)

        ; unmap the guard pages
        mov ebx, boot_stack_guards_phys
.guard:
        mov eax, [ebx]
        test eax, eax
        jz .guards_done
        shr eax, 12
        and eax, 511
        mov dword [boot_pt_stack + eax * 8], 0
        add ebx, 8
        jmp .guard
.guards_done:

        mov dword [boot_pdpt_kernel + PDPT_KERNEL * 8], boot_pd_kernel + (PTE_P | PTE_RW)
        mov dword [boot_pml4], boot_pdpt + (PTE_P | PTE_RW)
        mov dword [boot_pml4 + PML4_DIRECT * 8], boot_pdpt + (PTE_P | PTE_RW)
        mov dword [boot_pml4 + PML4_DIRECT * 8 + 4], PTE_NX_HIGH
        mov dword [boot_pml4 + PML4_KERNEL * 8], boot_pdpt_kernel + (PTE_P | PTE_RW)
        mov dword [boot_pml5], boot_pml4 + (PTE_P | PTE_RW)
        mov dword [boot_pml5 + 511 * 8], boot_pml4 + (PTE_P | PTE_RW)
        ret

; Print the line at edi on COM1 (bounded: the port may be missing) and stop.
stop:
        mov dx, COM1 + 1
        xor al, al
        out dx, al                      ; no interrupts
        mov dx, COM1 + 3
        mov al, 0x80
        out dx, al                      ; divisor latch
        mov dx, COM1
        mov al, 1
        out dx, al                      ; 115200 baud
        mov dx, COM1 + 1
        xor al, al
        out dx, al
        mov dx, COM1 + 3
        mov al, 3
        out dx, al                      ; 8 bits, no parity, one stop bit
        mov dx, COM1 + 4
        mov al, 3
        out dx, al                      ; DTR, RTS
.char:
        mov bl, [edi]
        test bl, bl
        jz .halt
        inc edi
        mov ecx, SERIAL_SPINS
.wait:
        mov dx, COM_LSR
        in al, dx
        test al, LSR_THRE
        jnz .send
        loop .wait
.send:
        mov dx, COM1
        mov al, bl
        out dx, al
        jmp .char
.halt:
        cli
        hlt
        jmp .halt

bits 64
start64:
        mov ax, SEG_DATA
        mov ds, ax
        mov es, ax
        mov ss, ax
        xor eax, eax
        mov fs, ax
        mov gs, ax
        mov ecx, MSR_GS_BASE            ; no per-CPU variables before percpu_start_first()
        mov eax, PERCPU_NOWHERE & 0xffffffff
        mov edx, PERCPU_NOWHERE >> 32
        wrmsr
        mov rsp, boot_stack_top
        mov edi, ebp
        mov esi, esi
        xor ebp, ebp                    ; ends every backtrace
        mov rax, kernel_main
        call rax
.halt:
        cli
        hlt
        jmp .halt

; ---------------------------------------------------------------- data
section .boot.data progbits alloc noexec write align=16
        align 16
gdt:
        dq 0
        dq 0x00af9a000000ffff           ; 64-bit code, SDM 3A 3.4.5
        dq 0x00cf92000000ffff           ; data
gdt_pointer:
        dw gdt_pointer - gdt - 1
        dd gdt
boot_la57: db 0
no5lvl: db "no5lvl", 0
msg_magic: db "keel: not started by a Multiboot2 or PVH boot loader", 13, 10, 0
msg_long_mode: db "keel: this CPU has no 64-bit mode (long mode)", 13, 10, 0
msg_nx: db "keel: this CPU has no NX (no-execute pages)", 13, 10, 0

section .boot.bss nobits alloc noexec write align=4096
global boot_pml5, boot_pml4, boot_pdpt, boot_pd, boot_pd_kernel, boot_pt_stack, boot_early_stack
        alignb 4096
boot_pml5:        resb 4096
boot_pml4:        resb 4096
boot_pdpt:        resb 4096
boot_pdpt_kernel: resb 4096
boot_pd:          resb 4096 * BOOT_MAP_GIB
boot_pd_kernel:   resb 4096
boot_pt_stack:    resb 4096
boot_early_stack: resb 4096
early_stack_top:
