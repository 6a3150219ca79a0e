/* SPDX-License-Identifier: Apache-2.0
 *
 * From a task to the words of its command: {} and quoting. Pure. See command_line.h.
 */
#include "command_line.h"
#include "agent.h"
#include "slot_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel takes no longer word (MAX_ARG_STRLEN). */
#define MAX_WORD (128u << 10)

static int line_error(struct command_line *line, const char *text)
{
    snprintf(line->error, sizeof(line->error), "%s", text);
    return -1;
}

static int payload_check(struct command_line *line, struct belt_bytes payload)
{
    if (payload.len > 0 && memchr(payload.data, '\0', payload.len))
        return line_error(line, "the input holds a NUL byte and cannot be an argument: give it on standard input");
    return 0;
}

/** Adds the payload as one word of sh. */
static int add_quoted(struct slot_queue *out, struct belt_bytes payload)
{
    int rc = slot_queue_add(out, "'", 1);

    for (size_t i = 0; i < payload.len; i++)
        rc |= payload.data[i] == '\'' ? slot_queue_add(out, "'\\''", 4) : slot_queue_add(out, payload.data + i, 1);
    return rc | slot_queue_add(out, "'", 1);
}

/** Adds `word` with each {} replaced. */
static int add_replaced(struct slot_queue *out, const char *word, struct belt_bytes payload, bool quoted)
{
    const char *brace;
    int rc = 0;

    for (; (brace = strstr(word, "{}")); word = brace + 2) {
        rc |= slot_queue_add(out, word, (size_t)(brace - word));
        rc |= quoted ? add_quoted(out, payload) : slot_queue_add(out, payload.data, payload.len);
    }
    return rc | slot_queue_add(out, word, strlen(word) + 1);
}

/** `words`: `count` words, each with its NUL; taken. */
static int line_set(struct command_line *line, struct slot_queue *words, size_t count)
{
    size_t table = (count + 1) * sizeof(char *);
    char **argv = malloc(table + words->len);
    char *at = (char *)argv + table;

    if (argv && words->len > 0)
        memcpy(at, words->data, words->len);
    slot_queue_free(words);
    if (!argv)
        return line_error(line, "out of memory");
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1) {
        argv[i] = at;
        if (strlen(at) >= MAX_WORD) {
            free(argv);
            return line_error(line, "the input is too long for an argument: give it on standard input");
        }
    }
    argv[count] = NULL;
    line->argv = argv;
    return 0;
}

int command_line_shell(struct command_line *line, const char *command, struct belt_bytes payload)
{
    struct slot_queue words = {0};

    *line = (struct command_line){.input = strstr(command, "{}") == NULL};
    if (!line->input && payload_check(line, payload) != 0)
        return -1;
    if (slot_queue_add(&words, "/bin/sh\0-c", 11) | add_replaced(&words, command, payload, true)) {
        slot_queue_free(&words);
        return line_error(line, "out of memory");
    }
    return line_set(line, &words, 3);
}

static int exec_words(struct command_line *line, struct belt_bytes argument, struct belt_bytes payload)
{
    const char *word = (const char *)argument.data + 1, *end = (const char *)argument.data + argument.len;
    struct slot_queue words = {0};
    bool replaced = line->input;
    size_t count = 0;
    int rc = 0;

    for (; word < end; word += strlen(word) + 1, count++) {
        replaced = replaced || strstr(word, "{}");
        rc |= line->input ? slot_queue_add(&words, word, strlen(word) + 1) : add_replaced(&words, word, payload, false);
    }
    if (!replaced) {
        rc |= slot_queue_add(&words, payload.data, payload.len) | slot_queue_add(&words, "", 1);
        count++;
    }
    if (rc != 0) {
        slot_queue_free(&words);
        return line_error(line, "out of memory");
    }
    return line_set(line, &words, count);
}

/** A command line for sh: its {} are replaced unless the payload goes to standard input. */
static int exec_shell(struct command_line *line, const char *command, struct belt_bytes payload)
{
    struct slot_queue words = {0};
    int rc = slot_queue_add(&words, "/bin/sh\0-c", 11);

    rc |= line->input ? slot_queue_add(&words, command, strlen(command) + 1)
                      : add_replaced(&words, command, payload, true);
    if (rc != 0) {
        slot_queue_free(&words);
        return line_error(line, "out of memory");
    }
    return line_set(line, &words, 3);
}

int command_line_exec(struct command_line *line, struct belt_bytes argument, struct belt_bytes payload)
{
    *line = (struct command_line){0};
    if (argument.len < 3 || argument.data[argument.len - 1] != '\0' || argument.data[1] == '\0' ||
        (argument.data[0] & ~(BELT_EXEC_STDIN | BELT_EXEC_SHELL)) != 0)
        return line_error(line, "the job's argument is not a command: flags, then words that end with NUL");
    line->input = (argument.data[0] & BELT_EXEC_STDIN) != 0;
    if (!line->input && payload_check(line, payload) != 0)
        return -1;
    if (argument.data[0] & BELT_EXEC_SHELL)
        return exec_shell(line, (const char *)argument.data + 1, payload);
    return exec_words(line, argument, payload);
}

void command_line_free(struct command_line *line)
{
    free(line->argv);
    line->argv = NULL;
}
