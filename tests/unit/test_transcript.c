/* SPDX-License-Identifier: Apache-2.0
 *
 * The transcript in PROTOCOL.md §16: the codec reads each message as what the text calls it, and writes the same bytes.
 */
#include "proto/codec.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 15

struct transcript {
    char name[32];
    uint8_t bytes[512];
    size_t len;
    unsigned messages;
    struct belt_decoder *decoder;
};

static void check(struct transcript *t)
{
    struct belt_frames frames = {.frame = {belt_buf_copy(t->bytes, t->len)}, .count = 1}, again;
    struct belt_msg msg;
    cr_assert_eq(belt_decode(t->decoder, &frames, &msg), BELT_OK, "%s: %s", t->name, belt_decoder_error(t->decoder));
    cr_assert_str_eq(belt_msg_name(msg.type), t->name);
    cr_assert_eq(belt_encode(&msg, &again), BELT_OK);
    cr_assert_eq(again.count, 1);
    for (size_t i = 0; i < again.frame[0]->len && i < t->len; i++)
        cr_assert_eq(again.frame[0]->data[i], t->bytes[i], "%s: byte %zu is %02x, the codec writes %02x", t->name, i,
                     t->bytes[i], again.frame[0]->data[i]);
    cr_assert_eq(again.frame[0]->len, t->len, "%s: %zu bytes, the codec writes %zu", t->name, t->len,
                 again.frame[0]->len);
    belt_frames_clear(&again);
    belt_frames_clear(&frames);
    t->messages++;
}

static void line(struct transcript *t, const char *text)
{
    if (strncmp(text, "    ", 4) == 0) {
        char *end = NULL;
        for (const char *at = text; strtoul(at, &end, 16), end != at; at = end) {
            cr_assert_lt(t->len, sizeof(t->bytes));
            t->bytes[t->len++] = (uint8_t)strtoul(at, NULL, 16);
        }
        return;
    }
    if (t->len > 0)
        check(t);
    t->len = 0;
    if (text[0] == 'C' || text[0] == 'B')
        cr_assert_eq(sscanf(text + 2, "%31s", t->name), 1);
}

Test(transcript, is_what_the_codec_reads_and_writes)
{
    struct transcript t = {.decoder = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT)};
    FILE *file = fopen(PROTOCOL_MD, "r");
    char text[8192];
    bool here = false;
    cr_assert_not_null(file, "%s", PROTOCOL_MD);
    while (fgets(text, sizeof(text), file)) {
        if (strncmp(text, "## ", 3) == 0)
            here = strstr(text, "A transcript") != NULL;
        else if (here)
            line(&t, text);
    }
    fclose(file);
    belt_decoder_free(t.decoder);
    cr_assert_eq(t.messages, MESSAGES);
}
