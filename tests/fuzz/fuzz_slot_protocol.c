/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzzes the reader of the slot protocol, in all its modes: no bytes may crash it, make it read
 * outside its buffer, or keep more than arrived. The first byte picks the mode and how the rest is cut.
 */
#include "worker/slot/protocol.h"

#include "tests/fuzz/rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT  (SLOT_LARGE_BYTES + 8192u)
#define SHARED 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static unsigned touch(struct belt_bytes bytes)
{
    unsigned sum = 0;

    for (size_t i = 0; i < bytes.len; i++)
        sum += bytes.data[i];
    return sum;
}

static volatile unsigned sum; /* so that every byte is really read */

static void drain(struct slot_reader *reader)
{
    struct slot_got_message m;
    enum slot_got got;

    while ((got = slot_reader_next(reader, &m)) != SLOT_GOT_NOTHING) {
        check(m.payload.len <= LIMIT && m.text.len <= BELT_MAX_TEXT && m.task.payload.len <= LIMIT);
        sum =
            touch(m.payload) + touch(m.text) + touch(m.task.payload) + touch(m.task.argument) + touch(m.task.function);
        if (got == SLOT_GOT_BAD || got == SLOT_GOT_LARGE) {
            check(reader->error[0] != '\0' && strlen(reader->error) < sizeof(reader->error));
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slot_reader reader;

    if (size < 1)
        return 0;
    slot_reader_init(&reader, (enum slot_side)(data[0] % 3), LIMIT);
    uint8_t *shared = data[0] / 3 % 2 ? malloc(SHARED) : NULL; /* its end is watched */
    if (shared)
        reader.shared = (struct belt_bytes){memset(shared, 1, SHARED), SHARED};
    size_t step = (size_t)(data[0] / 3) + 1;
    for (size_t at = 1, n; at < size && !reader.broken; at += n) {
        size_t room;
        uint8_t *to = slot_reader_room(&reader, &room);
        check(to && room > 0);
        n = size - at < step ? size - at : step;
        n = n < room ? n : room;
        memcpy(to, data + at, n);
        slot_reader_filled(&reader, n);
        drain(&reader);
        check(reader.cap <= 4 * size + (256u << 10));
    }
    slot_reader_free(&reader);
    free(shared);
    return 0;
}

#ifndef BELT_FUZZ
static uint64_t seed = 20261123;

static uint32_t dice(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

int main(int argc, char **argv)
{
    static const char *const samples[] = {"belt-slot 1\nok 3\nabcok 0 12\n",
                                          "fail 3 2 7 1\nwhyab",
                                          "progress 1 20\nok 1\nx",
                                          "task 7.3 name 1 2 3\nabxyztask 8.1 f 2 0 0\n",
                                          "a line\nanother\n\n",
                                          "ok 33000 9\nthe rest never comes",
                                          "ok 16 9 48\nok 64 9 0\nok 65 9 0\n",
                                          "task 7.3 name 1 2 3 61\nabtask 7.4 name 1 0 64 0\n"};
    uint8_t bytes[400];
    struct rounds rounds = rounds_begin(argc, argv);

    while (rounds_next(&rounds)) {
        size_t len = 1;
        for (uint32_t i = dice(4) + 1; i > 0; i--) {
            const char *sample = samples[dice(8)];
            size_t n = strlen(sample);
            if (len + n <= sizeof(bytes))
                memcpy(bytes + len, sample, n), len += n;
        }
        bytes[0] = (uint8_t)dice(256);
        for (uint32_t i = dice(6); i > 0; i--)
            bytes[dice((uint32_t)len)] = (uint8_t)(dice(2) ? dice(256) : (uint32_t)"0123456789 .\n"[dice(13)]);
        LLVMFuzzerTestOneInput(bytes, dice(8) ? len : dice((uint32_t)len) + 1);
    }
    return rounds_end(&rounds);
}
#endif
