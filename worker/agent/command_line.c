/* SPDX-License-Identifier: Apache-2.0
 *
 * From a task to the words of its command. Pure. See command_line.h.
 */
#include "worker/agent/command_line.h"
#include "proto/shell_line.h"
#include "worker/agent.h"
#include "worker/agent/simple_command.h"
#include "worker/slot/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What somebody can do about a command that is too long with its input. */
#define INSTEAD "leave {} out of the command, and it gets the input on standard input, or name a file that holds it"

static int line_error(struct command_line *line, const char *text)
{
    snprintf(line->error, sizeof(line->error), "%s", text);
    return -1;
}

static int word_too_long(struct command_line *line, const char *what, size_t len)
{
    snprintf(line->error, sizeof(line->error),
             "%s has %zu bytes, and the system takes at most %u in an argument or a variable: " INSTEAD, what, len,
             COMMAND_LINE_WORD - 1);
    return -1;
}

static int line_too_long(struct command_line *line, size_t len, size_t most)
{
    snprintf(line->error, sizeof(line->error),
             "the command line with the input has %zu bytes, and the system takes at most %zu, environment "
             "included: " INSTEAD,
             len, most);
    return -1;
}

static int payload_check(struct command_line *line, struct belt_bytes payload)
{
    if (payload.len > 0 && memchr(payload.data, '\0', payload.len))
        return line_error(line, "the input holds a NUL byte and cannot be an argument: give it on standard input");
    return payload.len < COMMAND_LINE_WORD ? 0 : word_too_long(line, "the input", payload.len);
}

/* `words`: `count` words, each with its NUL; taken. */
static int line_set(struct command_line *line, struct slot_queue *words, size_t count)
{
    size_t len = words->len - words->pos, table = (count + 1) * sizeof(char *);
    char **argv = malloc(table + len);
    char *at = (char *)argv + table;

    if (argv && len > 0)
        memcpy(at, words->data + words->pos, len);
    slot_queue_free(words);
    if (!argv)
        return line_error(line, "out of memory");
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1) {
        argv[i] = at;
        size_t size = strlen(at);
        if (size >= COMMAND_LINE_WORD) {
            free(argv);
            return word_too_long(line, "a word of the command with the input in it", size);
        }
    }
    argv[count] = NULL;
    line->argv = argv;
    return 0;
}

static int set_variable(struct command_line *line, struct belt_bytes payload)
{
    if (payload.len + sizeof(SHELL_INPUT_NAME "=") > COMMAND_LINE_WORD)
        return word_too_long(line, "the input as the variable " SHELL_INPUT_NAME,
                             payload.len + sizeof(SHELL_INPUT_NAME "=") - 1);
    line->variable = malloc(sizeof(SHELL_INPUT_NAME "=") + payload.len);
    if (!line->variable)
        return line_error(line, "out of memory");
    memcpy(line->variable, SHELL_INPUT_NAME "=", sizeof(SHELL_INPUT_NAME "="));
    if (payload.len > 0)
        memcpy(line->variable + sizeof(SHELL_INPUT_NAME), payload.data, payload.len);
    line->variable[sizeof(SHELL_INPUT_NAME) + payload.len] = '\0';
    return 0;
}

/* What was read of a command, as `count` words behind `words`; both are taken. */
static int line_finish(struct command_line *line, struct shell_line *read, struct slot_queue *words, size_t count,
                       struct belt_bytes payload)
{
    int rc = slot_queue_add(words, read->text, read->len);

    if (rc != 0) {
        slot_queue_free(words);
        rc = line_error(line, "out of memory");
    } else {
        rc = line_set(line, words, count);
    }
    if (rc == 0 && read->references > 0)
        rc = set_variable(line, payload);
    if (rc != 0)
        command_line_free(line);
    return rc;
}

