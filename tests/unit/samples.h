/* SPDX-License-Identifier: Apache-2.0
 *
 * One or more valid messages of every type, with edge values, and a deep
 * comparison: for the tests of the codec and as seeds of the fuzzer.
 */
#ifndef BELT_TEST_SAMPLES_H
#define BELT_TEST_SAMPLES_H

#include "proto/codec.h"

/** All samples; the same static array at each call. */
const struct belt_msg *samples_get(size_t *count);

/** NULL when both say the same, else the name of what differs. */
const char *samples_differ(const struct belt_msg *a, const struct belt_msg *b);

#endif
