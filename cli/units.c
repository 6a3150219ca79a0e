/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as people write and read them. Pure; independent of the locale.
 */
#include "cli/units.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS         (24.0 * 3600 * 1000)
#define DURATION_MAX   (36500 * DAY_MS)
#define SIZE_MAX_BYTES ((double)(1ull << 62))
#define DIGITS_MAX     18

/* Digits with an optional decimal point; strtod would accept "nan", "0x1p3" and the locale's comma. */
static const char *read_decimal(const char *text, double *value)
{
    double scale = 1;
    int digits = 0;

    *value = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++)
        *value = *value * 10 + (*text - '0');
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, digits++)
            *value += (*text - '0') * (scale /= 10);
    return digits && digits <= DIGITS_MAX ? text : NULL;
}

bool units_duration(const char *text, uint64_t *ms)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {"d", DAY_MS}};
    double value;
    const char *unit = read_decimal(text, &value);

    for (size_t i = 0; unit && i < sizeof(units) / sizeof(*units); i++)
        if (!strcmp(unit, units[i].name) && value * units[i].ms <= DURATION_MAX) {
            *ms = (uint64_t)(value * units[i].ms + 0.5);
            return *ms || value <= 0; /* 0 means something else than a very short time */
        }
    return false;
}

bool units_size(const char *text, uint64_t *bytes)
{
    static const char letters[] = "kmgt";
    double value;
    const char *unit = read_decimal(text, &value);

    if (!unit)
        return false;
    if (*unit) {
        const char *at = strchr(letters, *unit | 0x20);
        if (at) {
            value *= (double)(1ull << (10 * (at - letters + 1)));
            unit++;
            if (!strcmp(unit, "iB"))
                unit += 2;
        }
        if (*unit == 'B')
            unit++;
    }
    if (*unit || value > SIZE_MAX_BYTES)
        return false;
    *bytes = (uint64_t)value;
    return *bytes || value <= 0;
}

bool units_count(const char *text, uint64_t *count)
{
    int digits = 0;

    *count = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++)
        *count = *count * 10 + (uint64_t)(*text - '0');
    return digits && digits <= DIGITS_MAX && !*text;
}

const char *units_show_ms(uint64_t ms, char *out)
{
    unsigned long long s = ms / 1000;

    if (ms < 1000)
        snprintf(out, UNITS_TEXT, "%ums", (unsigned)ms);
    else if (s < 60)
        snprintf(out, UNITS_TEXT, "%.1fs", (double)(ms / 100) / 10);
    else if (s < 3600)
        snprintf(out, UNITS_TEXT, "%llum%02llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, UNITS_TEXT, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(out, UNITS_TEXT, "%llud%02lluh", s / 86400, s / 3600 % 24);
    return out;
}

const char *units_show_us(uint64_t us, char *out)
{
    if (us < 1000)
        snprintf(out, UNITS_TEXT, "%uus", (unsigned)us);
    else if (us < 1000000)
        snprintf(out, UNITS_TEXT, "%.1fms", (double)us / 1000);
    else
        units_show_ms(us / 1000, out);
    return out;
}

static const char *show_scaled(double value, double step, const char *const *names, char *out)
{
    int i = 0;

    for (; value >= step && names[i + 1]; i++)
        value /= step;
    snprintf(out, UNITS_TEXT, value < 100 && value != (double)(uint64_t)value ? "%.1f%s" : "%.0f%s", value, names[i]);
    return out;
}

const char *units_show_bytes(uint64_t bytes, char *out)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL};
    return show_scaled((double)bytes, 1024, names, out);
}

const char *units_show_count(uint64_t count, char *out)
{
    static const char *const names[] = {"", "k", "M", "G", "T", NULL};

    if (count < 100000)
        snprintf(out, UNITS_TEXT, "%u", (unsigned)count);
    else
        show_scaled((double)count, 1000, names, out);
    return out;
}

const char *units_show_rate(double rate, char *out)
{
    if (!(rate > 0))
        snprintf(out, UNITS_TEXT, "0");
    else if (rate < 1)
        snprintf(out, UNITS_TEXT, "%.2f", rate);
    else if (rate < 1000)
        snprintf(out, UNITS_TEXT, rate < 10 ? "%.1f" : "%.0f", rate);
    else
        units_show_count(rate < 1e18 ? (uint64_t)rate : (uint64_t)1e18, out);
    return out;
}
