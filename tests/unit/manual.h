/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads what the manual pages (mdoc) promise of options, so that it can be compared with the program's tables.
 */
#ifndef BELT_TEST_MANUAL_H
#define BELT_TEST_MANUAL_H

#include <stdbool.h>
#include <stdint.h>

enum { MANUAL_ITEMS = 128, MANUAL_NAMES = 16, MANUAL_TEXT = 4096 };

/** One option within an `.It Fl` line; several may share the line and its text. */
struct manual_option {
    char letter, name[48];
    bool argument;
};

/** One entry `.It Fl …` of a list. */
struct manual_item {
    struct manual_option options[MANUAL_NAMES];
    uint32_t count, line;
    char scope[128];        /* "jobs, cancel": the commands of the page that have it; empty: all of them */
    char text[MANUAL_TEXT]; /* its lines, joined by blanks */
};

struct manual {
    char file[512], *source;
    struct manual_item items[MANUAL_ITEMS];
    uint32_t count;
};

/** The page of this name ("belt-jobs.1"), following `.so`. Fails the test when there is none. */
void manual_read(struct manual *page, const char *name);
void manual_free(struct manual *page);
/** "jobs, cancel" holds the word "cancel". */
bool manual_in_list(const char *list, const char *word);
/** `text` holds `word`, and no letter or digit touches it. */
bool manual_has_word(const char *text, const char *word);

#endif
