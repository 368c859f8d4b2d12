/* SPDX-License-Identifier: MIT */
#include "drivers/tty/console.h"

#include "arch/arch.h"
#include "kern/lock.h"
#include "kern/wait_queue.h"
#include "drivers/tty/framebuffer.h"
#include "drivers/input/keys.h"
#include "drivers/tty/log.h"
#include "drivers/tty/screen.h"
#include "drivers/tty/vga_text.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/print.h"
#include "lib/string.h"

enum {
	TERMINAL_COLUMNS = 80, /* of a terminal at the serial port */
	LOCK_WAIT_MS = 1000,
	PIECE_BYTES = 256,
	POLL_MS = 10, /* short for a person */
	NO_CPU = ARCH_MAX_CPUS,
};

LOCK_CLASS(console_lock_class, "console", RANK_CONSOLE);
static struct spinlock lock = SPINLOCK_INIT(&console_lock_class);
static _Atomic unsigned holder = NO_CPU;

/* All of these are protected by the lock. */
static struct log_ring ring;
static struct screen screen;
static bool screen_started, screen_mapped;
static volatile bool drawing; /* read by a fault handler that prints */
static uint64_t screen_at;    /* position in the log of what the screen shows next */
static struct boot_framebuffer chosen;
static union {
	struct framebuffer framebuffer;
	struct vga_text vga;
} painter;
static uint64_t output_ticks;

static struct keys_terminal terminal;
static struct keys_keyboard keyboard;

/* ---- the lock ---- */

struct locked {
	uintptr_t irq;
	uint64_t start;
	bool locked; /* false: this CPU continues without the lock */
};

/* relaxed: only this CPU's own store matters to it */
static bool holds_already(void)
{
	return atomic_load_explicit(&holder, memory_order_relaxed) == arch_cpu_id();
}

static struct locked hold(void) __no_tsa
{
	struct locked h = { arch_irq_save(), arch_ticks(), false };

	if (holds_already())
		return h;
	while (!(h.locked = spin_try_lock(&lock))) {
		if (arch_ticks() - h.start > LOCK_WAIT_MS * arch_ticks_per_ms())
			return h;
		lock_wait_turn();
	}
	atomic_store_explicit(&holder, arch_cpu_id(), memory_order_relaxed);
	return h;
}

static void release(const struct locked *h) __no_tsa
{
	output_ticks += arch_ticks() - h->start;
	if (h->locked) {
		atomic_store_explicit(&holder, NO_CPU, memory_order_relaxed);
		spin_unlock(&lock);
	}
	arch_irq_restore(h->irq);
}

/* ---- output ---- */

static struct console_port serial; /* NULL functions: there is none */

void console_set_serial(const struct console_port *port)
{
	struct locked h = hold();

	serial = *port;
	release(&h);
}

static void serial_write(const char *bytes, size_t n)
{
	if (serial.write != NULL)
		serial.write(serial.context, bytes, n);
}

/* Not recursively: a fault while drawing, which may concern the screen's memory, must not draw.
 * The next catch_up() draws what is left out. */
static bool can_draw(void)
{
	return screen_mapped && !drawing;
}

static void draw(const char *bytes, size_t n)
{
	drawing = true;
	screen_write(&screen, bytes, n);
	drawing = false;
}

/* Bring the screen up to the end of the log. */
static void catch_up(void)
{
	char piece[PIECE_BYTES];
	size_t n;

	while (can_draw() && (n = log_read(&ring, &screen_at, piece, sizeof(piece))) > 0)
		draw(piece, n);
}

static void console_write(struct print_sink *sink, const char *bytes, size_t n)
{
	struct locked h = hold();

	(void)sink;
	log_write(&ring, bytes, n);
	serial_write(bytes, n);
	catch_up();
	release(&h);
}

/* To the log alone.  A screen that shows the end of it skips the line; one that is behind, or not
 * there yet, shows it. */
static void console_write_quiet(struct print_sink *sink, const char *bytes, size_t n)
{
	struct locked h = hold();
	bool skip = screen_at == ring.written;

	(void)sink;
	log_write(&ring, bytes, n);
	if (skip)
		screen_at = ring.written;
	release(&h);
}

void console_init(void)
{
	static struct print_sink sink = { console_write }, quiet = { console_write_quiet };

	print_set_sink(&sink);
	log_set_quiet_sink(&quiet);
}

