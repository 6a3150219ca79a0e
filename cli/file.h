/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files in memory, with a bound.
 */
#ifndef BELT_CLI_FILE_H
#define BELT_CLI_FILE_H

#include <stddef.h>

/** Reads `fd` from where it stands to its end: *gives* `*data`. 0, or errno (EFBIG over `limit`). */
int file_read(int fd, size_t limit, char **data, size_t *len);

#endif
