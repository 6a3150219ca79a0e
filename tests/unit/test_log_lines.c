/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of standard error as records.
 */
#include "proto/limits.h"
#include "proto/log_lines.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t part(const char *text, bool end)
{
    return log_lines_part((const uint8_t *)text, strlen(text), end);
}

Test(log_lines, whole_lines_go_and_the_rest_waits_for_its_end)
{
    cr_expect_eq(part("", false), 0);
    cr_expect_eq(part("", true), 0);
    cr_expect_eq(part("one", false), 0);
    cr_expect_eq(part("one", true), 3);
    cr_expect_eq(part("one\n", false), 4);
    cr_expect_eq(part("one\ntwo\nthr", false), 8);
    cr_expect_eq(part("one\ntwo\nthr", true), 8);
    cr_expect_eq(part("\n\n", false), 2);
}

Test(log_lines, a_record_fits_into_what_a_pipe_takes_as_a_whole)
{
    static uint8_t lines[3 * LOG_RECORD_MAX], record[LOG_RECORD_MAX];
    struct log_record read;

    cr_assert_leq(LOG_RECORD_MAX, PIPE_BUF);
    memset(lines, 'x', sizeof(lines));
    for (size_t at = 9; at < sizeof(lines); at += 10)
        lines[at] = '\n';
    size_t len = log_lines_part(lines, sizeof(lines), false);
    cr_assert_leq(len, LOG_PART_MAX);
    cr_assert_gt(len, LOG_PART_MAX - 10);
    cr_assert_eq(lines[len - 1], '\n');
    size_t size = log_lines_write(record, 7, lines, len);
    cr_assert_leq(size, LOG_RECORD_MAX);
    for (size_t there = 0; there < size; there++)
        cr_assert_eq(log_lines_read(record, there, &read), 0);
    cr_assert_eq(log_lines_read(record, size, &read), size);
    cr_expect_eq(read.index, 7);
    cr_assert_eq(read.len, len);
    cr_expect_eq(memcmp(read.data, lines, len), 0);
}

/* Of any length around the bound: no empty line is made, and no line is lost. */
Test(log_lines, a_long_line_comes_in_pieces)
{
    uint8_t *line = malloc(3 * LOG_PART_MAX);

    for (size_t len = LOG_LINE_MAX - 4; len < 2 * LOG_PART_MAX + 4; len++) {
        size_t at = 0;
        memset(line, 'x', len);
        line[len] = '\n';
        while (at < len) {
            size_t n = log_lines_part(line + at, len + 1 - at, false);
            cr_assert(n > 0 && n <= LOG_PART_MAX, "%zu of %zu", n, len + 1 - at);
            at += n;
        }
        cr_assert_eq(at, len + 1, "a line of %zu bytes leaves %zu behind", len, len + 1 - at);
    }
    cr_assert_eq(log_lines_part(line, LOG_LINE_MAX, false), 0, "its newline may be the next byte");
    free(line);
}

Test(log_lines, a_piece_ends_with_a_whole_character)
{
    static uint8_t line[LOG_PART_MAX + 8];

    for (size_t shift = 0; shift < 3; shift++) {
        memset(line, 'x', sizeof(line));
        for (size_t at = shift; at + 3 <= sizeof(line); at += 3)
            memcpy(line + at, "\xe2\x82\xac", 3);
        size_t len = log_lines_part(line, sizeof(line), false);
        cr_assert_gt(len, LOG_LINE_MAX - 3);
        cr_assert_eq((len - shift) % 3, 0);
    }
}

/* What an operator may ask for fits into a message, with the line that says how much is missing. */
Test(log_lines, bounds_of_what_a_result_carries)
{
    char note[BELT_LOG_NOTE];

    cr_assert_lt(snprintf(note, sizeof(note), "[%llu bytes of standard error are left out]\n", ULLONG_MAX),
                 (int)BELT_LOG_NOTE);
    cr_assert_leq(BELT_LOG_BYTES, BELT_LOG_BYTES_MAX);
    cr_assert_eq(BELT_MAX_LOG, BELT_LOG_BYTES_MAX + BELT_LOG_NOTE);
    cr_assert_lt(BELT_MAX_LOG + BELT_BATCH_BYTES + 2 * BELT_MAX_TEXT, BELT_MAX_HEADER);
}
