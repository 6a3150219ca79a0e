/* SPDX-License-Identifier: Apache-2.0
 *
 * What the implementations of the store share. Nobody else includes this.
 */
#ifndef BELT_STORE_PRIVATE_H
#define BELT_STORE_PRIVATE_H

#include "broker/store/store.h"

/** CRC-32 over number, job, first, count, kind and body. */
uint32_t store_record_sum(const struct store_record *record);

/** What a record adds (mod 2^64) to the digest of all records: put adds it, delete takes it away, so that a store can
 *  tell that a record has gone or come back without having been asked to. */
uint64_t store_digest(uint64_t number, uint32_t sum);

/** Writes the sentence of a failure; what does not fit (a very long path) is cut. */
void store_say(char *error, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
