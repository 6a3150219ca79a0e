/* SPDX-License-Identifier: Apache-2.0 */
#include "client/statuses.h"

#include <string.h>

static bool number(const char **at, unsigned *value)
{
    unsigned n = 0, digits = 0;

    for (; **at >= '0' && **at <= '9' && digits < 4; (*at)++, digits++)
        n = n * 10 + (unsigned)(**at - '0');
    *value = n;
    return digits > 0 && n >= 1 && n <= 255;
}

bool client_statuses_parse(const char *text, uint8_t bits[BELT_STATUS_BYTES])
{
    unsigned first, last;

    memset(bits, 0, BELT_STATUS_BYTES);
    do {
        if (!number(&text, &first))
            return false;
        last = first;
        if (*text == '-') {
            text++;
            if (!number(&text, &last) || last < first)
                return false;
        }
        for (unsigned status = first; status <= last; status++)
            bits[status / 8] |= (uint8_t)(1u << (status % 8));
    } while (*text++ == ',');
    return text[-1] == '\0';
}
