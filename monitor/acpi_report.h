/* SPDX-License-Identifier: MIT */
/* acpi_report.h - the monitor's `acpi`: ACPI tables as text. */
#pragma once

#include "boot/acpi.h"

/* Print a header line and a line per entry, for valid, invalid and unknown tables alike. */
void acpi_print(const struct acpi_table *t);

/* The tables that `acpi` prints from now on; they must stay valid.  NULL: none.  Returns those
 * before.  Locking: none; start-up calls it before the monitor runs. */
const struct acpi *acpi_report_set(const struct acpi *a);
