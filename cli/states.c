/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/states.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {"open", "ended", "complete", "cancelled"};

bool states_parse(const char *text, unsigned *states)
{
    *states = 0;
    for (;;) {
        size_t len = strcspn(text, ","), i = 0;
        while (i < sizeof(names) / sizeof(*names) && (strlen(names[i]) != len || memcmp(text, names[i], len) != 0))
            i++;
        if (i == sizeof(names) / sizeof(*names))
            return false;
        *states |= 1u << i;
        if (!text[len])
            return true;
        text += len + 1;
    }
}

bool states_check(const char *text)
{
    unsigned states;
    return states_parse(text, &states);
}
