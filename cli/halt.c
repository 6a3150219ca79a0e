/* SPDX-License-Identifier: Apache-2.0
 *
 * When a map stops early (--halt). Pure.
 */
#include "cli/halt.h"

#include "cli/units.h"

#include <stdio.h>
#include <string.h>

/* A percentage of very few results says nothing. */
#define PERCENT_LEAST 3

static const char *skip(const char *text, const char *word)
{
    size_t len = strlen(word);
    return strncmp(text, word, len) ? NULL : text + len;
}

static bool parse_amount(const char *text, struct halt *halt)
{
    char digits[24];
    size_t len = strlen(text);
    uint64_t value;

    if (!len || len >= sizeof(digits))
        return false;
    memcpy(digits, text, len + 1);
    if (digits[len - 1] == '%')
        digits[len - 1] = '\0';
    if (!units_count(digits, &value) || value == 0)
        return false;
    if (text[len - 1] == '%') {
        halt->percent = (unsigned)value;
        return value <= 100;
    }
    halt->count = value;
    return true;
}

bool halt_parse(const char *text, struct halt *halt)
{
    static const char *const whats[] = {"fail=", "success=", "done="};
    const char *rest;

    *halt = (struct halt){0};
    if (!strcmp(text, "never"))
        return true;
    if ((rest = skip(text, "now,")))
        halt->when = HALT_NOW;
    else if ((rest = skip(text, "soon,")))
        halt->when = HALT_SOON;
    else
        return false;
    for (int i = 0; i < 3; i++) {
        const char *amount = skip(rest, whats[i]);
        if (amount) {
            halt->what = (enum halt_what)i;
            return parse_amount(amount, halt);
        }
    }
    return false;
}

enum halt_when halt_check(const struct halt *halt, uint64_t succeeded, uint64_t failed, uint64_t total)
{
    uint64_t done = succeeded + failed;
    uint64_t hits = halt->what == HALT_FAIL ? failed : halt->what == HALT_SUCCESS ? succeeded : done;
    uint64_t base = total ? total : done;

    if (halt->when == HALT_NEVER)
        return HALT_NEVER;
    if (halt->count)
        return hits >= halt->count ? halt->when : HALT_NEVER;
    /* Of the results so far all are done: the share of those that are done has a meaning only with the total. */
    if (halt->what == HALT_DONE && !total)
        return HALT_NEVER;
    return hits >= PERCENT_LEAST && (double)hits * 100 >= (double)base * halt->percent ? halt->when : HALT_NEVER;
}

const char *halt_show(const struct halt *halt, char *out)
{
    static const char *const one[] = {"failure", "success", "result"}, *const many[] = {"failures", "successes",
                                                                                        "results"};

    if (halt->count)
        snprintf(out, 48, "%llu %s", (unsigned long long)halt->count, (halt->count == 1 ? one : many)[halt->what]);
    else
        snprintf(out, 48, "%u%% %s", halt->percent, many[halt->what]);
    return out;
}
