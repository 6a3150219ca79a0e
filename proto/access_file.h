/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an access file is looked for, and who may read it. See access.h for what is in it.
 */
#ifndef BELT_ACCESS_FILE_H
#define BELT_ACCESS_FILE_H

#include "proto/access.h"

/* In place of a path: no access file is used. */
#define BELT_ACCESS_NONE   "none"
#define BELT_ACCESS_SYSTEM "/etc/belt/access"

enum belt_access_found { BELT_ACCESS_MISSING, BELT_ACCESS_FOUND, BELT_ACCESS_BAD };

/**
 * `path`, else BELT_ACCESS of the environment, else ~/.config/belt/access, else /etc/belt/access. The latter two may be
 * missing. `used` (`room` bytes, may be NULL) gets the path. A file that others than its owner can read or write is
 * bad, as is one that is not valid: `error` says what to do, and errno tells a shortage of the system.
 */
enum belt_access_found belt_access_load(const char *path, struct belt_access *access, char *used, size_t room,
                                        char *error, size_t size);
/** The user's own: $XDG_CONFIG_HOME/belt/NAME or ~/.config/belt/NAME. False: there is no such place. */
bool belt_access_home(const char *name, char *path, size_t room);
/**
 * Reads a secret file: a regular one that nobody else can read. `*data` (*gives*, with a NUL behind it) and `*len`;
 * 0, or an errno, with EPERM for one that others can read.
 */
int belt_secret_read(const char *path, size_t most, char **data, size_t *len);
/**
 * Writes `len` bytes to `path` (mode 0600): all of it or nothing, on disk before it returns. `replace` false: fails
 * with EEXIST when it is there. 0, or an errno.
 */
int belt_secret_write(const char *path, const char *data, size_t len, bool replace);
/** Frees memory that held a secret, wiped. NULL is allowed. */
void belt_secret_free(char *data, size_t len);

#endif
