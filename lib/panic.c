/* SPDX-License-Identifier: MIT */
#include "lib/panic.h"

#include "lib/print.h"

enum {
	MESSAGE_BYTES = 256,
};

static panic_handler_t handler;
static bool printing; /* the message is being printed */

panic_handler_t panic_set_handler(panic_handler_t new_handler)
{
	panic_handler_t old = handler;

	handler = new_handler;
	return old;
}

void panic(const char *format, ...)
{
	char message[MESSAGE_BYTES];
	va_list args;

	va_start(args, format);
	print_to_va(message, sizeof(message), format, args);
	va_end(args);
	if (!printing) {
		printing = true;
		print("keel: panic: %s\n", message);
	}
	/* either printed, or print() itself panicked: the handler copes with both */
	printing = false;
	if (handler != NULL)
		handler(message);
	for (;;)
		;
}
