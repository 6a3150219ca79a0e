/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting a stream into inputs, whatever the pieces it comes in; and the
 * names of inputs.
 */
#include "cli/labels.h"
#include "cli/records.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Feeds `text` in pieces of `step` bytes; writes what comes out as "one|two|!long|?cut|". */
static void run(enum records_mode mode, size_t limit, const char *text, size_t len, size_t step, char *out)
{
    struct records records;
    bool end = false;

    records_init(&records, mode, limit);
    *out = '\0';
    while (!end) {
        const char *data;
        size_t got, room;
        char *at;
        switch (records_next(&records, &data, &got)) {
        case RECORDS_ONE:
            strncat(out, data, got);
            strcat(out, "|");
            break;
        case RECORDS_TOO_LONG:
            strcat(out, "!long|");
            break;
        case RECORDS_CUT:
            strcat(out, "?cut|");
            break;
        case RECORDS_END:
            end = true;
            break;
        case RECORDS_MORE:
            at = records_room(&records, &room);
            got = len < step ? len : step;
            got = got < room ? got : room;
            memcpy(at, text, got);
            records_fed(&records, got);
            text += got;
            len -= got;
            break;
        }
    }
    records_free(&records);
}

static void expect(enum records_mode mode, const char *text, size_t len, const char *expected)
{
    for (size_t step = 1; step <= len + 1; step++) {
        char out[256];
        run(mode, 8, text, len, step, out);
        cr_assert_str_eq(out, expected, "in steps of %zu: %s", step, out);
    }
}

#define TEXT(text) text, sizeof(text) - 1

Test(records, lines)
{
    expect(RECORDS_LINES, TEXT("one\ntwo\n"), "one|two|");
    expect(RECORDS_LINES, TEXT("one\ntwo"), "one|two|");
    expect(RECORDS_LINES, TEXT("\n\nx\n"), "||x|");
    expect(RECORDS_LINES, TEXT(""), "");
    expect(RECORDS_LINES, TEXT("12345678\n"), "12345678|");
}

Test(records, nul_separated)
{
    expect(RECORDS_NUL, TEXT("a\nb\0c\0"), "a\nb|c|");
    expect(RECORDS_NUL, TEXT("a\0\0b"), "a||b|");
}

Test(records, framed)
{
    expect(RECORDS_FRAMED, TEXT("\0\0\0\3abc\0\0\0\0\0\0\0\1\n"), "abc||\n|");
    expect(RECORDS_FRAMED, TEXT(""), "");
}

Test(records, an_input_over_the_limit_is_skipped_and_the_next_is_whole)
{
    expect(RECORDS_LINES, TEXT("a\n123456789\nb\n"), "a|!long|b|");
    expect(RECORDS_LINES, TEXT("a\n12345678901234567890"), "a|!long|");
    expect(RECORDS_NUL, TEXT("123456789\0b"), "!long|b|");
    expect(RECORDS_FRAMED, TEXT("\0\0\0\11" "123456789\0\0\0\1b"), "!long|b|");
}

Test(records, a_record_that_is_cut)
{
    expect(RECORDS_FRAMED, TEXT("\0\0\0\1a\0\0\0\4bc"), "a|?cut|");
    expect(RECORDS_FRAMED, TEXT("\0\0\0\1a\0\0"), "a|?cut|");
    expect(RECORDS_FRAMED, TEXT("\377\377\377\377x"), "!long|?cut|");
}

Test(records, a_hostile_length_takes_no_memory)
{
    struct records records;
    const char *data;
    size_t len, room;

    records_init(&records, RECORDS_FRAMED, 16);
    memcpy(records_room(&records, &room), "\377\377\377\377", 4);
    records_fed(&records, 4);
    cr_assert_eq(records_next(&records, &data, &len), RECORDS_TOO_LONG);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(records_next(&records, &data, &len), RECORDS_MORE);
        memset(records_room(&records, &room), 'x', room);
        records_fed(&records, room);
    }
    cr_assert_leq(records.room, 256u << 10);
    records_free(&records);
}

Test(records, labels_come_back_by_task_in_any_order)
{
    struct labels labels = {0};

    for (uint64_t i = 0; i < 1000; i++)
        cr_assert(labels_put(&labels, i, i + 5, "input", 5, i == 7 ? 2 : 100));
    for (uint64_t i = 1000; i-- > 1;) {
        struct label *label = labels_take(&labels, i);
        cr_assert_not_null(label);
        cr_assert_eq(label->input, i + 5);
        cr_assert_eq(label->full, 5);
        cr_assert_str_eq(label->data, i == 7 ? "in" : "input");
        free(label);
        cr_assert_null(labels_take(&labels, i));
    }
    cr_assert_eq(labels.count, 1);
    labels_free(&labels);
}
