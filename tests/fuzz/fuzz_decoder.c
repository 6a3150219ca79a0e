/* SPDX-License-Identifier: Apache-2.0
 *
 * The decoder against any bytes. With libFuzzer (BELT_FUZZ) it is a fuzz
 * target; else a program that mutates valid messages for a fixed number of
 * rounds from a seed, so that each run of the suite does the same.
 *
 *   fuzz_decoder [ROUNDS [SEED]]
 *
 * Input: one byte: number of attachments; per attachment one byte: its length;
 * the rest is the header.
 */
#include "tests/unit/samples.h"
#include "tests/fuzz/rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct belt_decoder *decoder;

/* What was accepted must be encodable, and come back the same. */
static void check_again(const struct belt_msg *msg)
{
    struct belt_frames frames;
    struct belt_msg again;
    static struct belt_decoder *second;
    if (!second)
        second = belt_decoder_new(BELT_MAX_PAYLOAD_DEFAULT);
    int rc = belt_encode(msg, &frames);
    if (rc == BELT_INVALID) /* written shorter than a header can hold, read from a longer one: small texts only grow */
        return;
    rc = belt_decode(second, &frames, &again);
    const char *what = rc == BELT_OK ? samples_differ(msg, &again) : belt_decoder_error(second);
    if (what) {
        fprintf(stderr, "%s does not come back: %s\n", belt_msg_name(msg->type), what);
        abort();
    }
    belt_frames_clear(&frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!decoder)
        decoder = belt_decoder_new(1u << 20);
    size_t attachments = size ? data[0] % 4u : 0;
    if (size < 1 + attachments)
        return 0;
    struct belt_frames frames = {.count = 1};
    struct belt_msg msg;
    frames.frame[0] = belt_buf_copy(data + 1 + attachments, size - 1 - attachments);
    for (size_t i = 0; i < attachments; i++) {
        struct belt_buf *buf = belt_buf_new(data[1 + i]);
        memset(buf->data, 0x5a, buf->len);
        frames.frame[frames.count++] = buf;
    }
    int rc = belt_decode(decoder, &frames, &msg);
    if (rc == BELT_OK)
        check_again(&msg);
    else if (!belt_decoder_error(decoder)[0])
        abort();
    belt_frames_clear(&frames);
    return 0;
}

#ifndef BELT_FUZZ
#define MAX_INPUT 4096u

static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

/* A byte that means something to a decoder of msgpack. */
static uint8_t telling_byte(void)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0x7f, 0x80, 0x90, 0x91, 0xa0, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xcc,
                                    0xcf, 0xd3, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, 0x9f, 0x8f, 0xc3};
    return draw(3) ? bytes[draw(sizeof(bytes))] : (uint8_t)draw(256);
}

static size_t mutate(uint8_t *data, size_t len)
{
    for (uint32_t i = 1 + draw(4); i > 0 && len > 2; i--) {
        size_t at = draw(4) ? draw(len < 40 ? (uint32_t)len : 40) : draw((uint32_t)len);
        switch (draw(5)) {
        case 0:
        case 1:
            data[at] = telling_byte();
            break;
        case 2:
            len = at + 1;
            break;
        case 3: /* a byte less */
            memmove(data + at, data + at + 1, len - at - 1);
            len--;
            break;
        default: /* a byte more */
            if (len == MAX_INPUT)
                break;
            memmove(data + at + 1, data + at, len - at);
            data[at] = telling_byte();
            len++;
        }
    }
    return len;
}

/* A sample with its header cut to what an input holds; inline payloads only. */
static size_t seed_input(const struct belt_msg *sample, uint8_t *data)
{
    struct belt_frames frames;
    if (belt_encode(sample, &frames) != BELT_OK)
        abort();
    size_t len = frames.frame[0]->len < MAX_INPUT - 1 ? frames.frame[0]->len : MAX_INPUT - 1;
    data[0] = 0;
    memcpy(data + 1, frames.frame[0]->data, len);
    belt_frames_clear(&frames);
    return len + 1;
}

int main(int argc, char **argv)
{
    static uint8_t seeds[128][MAX_INPUT], input[MAX_INPUT];
    static size_t lengths[128];
    size_t count = 0;
    struct rounds rounds = rounds_begin(argc, argv);
    state = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    const struct belt_msg *samples = samples_get(&count);
    for (size_t i = 0; i < count; i++)
        lengths[i] = seed_input(&samples[i], seeds[i]);
    while (rounds_next(&rounds)) {
        size_t which = draw((uint32_t)count);
        memcpy(input, seeds[which], lengths[which]);
        size_t len = mutate(input, lengths[which]);
        LLVMFuzzerTestOneInput(input, len);
    }
    belt_decoder_free(decoder);
    return rounds_end(&rounds);
}
#endif
