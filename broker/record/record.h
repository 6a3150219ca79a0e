/* SPDX-License-Identifier: Apache-2.0
 *
 * The core's records as rows of the store, and back (proto/STORE.md). Pure.
 *
 * A store is not to be trusted: the decoder reads only the bytes that are there, allocates no more than they ask for,
 * and refuses whatever is not in the format.
 */
#ifndef BELT_RECORD_H
#define BELT_RECORD_H

#include "broker/core/record.h"
#include "broker/store/store.h"

/**
 * Packs a record that is to be PUT: fills `row`, whose body lies in the buffer that is returned, and given to the
 * caller. NULL when out of memory, or when the record is over a limit of the format.
 */
struct belt_buf *record_pack(const struct core_record *record, struct store_record *row);

/** Reads rows; owns what the record of the last one borrows from. */
struct record_decoder;

/** `max_payload` in bytes: longer payloads are refused. NULL when out of memory. */
struct record_decoder *record_decoder_new(uint32_t max_payload);
/** Accepts NULL. */
void record_decoder_free(struct record_decoder *decoder);

/**
 * Reads a row into `*record` (op: PUT), which borrows from the row and from the decoder until the next call. Payloads
 * have buffers of which references may be taken: large ones one each, the small ones of a record one together. BELT_OK,
 * BELT_TOO_LARGE (a payload is over the limit), BELT_BAD_MESSAGE (it is damaged) or BELT_NO_MEMORY; on an error
 * record_decoder_error() says in one line what is wrong and where.
 */
int record_unpack(struct record_decoder *decoder, const struct store_record *row, struct core_record *record);
const char *record_decoder_error(const struct record_decoder *decoder);

#endif
