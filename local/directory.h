/* SPDX-License-Identifier: Apache-2.0
 *
 * The directory in which a private broker listens: its sockets, and a file that is locked for as long as the directory
 * belongs to somebody.
 */
#ifndef BELT_LOCAL_DIRECTORY_H
#define BELT_LOCAL_DIRECTORY_H

#include <stddef.h>

/* sun_path holds 108 bytes with its end; "ipc://" is not part of it. */
#define LOCAL_DIRECTORY_MAX 107u

/**
 * Makes one, mode 0700, in XDG_RUNTIME_DIR, TMPDIR or /tmp, and clears there what belonged to pools whose processes
 * were all killed. `path` has LOCAL_DIRECTORY_MAX + 1 bytes. `*lock` is *given*: the directory is nobody's once every
 * copy of it is closed. BELT_OK or BELT_SYSTEM.
 */
int local_directory_make(char *path, int *lock);
/** Accepts "". */
void local_directory_remove(const char *path);

#endif
