/* SPDX-License-Identifier: Apache-2.0
 *
 * "[NAME=]COMMAND". Pure.
 */
#include "cli/functions.h"

#include <stdio.h>
#include <string.h>

/* PROTOCOL.md §4: name */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static bool is_name(const char *text, size_t len)
{
    return len && len < FUNCTIONS_NAME && *text != '-' && *text != '.';
}

bool functions_is_name(const char *text)
{
    size_t len = strspn(text, NAME_CHARACTERS);

    return !text[len] && is_name(text, len);
}

bool functions_split(const char *text, char name[FUNCTIONS_NAME], const char **command, bool *named)
{
    size_t len = strspn(text, NAME_CHARACTERS);

    *named = text[len] == '='; /* no command begins with one: a name is missing */
    *command = *named ? text + len + 1 : text;
    if (*named && !is_name(text, len))
        return false;
    if (*named)
        snprintf(name, FUNCTIONS_NAME, "%.*s", (int)len, text);
    else
        snprintf(name, FUNCTIONS_NAME, "%s", FUNCTIONS_DEFAULT);
    return (*command)[strspn(*command, " \t")] != '\0';
}
