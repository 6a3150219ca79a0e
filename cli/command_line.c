/* SPDX-License-Identifier: Apache-2.0
 *
 * The command of `belt map -- COMMAND…`. Pure.
 */
#include "cli/command_line.h"

#include "proto/limits.h"
#include "proto/shell_line.h"
#include "worker/agent.h"

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

/* The words of `read`, quoted where it is needed. */
static void show_words(const struct shell_line *read, uint32_t count, struct bytes *out)
{
    const char *word = read->text;

    for (uint32_t i = 0; i < count; i++, word += strlen(word) + 1) {
        bytes_text(out, i ? " " : "");
        command_quote(word, strlen(word), out);
    }
}

void command_show(const char *const *words, uint32_t count, const char *input, size_t len, struct bytes *out)
{
    struct shell_line read;
    bool shell = command_is_shell(words, count);
    int rc = shell ? shell_line_read(&read, words[0])
                   : shell_words_read(&read, words, count, (struct belt_bytes){(const uint8_t *)input, len});

    if (!command_has_place(words, count)) {
        bytes_text(out, "printf %s ");
        command_quote(input, len, out);
        bytes_text(out, " | ");
    }
    if (rc == 0 && read.references > 0) {
        bytes_text(out, SHELL_INPUT_NAME "=");
        command_quote(input, len, out);
        bytes_text(out, " ");
    }
    bytes_text(out, shell ? "sh -c " : "");
    if (rc == 0)
        show_words(&read, shell ? 1 : count, out);
    shell_line_free(&read);
}

bool command_check_line(const char *line, char *error)
{
    struct shell_line read;
    int rc = shell_line_read(&read, line);

    if (rc != 0)
        memcpy(error, read.error, sizeof(read.error));
    shell_line_free(&read);
    return rc == 0;
}

bool command_check(const char *const *words, uint32_t count, char *error)
{
    struct shell_line read;

    if (command_is_shell(words, count))
        return command_check_line(words[0], error);
    int rc = shell_words_read(&read, words, count, (struct belt_bytes){NULL, 0});
    if (rc != 0)
        memcpy(error, read.error, sizeof(read.error));
    shell_line_free(&read);
    return rc == 0;
}
