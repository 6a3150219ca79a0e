/* SPDX-License-Identifier: Apache-2.0
 *
 * Long error texts: what stays of them.
 */
#include "proto/text_cut.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t cut(char *to, size_t size, const char *text)
{
    size_t len = text_cut((uint8_t *)to, size, (struct belt_bytes){(const uint8_t *)text, strlen(text)});

    cr_assert_leq(len, size);
    to[len] = '\0';
    return len;
}

Test(text_cut, a_text_that_fits_is_whole)
{
    char to[301];

    cr_expect_eq(cut(to, 300, ""), 0);
    cut(to, 3, "abc");
    cr_expect_str_eq(to, "abc");
}

Test(text_cut, beginning_and_end_stay)
{
    char text[5001], to[301], between[100];
    unsigned long left;

    memset(text, 'x', 5000);
    memcpy(text, "Traceback", 9);
    memcpy(text + 4989, "ValueError!", 12);
    size_t len = cut(to, 300, text);
    cr_expect(strncmp(to, "Tracebackxx", 11) == 0);
    cr_expect_str_eq(to + len - 11, "ValueError!");
    cr_assert_eq(sscanf(strchr(to, '\n'), " [%lu %99[a-z ]]", &left, between), 2);
    cr_expect_str_eq(between, "bytes left out");
    cr_expect_eq(left + strspn(to, "Tracebkx") + (len - (size_t)(strrchr(to, '\n') + 1 - to)), 5000);
}

/* Wherever the cuts fall. */
Test(text_cut, no_character_is_cut)
{
    static const char *const characters[] = {"\u00e9", "\u20ac", "\U0001F600"};
    char text[2100], to[301];

    for (size_t kind = 0; kind < 3; kind++) {
        size_t width = strlen(characters[kind]);
        for (size_t shift = 0; shift < 4; shift++) {
            memset(text, 'x', shift);
            text[shift] = '\0';
            while (strlen(text) < 2000)
                strcat(text, characters[kind]);
            cut(to, 300, text);
            char *end = strchr(to, '\n'), *again = strrchr(to, '\n') + 1;
            cr_expect_eq((size_t)(end - to - (ptrdiff_t)shift) % width, 0);
            cr_expect_eq(strlen(again) % width, 0);
        }
    }
}

Test(text_cut, bytes_that_are_no_text_are_cut_as_well)
{
    char text[1001], to[301];

    memset(text, 0x80, 1000);
    text[1000] = '\0';
    cr_expect_gt(cut(to, 300, text), 250);
}

Test(text_cut, a_cut_is_between_characters)
{
    static const char text[] = "a\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t cuts[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 9};

    for (size_t most = 0; most < sizeof(cuts) / sizeof(*cuts); most++)
        cr_assert_eq(text_cut_at(text, 9, most), cuts[most], "at %zu", most);
    cr_assert_eq(text_cut_at(text, 9, 100), 9);
    cr_assert_eq(text_cut_at("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

static size_t formatted(char *to, size_t size, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    size_t len = text_format(to, size, format, list);
    va_end(list);
    return len;
}

Test(text_cut, a_formatted_text_ends_with_a_whole_character)
{
    char to[6];

    cr_assert_eq(formatted(to, sizeof(to), "%s", "abc\xe2\x82\xac"), 3);
    cr_assert_str_eq(to, "abc");
    cr_assert_eq(formatted(to, sizeof(to), "%s", "ab\xe2\x82\xac"), 5);
    cr_assert_str_eq(to, "ab\xe2\x82\xac");
    cr_assert_eq(formatted(to, sizeof(to), "%d", 1234567), 5);
}

Test(text_cut, a_printed_text_ends_with_a_whole_character)
{
    const struct belt_bytes euro = {(const uint8_t *)"a\xe2\x82\xac", 4};
    char to[6];

    cr_assert_eq(text_print(to, sizeof(to), "%s", "abc\xe2\x82\xac"), 3);
    cr_assert_str_eq(to, "abc");
    cr_assert_eq(text_print(to, sizeof(to), "%.*s", TEXT_BYTES_UP_TO(euro, 3)), 1);
    cr_assert_str_eq(to, "a");
}
