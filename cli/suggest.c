/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest known word by edit distance, adjacent swaps counting as one edit. Pure.
 */
#include "cli/suggest.h"

#include <string.h>

/* Longer words are never close to one of ours. */
#define WORD_MAX 40

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][WORD_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *second = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

void suggest_init(struct suggest *suggest, const char *word)
{
    size_t len = strlen(word);

    *suggest = (struct suggest){.word = word, .distance = len < 4 ? 2 : 3 + (len > 12)};
}

void suggest_offer(struct suggest *suggest, const char *known)
{
    size_t len = strlen(suggest->word), known_len = known ? strlen(known) : WORD_MAX + 1;
    unsigned distance;

    if (len > WORD_MAX || known_len > WORD_MAX)
        return;
    distance = edit_distance(suggest->word, len, known, known_len);
    if (distance < suggest->distance && distance < known_len) {
        suggest->best = known;
        suggest->distance = distance;
    }
}
