/* SPDX-License-Identifier: Apache-2.0
 *
 * When a map stops early (--halt). Pure.
 */
#ifndef BELT_CLI_HALT_H
#define BELT_CLI_HALT_H

#include <stdbool.h>
#include <stdint.h>

enum halt_when { HALT_NEVER, HALT_SOON, HALT_NOW };
enum halt_what { HALT_FAIL, HALT_SUCCESS, HALT_DONE };

struct halt {
    enum halt_when when;
    enum halt_what what;
    uint64_t count;  /* this many; 0: see percent */
    unsigned percent; /* this share of the results (of all inputs once their number is known), and three at the least */
};

/** "never", "now,fail=1", "soon,fail=10%", "now,success=1", "soon,done=100". False when it is none of these. */
bool halt_parse(const char *text, struct halt *halt);

/** What the counts of results ask for. `total` is the number of inputs, 0 while unknown. */
enum halt_when halt_check(const struct halt *halt, uint64_t succeeded, uint64_t failed, uint64_t total);

/** "3 failures", "10% failures", "1 success": for messages. Writes into `out` (48 bytes) and returns it. */
const char *halt_show(const struct halt *halt, char *out);

#endif
