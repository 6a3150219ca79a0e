/* SPDX-License-Identifier: Apache-2.0
 *
 * The {} in a line for the shell. The input of a task never becomes a part of the line: it is in the variable
 * BELT_INPUT of the environment, and each {} becomes a reference to it, quoted as its surroundings in the line need. A
 * shell does not read what such a reference gives as code, so an input is data wherever {} stands. Pure.
 */
#ifndef BELT_SHELL_LINE_H
#define BELT_SHELL_LINE_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHELL_INPUT_NAME "BELT_INPUT"

struct shell_line {
    char *text; /* for sh -c, or word after word; each with its NUL */
    size_t len, room;
    uint32_t references; /* to the variable, in it */
    char error[256];     /* why it is refused: what stands where, and what to write instead */
};

/**
 * Reads `line`, and fills `text`. -1: refused, with `error`: a {} stands where its value would be code all the same (in
 * arithmetic, for eval, in the program of another interpreter), where the shell makes no use of it (a comment, a
 * here-document), or it looks like a placeholder of another program. Free it with shell_line_free() in either case.
 */
int shell_line_read(struct shell_line *out, const char *line);
void shell_line_free(struct shell_line *line);

/** The same for a command that is given in words: each word as it is to be passed, with its NUL, one behind the other.
 *  Only the script of a `sh -c` among them is a line for the shell; in other words {} is replaced by `input` itself. */
int shell_words_read(struct shell_line *out, const char *const *words, uint32_t count, struct belt_bytes input);

/** Words in which no {} stands, as they are; `line`: they are a line for the shell. */
int shell_words_copy(struct shell_line *out, const char *const *words, uint32_t count, bool line);

#endif
