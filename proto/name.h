/* SPDX-License-Identifier: Apache-2.0
 *
 * Which names functions, readers and jobs may have: the same for those who give them and those who ask for them.
 */
#ifndef BELT_PROTO_NAME_H
#define BELT_PROTO_NAME_H

#include <stdbool.h>

/** A function's name: 1 to BELT_MAX_NAME letters, digits, '.', '_' and '-', the first of them no '-' and no '.'.
 * Accepts NULL, which is none. */
bool belt_name_valid(const char *name);
/** The key of a job, or the name of a reader: 1 to BELT_MAX_KEY printable ASCII characters. */
bool belt_key_valid(const char *key);

#endif
