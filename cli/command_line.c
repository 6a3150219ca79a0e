/* SPDX-License-Identifier: Apache-2.0
 *
 * The command of `belt map -- COMMAND…`. Pure.
 */
#include "command_line.h"

#include "../proto/limits.h"
#include "../worker/agent.h"

#include <string.h>

#define PLACE "{}"
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./,:+@%="

bool command_has_place(const char *const *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strstr(words[i], PLACE))
            return true;
    return false;
}

bool command_is_shell(const char *const *words, uint32_t count)
{
    if (count != 1)
        return false;
    for (const char *at = words[0]; *at; at++) {
        if (!strncmp(at, PLACE, 2))
            at++;
        else if (strchr(" \t\n|&;<>()$`\"'\\*?[]#~!{}", *at))
            return true;
    }
    return false;
}

bool command_encode(const char *const *words, uint32_t count, struct bytes *out)
{
    char flags = 0;

    if (command_is_shell(words, count))
        flags |= BELT_EXEC_SHELL;
    if (!command_has_place(words, count))
        flags |= BELT_EXEC_STDIN;
    bytes_add(out, &flags, 1);
    for (uint32_t i = 0; i < count; i++)
        bytes_add(out, words[i], strlen(words[i]) + 1);
    return !out->failed && out->len <= BELT_MAX_ARGUMENT;
}

void command_quote(const char *text, size_t len, struct bytes *out)
{
    size_t plain = 0;

    while (plain < len && text[plain] && strchr(PLAIN, text[plain]))
        plain++;
    if (plain == len && len) {
        bytes_add(out, text, len);
        return;
    }
    bytes_text(out, "'");
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\'')
            bytes_text(out, "'\\''");
        else
            bytes_add(out, text + i, 1);
    bytes_text(out, "'");
}

static void add_replaced(const char *word, const char *input, size_t len, bool quote, struct bytes *out)
{
    const char *place;

    for (; (place = strstr(word, PLACE)); word = place + 2) {
        bytes_add(out, word, (size_t)(place - word));
        if (quote)
            command_quote(input, len, out);
        else
            bytes_add(out, input, len);
    }
    bytes_text(out, word);
}

void command_show(const char *const *words, uint32_t count, const char *input, size_t len, struct bytes *out)
{
    struct bytes word = {0};

    if (command_is_shell(words, count)) {
        add_replaced(words[0], input, len, true, out);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            bytes_reset(&word);
            add_replaced(words[i], input, len, false, &word);
            bytes_text(out, i ? " " : "");
            command_quote(word.data ? word.data : "", word.len, out);
        }
    }
    if (!command_has_place(words, count)) {
        bytes_text(out, " <<<");
        command_quote(input, len, out);
    }
    out->failed |= word.failed;
    bytes_free(&word);
}
