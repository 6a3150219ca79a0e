/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as people write and read them: durations, sizes, counts. Pure.
 */
#ifndef BELT_CLI_UNITS_H
#define BELT_CLI_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** "1.5" (seconds), "500ms", "2m", "1h", "1d" -> ms. False when it is none, or over a hundred years. */
bool units_duration(const char *text, uint64_t *ms);
/** "4096", "64k", "16M", "1.5G" (powers of 1024; an added "B" or "iB" is accepted) -> bytes. */
bool units_size(const char *text, uint64_t *bytes);
/** Decimal digits only. */
bool units_count(const char *text, uint64_t *count);

#define UNITS_TEXT 24

/** Writes into `out` (UNITS_TEXT bytes) and returns it: "850ms", "12.3s", "4m05s", "3h12m", "2d04h". */
const char *units_show_ms(uint64_t ms, char *out);
/** The same from µs: "35us", "1.2ms", … */
const char *units_show_us(uint64_t us, char *out);
/** "512B", "1.5KiB", "16MiB" */
const char *units_show_bytes(uint64_t bytes, char *out);
/** "999", "12.3k", "4.5M" */
const char *units_show_count(uint64_t count, char *out);
/** "0", "0.12", "3.4", "1.2k": results per second. */
const char *units_show_rate(double rate, char *out);

#endif
