/* SPDX-License-Identifier: Apache-2.0
 *
 * What a message that cannot be decoded names all the same (PROTOCOL.md §6.5):
 * its first fields are read for themselves, whatever is wrong behind them.
 */
#include "proto/codec_read.h"

#include <string.h>

/* The first two fields of a message; PUSH and RESULTS also have a number to count on. */
struct leading {
    uint64_t type;
    uint64_t field[2];
    uint32_t count; /* of the fields that could be read */
};

static bool read_leading(const struct belt_frames *frames, struct leading *lead)
{
    struct scanner s = {.message = "message"};
    uint32_t count = 0;
    uint64_t seq = 0;
    memset(lead, 0, sizeof(*lead));
    if (frames->count == 0)
        return false;
    s.at = frames->frame[0]->data;
    s.end = s.at + frames->frame[0]->len;
    if (!scan_array(&s, NULL, UINT32_MAX, &count) || !scan_u64(&s, NULL, &lead->type) || !scan_u64(&s, NULL, &seq))
        return false;
    while (lead->count < 2 && lead->count + 2 < count && scan_u64(&s, NULL, &lead->field[lead->count]))
        lead->count++;
    return true;
}

void belt_decoder_named(const struct belt_decoder *decoder, const struct belt_frames *frames, struct belt_named *named)
{
    struct leading lead;
    memset(named, 0, sizeof(*named));
    if (!read_leading(frames, &lead))
        return;
    switch (lead.type) {
    case BELT_MSG_HELLO:
        named->version = lead.field[0];
        break;
    case BELT_MSG_SUBSCRIBE:
    case BELT_MSG_CANCEL:
        named->ref = lead.field[0];
        named->job = lead.field[1];
        break;
    case BELT_MSG_PUSH:
        named->job = lead.field[0];
        named->task = decoder->s.code == BELT_TOO_LARGE && decoder->s.list;
        named->index = lead.field[1] + decoder->s.item;
        break;
    case BELT_MSG_END:
        named->job = lead.field[0];
        break;
    case BELT_MSG_RESULTS:
        named->job = lead.field[1];
        break;
    case BELT_MSG_OPEN:
    case BELT_MSG_STATUS:
    case BELT_MSG_FAILED:
        named->ref = lead.field[0];
        break;
    default: /* of a newer peer: whoever asks something new puts its ref first (§10) */
        named->ref = belt_msg_name(lead.type < 256 ? (unsigned)lead.type : 255) ? 0 : lead.field[0];
    }
}
