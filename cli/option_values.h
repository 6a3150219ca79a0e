/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets the values of options from texts, whatever the texts come from. Pure.
 */
#ifndef BELT_CLI_OPTION_VALUES_H
#define BELT_CLI_OPTION_VALUES_H

#include "cli/options.h"

/** One flag of a command line. */
struct option_setting {
    const struct option_def *def;
    const char *value;
};

/** A string that lives as long as the options. */
struct option_text {
    struct option_text *next;
    char data[];
};

/** Sets one value; `where` names its source in the error ("option '--retries'"). 0, or -1 with options->error. */
int option_set(struct options *options, const struct option_def *def, const char *value, enum option_origin origin,
               const char *where);

#endif
