/* SPDX-License-Identifier: Apache-2.0
 *
 * The option structs of <belt/belt.h>, as a program that was built with another version of the header hands them in:
 * shorter (older) ones keep the defaults of what they lack; of longer (newer) ones, what this library does not know
 * must be zero.
 */
#ifndef BELT_CLIENT_OPTIONS_H
#define BELT_CLIENT_OPTIONS_H

#include <stddef.h>

/* A struct that claims to be longer than what is known by more than this was not filled by its init function. */
#define CLIENT_OPTIONS_NEWER_MAX 4096u

/**
 * Copies `given` (its first member is its size; NULL: nothing) over `known`, which holds the defaults and begins with
 * its own size. `init`: the function that fills the struct, for the text. BELT_OK; BELT_INVALID when it was not filled;
 * BELT_BAD_OPTION when a field is set that this library does not know.
 */
int client_options_read(void *known, size_t known_size, const void *given, const char *init);

#endif
