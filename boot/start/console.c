/* SPDX-License-Identifier: MIT */
/* console.c - serial port, screen and keyboard of the console. */
#include "arch/x86_64/boot_table.h"
#include "boot/source.h"
#include "boot/start/start.h"
#include "drivers/input/i8042.h"
#include "drivers/tty/console.h"
#include "drivers/tty/uart.h"
#include "drivers/tty/vga_text.h"
#include "kern/irq.h"
#include "kern/ports.h"
#include "lib/print.h"
#include "mm/kspace/kspace.h"

/* ---- the screen ---- */

void start_screen_early(void)
{
	struct boot_framebuffer b = start_state.boot_info.framebuffer;

	if (b.address == 0 && !start_state.boot_info.has_efi_map) {
		b = vga_text_standard();
		start_add_source(b.address, b.address + b.pitch * b.height, REGION_FRAMEBUFFER);
	}
	if (console_find_screen(&b, &start_state.screen) == OK && /* else it has warned */
	    start_state.screen.start.raw + start_state.screen.len <= GIB(BOOT_MAP_GIB) &&
	    !boot_info_has_ram(&start_state.boot_info, start_state.screen))
		console_show_screen(arch_direct(start_state.screen.start));
}

void start_screen(void)
{
	void *p = NULL;
	err_t err;

	if (start_state.screen.len == 0)
		return;
	err = kspace_map_mmio(start_state.screen.start, start_state.screen.len, MEM_WRITE_COMBINING,
			      "screen", &p);
	if (err == OK)
		console_show_screen(p);
	else
		warn("no screen: %#lx cannot be mapped: %s", start_state.screen.start.raw,
		     err_name(err));
}

/* ---- serial port and keyboard ---- */

static struct uart com1;
static struct i8042 i8042;

static void com1_write(void *context, const char *bytes, size_t n)
{
	uart_write(context, bytes, n);
}

static int com1_read(void *context)
{
	return uart_read(context);
}

static int i8042_read_code(void *context)
{
	return i8042_read(context);
}

/* Nothing else is claimed so early: the first claim of a port cannot fail. */
static void claim_ports(struct port_claim *claim, uint16_t first, uint32_t n, const char *owner)
{
	if (ports_claim(claim, first, n, owner) != OK)
		warn("ports %#x are claimed twice", first);
}

static void start_serial(void)
{
	static const struct console_port port = { com1_write, com1_read, &com1 };
	static struct port_claim claim;

	if (uart_init(&com1, UART_COM1) != OK)
		return;
	claim_ports(&claim, UART_COM1, UART_PORTS, "serial port");
	console_set_serial(&port);
}

static void start_keyboard(enum i8042_mode mode)
{
	static const struct console_port port = { NULL, i8042_read_code, &i8042 };
	static struct port_claim claims[2];
	err_t err = i8042_init(&i8042, mode);

	if (err == OK) {
		claim_ports(&claims[0], I8042_DATA, 1, "keyboard");
		claim_ports(&claims[1], I8042_STATUS, 1, "keyboard");
		console_set_keyboard(&port);
	} else if (err != ERR_NOT_FOUND)
		warn("no keyboard: i8042: %s", err_name(err));
}

static struct irq com1_irq, i8042_irq;

static enum irq_result input_interrupt(void *unused)
{
	(void)unused;
	console_input_came();
	return IRQ_HANDLED;
}

/* Edge-triggered only: the handler reads nothing, so a level would interrupt again at once. */
static bool request_isa(struct irq *irq, unsigned line, const char *name)
{
	const struct topology_isa *isa = &start_state.topology.isa[line];
	enum irq_trigger trigger = isa->low ? IRQ_EDGE_LOW : IRQ_EDGE_HIGH;

	return !isa->level &&
	       irq_request(irq, irq_wire(isa->gsi, trigger), name, input_interrupt, NULL) == OK;
}

/* Enable interrupts for the devices present; poll if one cannot be routed. */
void start_input(void)
{
	bool serial = com1.base != 0, keyboard = acpi_may_have_i8042(&start_state.acpi);
	bool serial_routed = serial && request_isa(&com1_irq, UART_COM1_ISA_IRQ, "serial port");
	bool keyboard_routed = keyboard && request_isa(&i8042_irq, I8042_ISA_IRQ, "keyboard");

	if (serial_routed)
		uart_irq_enable(&com1);
	if (keyboard)
		start_keyboard(keyboard_routed ? I8042_INTERRUPTS : I8042_POLLED);
	if (serial_routed == serial && keyboard_routed == keyboard)
		console_set_input(CONSOLE_INPUT_INTERRUPTS);
}

void start_console(void)
{
	console_init();
	start_serial();
}
