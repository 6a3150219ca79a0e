/* SPDX-License-Identifier: Apache-2.0
 *
 * The option structs of <belt/belt.h>, as a program that was built with another version of the header hands them in:
 * shorter (older) ones keep the defaults of what they lack; of longer (newer) ones, what this library does not know
 * must be zero.
 */
#ifndef BELT_PROTO_OPTIONS_H
#define BELT_PROTO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* A struct that claims to be longer than what is known by more than this was not begun with its macro. */
#define CLIENT_OPTIONS_NEWER_MAX 4096u
/* What the library sets to zero before each call of a source, and looks at afterwards: a few fields more than there
 * are. */
#define CLIENT_INPUT_ROOM 128u

/**
 * Copies `given` (its first member is its size; NULL: nothing) over `known`, which holds the defaults and begins with
 * its own size. `init`: the macro that begins the struct, for the text. BELT_OK; BELT_INVALID when it did not;
 * BELT_BAD_OPTION when a field is set that this library does not know.
 */
int belt_options_read(void *known, size_t known_size, const void *given, const char *init);

/** Whether the bytes from `known` up to `size` are zero. */
bool belt_options_unset(const void *bytes, size_t known, size_t size);

/** Copies `known` over `given` as far as it is told to be long by its first member; what this library does not know is
 * zero. False: it was not begun with its macro. */
bool belt_options_write(void *given, const void *known, size_t known_size);

#endif
