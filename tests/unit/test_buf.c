/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of counted buffers, payloads and the table of codes.
 */
#include "proto/buf.h"
#include "proto/codes.h"
#include "proto/digest.h"
#include "proto/message.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

/* Computed as PROTOCOL.md §7.1 says with xxhsum -H2. */
Test(digest, of_known_inputs)
{
    static const uint8_t empty[] = {0xd3, 0xfc, 0x68, 0xf1, 0xef, 0x9d, 0xb2, 0x7a,
                                    0x20, 0x1b, 0xd2, 0x84, 0x02, 0x3c, 0x3c, 0x19};
    static const uint8_t one[] = {0xde, 0xb8, 0x4c, 0xbe, 0xf9, 0xea, 0xde, 0x25,
                                  0x17, 0xb5, 0x41, 0x4f, 0xd3, 0xc0, 0x2a, 0xcd};
    static const uint8_t large[] = {0xdc, 0x85, 0x78, 0x40, 0xaf, 0xd0, 0xca, 0x06,
                                    0xca, 0x42, 0x52, 0x52, 0x3b, 0x87, 0xa2, 0x12};
    struct belt_digest digest = {{0}};
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    belt_digest_add(&digest, NULL, 0);
    cr_assert_arr_eq(digest.bytes, empty, BELT_DIGEST_BYTES);
    belt_digest_add(&digest, "one", 3);
    cr_assert_arr_eq(digest.bytes, one, BELT_DIGEST_BYTES);
    belt_digest_add(&digest, bytes, sizeof(bytes));
    cr_assert_arr_eq(digest.bytes, large, BELT_DIGEST_BYTES);
}

static int released;

static void count_release(struct belt_buf *self)
{
    (void)self;
    released++;
}

Test(buf, is_released_with_its_last_reference)
{
    uint8_t bytes[4] = {1, 2, 3, 4};
    struct belt_buf buf = {.refs = 1, .len = 4, .data = bytes, .release = count_release};
    struct belt_payload whole = {.buf = &buf, .data = bytes, .len = 4};
    struct belt_payload part = belt_payload_ref((struct belt_payload){.buf = &buf, .data = bytes + 1, .len = 2});
    belt_payload_clear(&whole);
    cr_assert_eq(released, 0);
    cr_assert_null(whole.buf);
    cr_assert_eq(whole.len, 0);
    belt_payload_clear(&part);
    cr_assert_eq(released, 1);
    belt_payload_clear(&part);
    belt_buf_unref(NULL);
    cr_assert_eq(released, 1);
}

Test(buf, copies_are_their_own)
{
    char text[] = "hello";
    struct belt_payload payload = belt_payload_copy(text, 5);
    text[0] = 'j';
    cr_assert_eq(memcmp(payload.data, "hello", 5), 0);
    belt_payload_clear(&payload);
    struct belt_payload empty = belt_payload_copy(NULL, 0);
    cr_assert_null(empty.buf);
    cr_assert_eq(empty.len, 0);
}

Test(buf, refuses_a_length_that_overflows)
{
    cr_assert_null(belt_buf_new(SIZE_MAX - 4));
}

Test(buf, grows_and_keeps_its_bytes)
{
    struct belt_buf *buf = belt_buf_copy("abc", 3);
    buf = belt_buf_resize(buf, 100000);
    cr_assert_not_null(buf);
    cr_assert_eq(buf->len, 100000);
    cr_assert_eq(memcmp(buf->data, "abc", 3), 0);
    belt_buf_unref(buf);
}

Test(buf, a_slice_keeps_the_whole_alive)
{
    struct belt_buf *whole = belt_buf_copy("0123456789", 10);
    struct belt_buf *slice = belt_buf_slice(whole, whole->data + 3, 4);
    struct belt_buf *same = belt_buf_slice(whole, whole->data, 10);
    cr_assert_eq(same, whole);
    belt_buf_unref(same);
    belt_buf_unref(whole);
    cr_assert_eq(slice->len, 4);
    cr_assert_eq(memcmp(slice->data, "3456", 4), 0);
    belt_buf_unref(slice);
}

static void *ref_often(void *arg)
{
    for (int i = 0; i < 100000; i++)
        belt_buf_unref(belt_buf_ref(arg));
    return NULL;
}

Test(buf, counts_on_several_threads)
{
    uint8_t byte = 0;
    struct belt_buf buf = {.refs = 1, .len = 1, .data = &byte, .release = count_release};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, ref_often, &buf);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(released, 0);
    belt_buf_unref(&buf);
    cr_assert_eq(released, 1);
}

Test(codes, each_has_a_name_a_text_and_advice)
{
#define CHECK_CODE(name, number, text, advice)                                                                         \
    cr_assert_str_eq(belt_code_name(number), #name);                                                                   \
    cr_assert_str_eq(belt_code_text(number), text);                                                                    \
    cr_assert_str_eq(belt_code_advice(number), advice);
    BELT_CODES(CHECK_CODE)
#undef CHECK_CODE
    for (unsigned code = 0; code < 300; code++)
        cr_assert(belt_code_name(code) && belt_code_text(code)[0] && belt_code_advice(code)[0]);
    cr_assert_str_eq(belt_code_name(31), "UNKNOWN");
    cr_assert_str_eq(belt_code_name(UINT32_MAX), "UNKNOWN");
}

Test(codes, messages_have_names)
{
    cr_assert_str_eq(belt_msg_name(BELT_MSG_PUSH), "PUSH");
    cr_assert_null(belt_msg_name(0));
    cr_assert_null(belt_msg_name(9));
    cr_assert_null(belt_msg_name(10000));
}
