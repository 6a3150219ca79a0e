/* SPDX-License-Identifier: Apache-2.0
 *
 * The maps of the store's records as tables, which the writer and the reader share: a key, where its value stands in
 * the struct, and what it may be. A value that is neutral (0, false, empty) is not written. Private to broker/record.
 */
#ifndef BELT_RECORD_FIELDS_H
#define BELT_RECORD_FIELDS_H

#include "broker/core/record.h"

enum field_type {
    FIELD_UINT64,
    FIELD_UINT32,
    FIELD_UINT8,
    FIELD_INT32,
    FIELD_TRUE,    /* bool: true, or absent */
    FIELD_KEY,     /* str, printable ASCII */
    FIELD_NAME,    /* str, a name of a function */
    FIELD_TEXT,    /* bin, UTF-8 as a rule */
    FIELD_BYTES,   /* bin */
    FIELD_PAYLOAD, /* bin, bounded by the limit of payloads as well */
    FIELD_BITS,    /* bin of exactly BELT_STATUS_BYTES, which stand in the struct itself */
    FIELD_BACKOFF, /* uint64_t; 0 on disk is BELT_NO_BACKOFF */
    FIELD_STATUS   /* int32_t; absent on disk is -1 */
};

struct field {
    const char *key;
    enum field_type type;
    size_t at;
    uint64_t max; /* the highest value, or the longest of what has a length; the lowest is 0, of FIELD_INT32 -max */
};

struct field_map {
    const struct field *fields;
    uint32_t count; /* 32 at the most: a bit each in the reader's mask */
};

extern const struct field_map record_job_map, record_reader_map, record_failed_job_map, record_history_map,
    record_extras_map;

/** Items of one record at the most: what a message may carry, which is what the core writes as one. */
#define RECORD_ITEMS_MAX BELT_MAX_BATCH

/** The highest code of a result; those above are a broker's answers (belt/codes.h). */
#define RECORD_CODE_MAX 31u

/** "TASKS" for RECORD_TASKS, NULL for what is none. */
const char *record_kind_name(unsigned kind);

#endif
