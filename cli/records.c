/* SPDX-License-Identifier: Apache-2.0
 *
 * Cuts a stream of bytes into inputs. Pure. Keeps at most one input and one
 * read in memory, whatever the stream says of its lengths.
 */
#include "cli/records.h"

#include <stdlib.h>
#include <string.h>

#define READ_BYTES (64u << 10)
#define FRAME_HEAD 4u

void records_init(struct records *records, enum records_mode mode, size_t limit)
{
    *records = (struct records){.mode = mode, .limit = limit};
}

void records_free(struct records *records)
{
    free(records->data);
    records->data = NULL;
}

char *records_room(struct records *records, size_t *len)
{
    if (records->start == records->end)
        records->start = records->end = 0;
    if (records->room - records->end < READ_BYTES && records->start) {
        memmove(records->data, records->data + records->start, records->end - records->start);
        records->end -= records->start;
        records->start = 0;
    }
    if (records->room - records->end < READ_BYTES) {
        size_t room = records->room + records->room / 2 + READ_BYTES;
        char *grown = realloc(records->data, room);
        if (!grown)
            return NULL;
        records->data = grown;
        records->room = room;
    }
    *len = records->room - records->end < READ_BYTES ? records->room - records->end : READ_BYTES;
    return records->data + records->end;
}

void records_fed(struct records *records, size_t len)
{
    records->end += len;
    if (!len)
        records->ended = true;
}

static void consume(struct records *records, size_t len)
{
    records->start += len;
    records->scanned = 0;
}

/* The rest of an oversized text. True when its separator was found. */
static bool skip_text(struct records *records, int separator)
{
    size_t have = records->end - records->start;
    char *stop = have ? memchr(records->data + records->start, separator, have) : NULL;

    consume(records, stop ? (size_t)(stop - records->data) - records->start + 1 : have);
    records->skipping = !stop && !records->ended;
    return !records->skipping;
}

static enum records_found next_text(struct records *records, const char **data, size_t *len)
{
    int separator = records->mode == RECORDS_NUL ? '\0' : '\n';
    size_t have;
    char *stop = NULL;

    if (records->skipping && !skip_text(records, separator))
        return RECORDS_MORE;
    have = records->end - records->start;
    if (have > records->scanned)
        stop = memchr(records->data + records->start + records->scanned, separator, have - records->scanned);
    records->scanned = have;
    *len = stop ? (size_t)(stop - records->data) - records->start : have;
    if (*len > records->limit) {
        records->skipping = true;
        skip_text(records, separator);
        return RECORDS_TOO_LONG;
    }
    if (!stop && !records->ended)
        return RECORDS_MORE;
    if (!stop && !have)
        return RECORDS_END;
    *data = records->data + records->start;
    consume(records, *len + (stop != NULL));
    return RECORDS_ONE;
}

static void skip_frame(struct records *records)
{
    uint64_t have = records->end - records->start;
    uint64_t part = records->skip < have ? records->skip : have;

    consume(records, (size_t)part);
    records->skip -= part;
}

static uint32_t frame_length(const char *at)
{
    const unsigned char *head = (const unsigned char *)at;
    return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

static enum records_found next_frame(struct records *records, const char **data, size_t *len)
{
    size_t have;

    skip_frame(records);
    have = records->end - records->start;
    if (records->ended && (records->skip || have)) {
        if (records->skip || have < FRAME_HEAD || have - FRAME_HEAD < frame_length(records->data + records->start)) {
            records->skip = 0;
            consume(records, have);
            return RECORDS_CUT;
        }
    } else if (records->ended)
        return RECORDS_END;
    if (records->skip || have < FRAME_HEAD)
        return RECORDS_MORE;
    *len = frame_length(records->data + records->start);
    if (*len > records->limit) {
        consume(records, FRAME_HEAD);
        records->skip = *len;
        skip_frame(records);
        return RECORDS_TOO_LONG;
    }
    if (have - FRAME_HEAD < *len)
        return RECORDS_MORE;
    *data = records->data + records->start + FRAME_HEAD;
    consume(records, FRAME_HEAD + *len);
    return RECORDS_ONE;
}

enum records_found records_next(struct records *records, const char **data, size_t *len)
{
    *data = NULL;
    *len = 0;
    return records->mode == RECORDS_FRAMED ? next_frame(records, data, len) : next_text(records, data, len);
}
