/* SPDX-License-Identifier: Apache-2.0
 *
 * What the verbs of `belt keys` share: the directory of a broker's keys, and changes of its allow-list.
 */
#ifndef BELT_CLI_KEYS_H
#define BELT_CLI_KEYS_H

#include "cli/commands.h"

#include "broker/keys.h"

#include <limits.h>

/** The allow-list, locked: nobody else changes it until keys_list_close(). */
struct keys_list {
    char directory[PATH_MAX];
    int lock;
    char *text;
    size_t len;
    struct keyring *keyring;
};

/** Opens the list of the broker whose keys these are. 0, or an exit code with a message said. */
int keys_list_open(const struct keys_values *values, struct keys_list *list);
/** Writes the list with `line` in place of line `number`, as keyring_edit(). 0, or an exit code with a message said. */
int keys_list_edit(struct keys_list *list, uint32_t number, const char *line);
void keys_list_close(struct keys_list *list);

int keys_init(const struct options *options);
int keys_new(const struct options *options);
int keys_token(const struct options *options);

#endif
