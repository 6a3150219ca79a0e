/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of how a batch fills, and that a full one can be encoded.
 */
#include "proto/codec.h"

#include <criterion/criterion.h>

Test(batch, closes_at_the_item_limit)
{
    struct belt_batch batch = {0};
    for (uint32_t i = 0; i < BELT_MAX_BATCH; i++)
        cr_assert(belt_batch_add(&batch, 1, 0));
    cr_assert_not(belt_batch_add(&batch, 0, 0));
    cr_assert_eq(batch.count, BELT_MAX_BATCH);
}

Test(batch, closes_at_the_inline_bytes)
{
    struct belt_batch batch = {0};
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(belt_batch_add(&batch, BELT_INLINE_PAYLOAD, 0));
    cr_assert_not(belt_batch_add(&batch, 1, 0));
    cr_assert_eq(batch.bytes, BELT_BATCH_BYTES);
    cr_assert(belt_batch_add(&batch, 0, 0), "an empty item still fits");
}

Test(batch, counts_what_items_take_beside_their_payload)
{
    struct belt_batch batch = {0};
    cr_assert(belt_batch_add(&batch, 10, BELT_BATCH_BYTES));
    cr_assert_not(belt_batch_add(&batch, 0, 1));
}

Test(batch, closes_at_the_attachments)
{
    struct belt_batch batch = {0};
    for (uint32_t i = 0; i < BELT_MAX_FRAMES - 1; i++)
        cr_assert(belt_batch_add(&batch, BELT_INLINE_PAYLOAD + 1, 0));
    cr_assert_not(belt_batch_add(&batch, BELT_INLINE_PAYLOAD + 1, 0));
    cr_assert(belt_batch_add(&batch, 1, 0), "an inline item still fits");
}

Test(batch, closes_at_the_attached_bytes)
{
    struct belt_batch batch = {0};
    cr_assert(belt_batch_add(&batch, BELT_BATCH_ATTACHED - BELT_INLINE_PAYLOAD, 0));
    cr_assert_not(belt_batch_add(&batch, BELT_INLINE_PAYLOAD + 1, 0));
}

Test(batch, the_first_item_always_fits)
{
    struct belt_batch batch = {0};
    cr_assert(belt_batch_add(&batch, BELT_MAX_PAYLOAD_CEILING, BELT_MAX_TEXT + BELT_MAX_LOG));
    cr_assert_not(belt_batch_add(&batch, BELT_MAX_PAYLOAD_CEILING, 0));
}

/* The worst batch that the rules let through stays within one header. */
Test(batch, a_full_batch_fits_its_header)
{
    static struct belt_result_item items[BELT_MAX_BATCH];
    static uint8_t bytes[BELT_MAX_LOG];
    struct belt_result_extras extras = {
        .text = {bytes, BELT_MAX_TEXT}, .log = {bytes, BELT_MAX_LOG}, .host = {bytes, BELT_MAX_TEXT}};
    struct belt_batch batch = {0};
    uint32_t count = 0;
    while (count < BELT_MAX_BATCH && belt_batch_add(&batch, count % 16, 0)) {
        items[count] = (struct belt_result_item){.index = UINT64_MAX - 1,
                                                 .attempt = UINT32_MAX,
                                                 .code = 31,
                                                 .service_us = UINT32_MAX,
                                                 .payload = {.data = bytes, .len = count % 16}};
        count++;
    }
    items[0].extras = &extras;
    struct belt_msg msg = {.type = BELT_MSG_RESULTS, .u.results = {.results = items, .count = count}};
    struct belt_frames frames;
    cr_assert_eq(belt_encode(&msg, &frames), BELT_OK);
    cr_assert_leq(frames.frame[0]->len, BELT_MAX_HEADER);
    belt_frames_clear(&frames);
}
