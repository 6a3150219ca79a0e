/* SPDX-License-Identifier: Apache-2.0
 *
 * JOIN and JOINED, read and written (PROTOCOL.md §17.4), and the keys in other messages.
 */
#include "proto/codec_read.h"
#include "proto/codec_write.h"

#include <string.h>

bool reader_public_key(struct belt_decoder *d, const char *field, struct belt_bytes *key)
{
    if (!scan_bytes(&d->s, field, SCAN_BIN, BELT_KEY_BYTES, key))
        return false;
    return key->len == BELT_KEY_BYTES || reader_bad(d, field, "must have 32 bytes");
}

bool reader_join(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_join *m = &msg->u.join;
    if (!scan_u32(&d->s, "version", &m->version) || !scan_name(&d->s, "name", &m->name) ||
        !reader_public_key(d, "public", &m->public_key))
        return false;
    return msg->seq == 0 || reader_bad(d, "seq", "must be 0");
}

bool reader_joined(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_joined *m = &msg->u.joined;
    if (!scan_name(&d->s, "name", &m->name) || !scan_text(&d->s, "role", &m->role))
        return false;
    return msg->seq == 0 || reader_bad(d, "seq", "must be 0");
}

void writer_public_key(struct writer *w, struct belt_bytes key)
{
    if (key.len != BELT_KEY_BYTES)
        writer_refuse(w);
    else
        pack_bin(&w->p, key.data, BELT_KEY_BYTES);
}

void writer_join(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_join *m = &msg->u.join;
    writer_head(w, msg, 3);
    pack_uint(&w->p, m->version);
    writer_str(w, m->name, BELT_MAX_NAME);
    writer_public_key(w, m->public_key);
}

void writer_joined(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_joined *m = &msg->u.joined;
    writer_head(w, msg, 2);
    writer_str(w, m->name, BELT_MAX_NAME);
    writer_text(w, m->role);
}
