/* SPDX-License-Identifier: Apache-2.0
 *
 * What all stores share: the checksum of a record, and close (store.h).
 */
#include "broker/store/store_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <zlib.h>

static uint8_t *put_number(uint8_t *to, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *to++ = (uint8_t)(value >> shift);
    return to;
}

uint32_t store_record_sum(const struct store_record *record)
{
    uint8_t head[33];
    uint8_t *end = put_number(head, record->number);

    end = put_number(end, record->job);
    end = put_number(end, record->first);
    end = put_number(end, record->count);
    *end = record->kind;
    uLong sum = crc32_z(0, head, sizeof(head));
    if (record->body.len)
        sum = crc32_z(sum, record->body.data, record->body.len);
    return (uint32_t)sum;
}

uint64_t store_digest(uint64_t number, uint32_t sum)
{
    /* The finaliser of splitmix64: spreads each bit, so that sums of digests do not cancel out. */
    uint64_t x = number * UINT64_C(0x9e3779b97f4a7c15) + sum;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void store_say(char *error, size_t size, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vsnprintf(error, size, format, values);
    va_end(values);
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}
