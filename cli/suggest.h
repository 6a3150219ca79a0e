/* SPDX-License-Identifier: Apache-2.0
 *
 * "did you mean …": the nearest of some known words. Pure.
 */
#ifndef BELT_CLI_SUGGEST_H
#define BELT_CLI_SUGGEST_H

#include <stdint.h>

struct suggest {
    const char *word;
    const char *best; /* NULL: nothing is near enough */
    unsigned distance;
};

void suggest_init(struct suggest *suggest, const char *word);
/** Looks at one known word, which is borrowed. Accepts NULL. */
void suggest_offer(struct suggest *suggest, const char *known);

#endif
