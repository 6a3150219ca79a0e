/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts, and the failed tasks that show them (PROTOCOL.md §4, §9.3).
 */
#include "proto/codec_write.h"

/* Length of the UTF-8 sequence at `at`, 0 if there is none. Overlong forms and surrogates are no UTF-8. */
static size_t utf8_step(const uint8_t *at, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (at[0] < 0x80)
        return 1;
    size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < len)
        return 0;
    uint32_t point = at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3f);
    }
    return point < least[len] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? 0 : len;
}

static bool is_utf8(struct belt_bytes text)
{
    for (size_t i = 0; i < text.len;) {
        size_t step = utf8_step(text.data + i, text.len - i);
        if (!step)
            return false;
        i += step;
    }
    return true;
}

/* §4 text: str when it is UTF-8; other bytes (a task's own words) go as bin. */
void writer_text(struct writer *w, struct belt_bytes bytes)
{
    if (bytes.len > BELT_MAX_TEXT)
        writer_refuse(w);
    else if (is_utf8(bytes))
        pack_str(&w->p, bytes.data, (uint32_t)bytes.len);
    else
        pack_bin(&w->p, bytes.data, (uint32_t)bytes.len);
}

void writer_failed(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_failed *m = &msg->u.failed;
    writer_head(w, msg, 6u + m->extended);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->action);
    writer_text(w, m->function);
    pack_uint(&w->p, m->job);
    pack_uint(&w->p, m->from);
    if (m->count > BELT_MAX_BATCH)
        writer_refuse(w);
    pack_array(&w->p, m->count);
    for (uint32_t i = 0; i < m->count && w->p.code == BELT_OK; i++)
        pack_uint(&w->p, m->indexes[i]);
    if (m->extended)
        pack_map(&w->p, 0);
}

static void letter(struct writer *w, const struct belt_letter *l)
{
    pack_array(&w->p, 10);
    const uint64_t numbers[] = {l->serial, l->job, l->index, l->attempt, l->code, l->failed_at, l->size};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        pack_uint(&w->p, numbers[i]);
    writer_str(w, l->function, BELT_MAX_NAME);
    writer_payload(w, &l->payload);
    if (l->extras)
        writer_extras(w, l->extras);
    else
        pack_nil(&w->p);
}

void writer_failures(struct writer *w, const struct belt_msg *msg)
{
    const struct belt_msg_failures *m = &msg->u.failures;
    writer_head(w, msg, 5u + m->extended);
    pack_uint(&w->p, m->ref);
    pack_uint(&w->p, m->count);
    pack_uint(&w->p, m->dropped);
    pack_uint(&w->p, m->job);
    if (m->letter_count > BELT_MAX_BATCH)
        writer_refuse(w);
    pack_array(&w->p, m->letter_count);
    for (uint32_t i = 0; i < m->letter_count && w->p.code == BELT_OK; i++)
        letter(w, &m->letters[i]);
    if (!m->extended)
        return;
    pack_map(&w->p, m->let_go > 0);
    writer_map_uint(w, "let_go", m->let_go);
}
