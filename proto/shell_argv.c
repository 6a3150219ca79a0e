/* SPDX-License-Identifier: Apache-2.0
 *
 * The {} in a command that is given in words, and how the texts of commands are put together. Pure. See shell_line.h.
 */
#include "proto/shell_private.h"
#include "proto/shell_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int shell_refuse(struct shell_line *out, const char *where, const char *instead)
{
    if (out->error[0] == '\0')
        snprintf(out->error, sizeof(out->error), "{} stands %s; %s", where, instead);
    return -1;
}

int shell_add(struct shell_line *out, const void *bytes, size_t len)
{
    if (out->room - out->len < len) {
        size_t room = 2 * out->room + len + 256;
        char *text = realloc(out->text, room);
        if (!text)
            return -1;
        out->text = text;
        out->room = room;
    }
    if (len > 0)
        memcpy(out->text + out->len, bytes, len);
    out->len += len;
    return 0;
}

int shell_check_foreign(struct shell_line *out, const char *text, bool line)
{
    size_t len;
    const char *found = shell_foreign_place(text, &len);

    if (found) {
        snprintf(out->error, sizeof(out->error),
                 "%.*s is not a placeholder: {}, the whole input, is the only one; cut it in the shell (${x%%.*}, "
                 "basename), or write \"{\"\"%.*s in a line for the shell to mean the characters themselves",
                 (int)len, found, (int)len - 1, found + 1);
        return -1;
    }
    found = line ? shell_foreign_source(text, &len) : NULL;
    if (!found)
        return 0;
    snprintf(out->error, sizeof(out->error),
             "%.*s in a line for the shell is no source of inputs: end the line's quotes before ':::', or write "
             "'%.*s' in it to mean the characters themselves",
             (int)len, found, (int)len, found);
    return -1;
}

/* Adds `word` with each {} replaced. */
static int add_replaced(struct shell_line *out, const char *word, struct belt_bytes input)
{
    const char *found;
    int rc = 0;

    for (; (found = strstr(word, PLACE)); word = found + 2) {
        rc |= shell_add(out, word, (size_t)(found - word)) | shell_add(out, input.data, input.len);
    }
    return rc | shell_add(out, word, strlen(word) + 1);
}

static int add_word(struct shell_line *out, const struct seen *seen, const char *word, struct belt_bytes input)
{
    const char *found = strstr(word, PLACE), *where, *instead;
    char before[256];
    enum why why;

    if (!found)
        return shell_add(out, word, strlen(word) + 1);
    snprintf(before, sizeof(before), "%.*s", (int)(found - word), word);
    if (seen->script && seen->reads == READS_SHELL && strcmp(word, PLACE) == 0)
        return shell_refuse(out, RUNS_INPUT);
    if (seen->script && seen->reads == READS_SHELL && word[0] != '-' && word[0] != '+')
        return shell_read_line(out, word, strlen(word));
    why = seen_check(seen, before);
    if (why == WHY_NOT)
        return add_replaced(out, word, input);
    where = why_text(why, &instead);
    return shell_refuse(out, where, instead);
}

int shell_words_copy(struct shell_line *out, const char *const *words, uint32_t count, bool line)
{
    *out = (struct shell_line){0};
    for (uint32_t i = 0; i < count; i++) {
        if (shell_check_foreign(out, words[i], line) != 0)
            return -1;
        if (shell_add(out, words[i], strlen(words[i]) + 1) != 0) {
            snprintf(out->error, sizeof(out->error), "out of memory");
            return -1;
        }
    }
    return 0;
}

int shell_words_read(struct shell_line *out, const char *const *words, uint32_t count, struct belt_bytes input)
{
    struct seen seen = {0};
    char before[256];

    *out = (struct shell_line){0};
    for (uint32_t i = 0; i < count; i++) {
        const char *found = strstr(words[i], PLACE);
        if (shell_check_foreign(out, words[i], false) != 0)
            return -1;
        if (add_word(out, &seen, words[i], input) != 0) {
            if (out->error[0] == '\0')
                snprintf(out->error, sizeof(out->error), "out of memory");
            return -1;
        }
        snprintf(before, sizeof(before), "%.*s", (int)(found ? found - words[i] : (ptrdiff_t)sizeof(before)), words[i]);
        seen_word(&seen, before, !found);
    }
    return 0;
}
