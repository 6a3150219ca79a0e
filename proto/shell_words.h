/* SPDX-License-Identifier: Apache-2.0
 *
 * What the words of a command say of the words behind them: which of those are read as code, by a shell or by something
 * else. And what in a word looks like a placeholder of another program. Pure.
 */
#ifndef BELT_SHELL_WORDS_H
#define BELT_SHELL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/** What the words of a simple command have shown so far. Zeroed at its beginning. */
struct seen {
    const char *evaluates; /* a command that reads its words as code; NULL: none */
    bool shell, language;  /* sh and its like; python and its like */
    bool any;              /* a user's program: its own words name a script anywhere (su) */
    bool value;            /* the next word belongs to the option before it */
    bool script;           /* the next word is a script of theirs */
    bool named;            /* the command's name was seen */
};

/** The next word, of plain letters; "" for one that is quoted, computed or holds {}. */
void seen_word(struct seen *seen, const char *word);

/** What of `text` looks like a placeholder that Belt does not have, such as {.} or {#}; its length in `*len`. NULL:
 * nothing.
 */
const char *shell_foreign_place(const char *text, size_t *len);

#endif