/* A command line for sh, whose {} are the payload unless that goes to standard input. */
static int shell_command(struct command_line *line, const char *command, struct belt_bytes payload)
{
    struct slot_queue words = {0};
    struct shell_line read;
    int rc = line->input ? shell_words_copy(&read, &command, 1, true) : shell_line_read(&read, command);

    if (rc != 0)
        rc = line_error(line, read.error);
    else if (slot_queue_add(&words, "/bin/sh\0-c", 11) |
             slot_queue_add(&words, "exec ", command_is_simple(command) ? 5 : 0))
        rc = line_error(line, "out of memory");
    else
        rc = line_finish(line, &read, &words, 3, payload);
    shell_line_free(&read);
    return rc;
}

int command_line_shell(struct command_line *line, const char *command, struct belt_bytes payload)
{
    *line = (struct command_line){.input = !strstr(command, "{}")};
    if (!line->input && payload_check(line, payload) != 0)
        return -1;
    return shell_command(line, command, payload);
}

/* The words of an `exec` job's argument; NULL when out of memory. */
static const char **words_of(struct belt_bytes argument, uint32_t *count)
{
    const char *word = (const char *)argument.data + 1, *end = (const char *)argument.data + argument.len;
    const char **words = malloc(argument.len * sizeof(*words));

    *count = 0;
    for (; words && word < end; word += strlen(word) + 1)
        words[(*count)++] = word;
    return words;
}

static bool has_place(const char *const *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strstr(words[i], "{}"))
            return true;
    return false;
}

/* How long the words are with the payload in each place; more than the system ever takes is not put together. */
static int words_check(struct command_line *line, const char *const *words, uint32_t count, size_t payload)
{
    size_t len = 0;

    for (uint32_t i = 0; i < count; i++) {
        len += strlen(words[i]) + 1;
        for (const char *at = words[i]; (at = strstr(at, "{}")); at += 2)
            len += payload;
    }
    return len > COMMAND_LINE_BYTES ? line_too_long(line, len, COMMAND_LINE_BYTES) : 0;
}

static int words_command(struct command_line *line, const char *const *words, uint32_t count, struct belt_bytes payload)
{
    const char **all = malloc(((size_t)count + 1) * sizeof(*all));
    struct slot_queue none = {0};
    struct shell_line read;
    int rc;

    if (!all)
        return line_error(line, "out of memory");
    memcpy(all, words, count * sizeof(*all));
    if (!line->input && !has_place(words, count))
        all[count++] = "{}";
    if (!line->input && words_check(line, all, count, payload.len) != 0) {
        free(all);
        return -1;
    }
    rc = line->input ? shell_words_copy(&read, all, count, false) : shell_words_read(&read, all, count, payload);
    rc = rc != 0 ? line_error(line, read.error) : line_finish(line, &read, &none, count, payload);
    free(all);
    shell_line_free(&read);
    return rc;
}

int command_line_exec(struct command_line *line, struct belt_bytes argument, struct belt_bytes payload)
{
    const char **words;
    uint32_t count;
    int rc;

    *line = (struct command_line){0};
    if (argument.len < 3 || argument.data[argument.len - 1] != '\0' || argument.data[1] == '\0' ||
        (argument.data[0] & ~(BELT_EXEC_STDIN | BELT_EXEC_SHELL)) != 0)
        return line_error(line, "the job's argument is not a command: flags, then words that end with NUL");
    line->input = (argument.data[0] & BELT_EXEC_STDIN) != 0;
    if (!line->input && payload_check(line, payload) != 0)
        return -1;
    if (argument.data[0] & BELT_EXEC_SHELL)
        return shell_command(line, (const char *)argument.data + 1, payload);
    words = words_of(argument, &count);
    rc = words ? words_command(line, words, count, payload) : line_error(line, "out of memory");
    free(words);
    return rc;
}

static size_t strings_len(char *const *strings)
{
    size_t len = 0;

    for (; *strings; strings++)
        len += strlen(*strings) + 1 + sizeof(*strings);
    return len;
}

void command_line_too_long(struct command_line *line, char *const *env, size_t most)
{
    (void)line_too_long(line, strings_len(line->argv) + strings_len(env), most);
}

void command_line_free(struct command_line *line)
{
    free(line->argv);
    free(line->variable);
    line->argv = NULL;
    line->variable = NULL;
}
