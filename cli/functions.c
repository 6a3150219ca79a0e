/* SPDX-License-Identifier: Apache-2.0
 *
 * "[NAME=]COMMAND". Pure.
 */
#include "functions.h"

#include <stdio.h>
#include <string.h>

/* PROTOCOL.md §4: name */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

bool functions_split(const char *text, char name[FUNCTIONS_NAME], const char **command, bool *named)
{
    size_t len = strspn(text, NAME_CHARACTERS);

    *named = len && text[len] == '=';
    *command = *named ? text + len + 1 : text;
    if (*named && (len >= FUNCTIONS_NAME || *text == '-' || *text == '.'))
        return false;
    if (*named)
        snprintf(name, FUNCTIONS_NAME, "%.*s", (int)len, text);
    else
        snprintf(name, FUNCTIONS_NAME, "%s", FUNCTIONS_DEFAULT);
    return (*command)[strspn(*command, " \t")] != '\0';
}
