/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/exit.h"

#include "arch/arch.h"
#include "lib/print.h"

enum {
	DEBUG_EXIT_PORT = 0xf4, /* isa-debug-exit: status = 2 * value + 1 */
	DEBUG_EXIT_PASS = 0x10,
	DEBUG_EXIT_FAIL = 0x20,

	QEMU_PM1A_CNT = 0x604, /* q35 and pc: PM base 600h */
	QEMU_SLEEP_S5 = 0x2000,
	BOCHS_PM1A_CNT = 0xb004,

	KEYBOARD_COMMAND = 0x64,
	KEYBOARD_RESET = 0xfe,
	RESET_SPINS = 1000000,
};

static struct exit_ports exits;

void exit_init(const struct exit_ports *ports)
{
	exits = *ports;
}

static void spin(void)
{
	for (unsigned i = 0; i < RESET_SPINS; i++)
		arch_relax();
}

static void power_off(void)
{
	outw(QEMU_PM1A_CNT, QEMU_SLEEP_S5);
	outw(BOCHS_PM1A_CNT, QEMU_SLEEP_S5);
	spin();
}

static void reset(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) empty = { 0, 0 };

	if (exits.reset_port != 0) {
		outb(exits.reset_port, exits.reset_value);
		spin();
	}
	outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
	spin();
	__asm__ volatile("lidt %0; int3" : : "m"(empty)); /* triple fault */
}

void arch_exit(enum arch_exit how)
{
	interrupts_off();
	switch (how) {
	case ARCH_EXIT_PASS: outb(DEBUG_EXIT_PORT, DEBUG_EXIT_PASS); break;
	case ARCH_EXIT_FAIL: outb(DEBUG_EXIT_PORT, DEBUG_EXIT_FAIL); break;
	case ARCH_EXIT_POWEROFF: power_off(); break;
	case ARCH_EXIT_REBOOT: reset(); break;
	}
	print("keel: stopped; you may switch the machine off\n");
	halt_for_ever();
}
