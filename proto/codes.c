/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and texts of codes and messages, from their tables. Pure.
 */
#include "proto/codes.h"
#include "proto/message.h"

#include <stddef.h>

#define CODE_COUNT 128u

struct code {
    const char *name, *text, *advice;
};

static const struct code codes[CODE_COUNT] = {
#define CODE_ENTRY(name, number, text, advice) [number] = {#name, text, advice},
    BELT_CODES(CODE_ENTRY)
#undef CODE_ENTRY
};

static const struct code unknown = {"UNKNOWN", "an unknown code", "compare both programs' versions"};

static const struct code *find(unsigned code)
{
    return code < CODE_COUNT && codes[code].name ? &codes[code] : &unknown;
}

const char *belt_code_name(unsigned code)
{
    return find(code)->name;
}

const char *belt_code_text(unsigned code)
{
    return find(code)->text;
}

const char *belt_code_advice(unsigned code)
{
    return find(code)->advice;
}

const char *belt_msg_name(unsigned type)
{
    static const char *const names[64] = {
#define NAME_ENTRY(name, number, from) [number] = #name,
        BELT_MESSAGES(NAME_ENTRY)
#undef NAME_ENTRY
    };
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}
