/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory for one test, gone with it, and the files in it.
 */
#ifndef BELT_TEST_PLACE_H
#define BELT_TEST_PLACE_H

#include "broker/store/store.h"

/** A new empty directory; remove it with place_remove(). Fails the test when it cannot be made. */
void place_make(char *path, size_t size);
void place_remove(const char *path);

/** An SQLite store in `directory`, or the test fails with the store's own words. */
struct store *place_open(const char *directory);
/** The sentence with which opening is refused; the test fails when it is not. */
const char *place_refusal(const char *directory);

/** All bytes of directory/name; NULL when there is no such file. The caller frees. */
uint8_t *place_read(const char *directory, const char *name, size_t *len);
void place_write(const char *directory, const char *name, const uint8_t *bytes, size_t len);

#endif