uint64_t console_ticks(void)
{
	return output_ticks;
}

/* Output that is not logged. */
static void show_only(const char *bytes, size_t n)
{
	struct locked h = hold();

	serial_write(bytes, n);
	if (can_draw())
		draw(bytes, n);
	release(&h);
}

static bool next_line(uint64_t *at, char *text, size_t size)
{
	struct locked h = hold();
	bool more = log_line(&ring, at, text, size);

	release(&h);
	return more;
}

void console_show_log(uint64_t lines)
{
	uint64_t at = log_last_lines(&ring, lines), end = ring.written;
	char text[PIECE_BYTES];

	while (at < end && next_line(&at, text, sizeof(text))) {
		show_only("| ", 2);
		show_only(text, strlen(text));
		show_only("\n", 1);
	}
}

/* ---- the screen ---- */

err_t console_find_screen(const struct boot_framebuffer *b, struct prange *memory)
{
	const char *why;
	err_t err;

	if (b->address == 0)
		return ERR_NOT_FOUND;
	err = b->type == FRAMEBUFFER_EGA_TEXT ? vga_text_check(b, &why)
					      : framebuffer_check(b, &why);
	if (err != OK) {
		warn("no screen: %u x %u, %u bits, at %#lx: %s", b->width, b->height,
		     b->bits_per_pixel, b->address, why);
		return err;
	}
	chosen = *b;
	*memory = framebuffer_memory(b);
	return OK;
}

static void start_screen(void *memory)
{
	struct screen_painter *p = &painter.vga.painter;

	if (chosen.type == FRAMEBUFFER_EGA_TEXT) {
		vga_text_start(&painter.vga, &chosen, memory);
	} else {
		framebuffer_start(&painter.framebuffer, &chosen, memory);
		p = &painter.framebuffer.painter;
	}
	screen_start(&screen, p);
	screen_started = true;
	screen_at = log_last_lines(&ring, screen.rows);
}

void console_show_screen(void *memory)
{
	struct locked h = hold();

	if (!screen_started)
		start_screen(memory);
	else if (chosen.type == FRAMEBUFFER_EGA_TEXT)
		vga_text_set_base(&painter.vga, memory);
	else
		framebuffer_set_base(&painter.framebuffer, memory);
	screen_mapped = true;
	catch_up();
	release(&h);
}

void console_hide_screen(void)
{
	struct locked h = hold();

	screen_mapped = false;
	release(&h);
}

unsigned console_columns(void)
{
	return screen_started ? (unsigned)min_u64(screen.columns, TERMINAL_COLUMNS)
			      : TERMINAL_COLUMNS;
}

/* ---- input ---- */

static struct console_port keyboard_port;
static enum console_input input_mode = CONSOLE_INPUT_POLL;

void console_set_keyboard(const struct console_port *port)
{
	keyboard_port = *port;
}

void console_set_input(enum console_input mode)
{
	input_mode = mode;
}

static int port_read(const struct console_port *port)
{
	return port->read == NULL ? -1 : port->read(port->context);
}

int console_key(void)
{
	int key = KEY_NONE, byte;

	while (key == KEY_NONE && (byte = port_read(&serial)) >= 0)
		key = keys_from_terminal(&terminal, (uint8_t)byte);
	while (key == KEY_NONE && (byte = port_read(&keyboard_port)) >= 0)
		key = keys_from_keyboard(&keyboard, (uint8_t)byte);
	return key;
}

LOCK_CLASS(readers_class, "readers of keys", RANK_WAIT_QUEUE);
static struct wait_queue readers = WAIT_QUEUE_INIT(&readers_class);

void console_input_came(void)
{
	(void)wait_wake_all(&readers);
}

int console_wait_key(void)
{
	enum console_input how = arch_irq_is_off() ? CONSOLE_INPUT_POLL : input_mode;
	int key = KEY_NONE;

	if (how == CONSOLE_INPUT_INTERRUPTS)
		wait_until(&readers, (key = console_key()) != KEY_NONE);
	while (key == KEY_NONE && (key = console_key()) == KEY_NONE) {
		if (how == CONSOLE_INPUT_SLEEP)
			thread_sleep(POLL_MS);
		else
			arch_relax();
	}
	return key;
}
