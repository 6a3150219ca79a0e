/* SPDX-License-Identifier: Apache-2.0
 *
 * Text from outside made fit for a terminal.
 */
#include "proto/terminal_text.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

static void shows_bytes(const char *text, size_t len, unsigned keep, const char *expected)
{
    char to[256];
    size_t got = terminal_text(to, sizeof(to), text, len, keep);

    cr_assert_str_eq(to, expected);
    cr_assert_eq(got, strlen(expected));
    cr_assert_leq(got, TERMINAL_TEXT_ROOM(len) - 1);
}

static void shows(const char *text, const char *expected)
{
    shows_bytes(text, strlen(text), 0, expected);
}

Test(terminal_text, printable_characters_stay)
{
    shows("", "");
    shows("plain ~ text \\n", "plain ~ text \\n");
    shows("h\xc3\xa4user \xe2\x82\xac \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80",
          "h\xc3\xa4user \xe2\x82\xac \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80");
    shows("e\xcc\x81 \xc2\xa0", "e\xcc\x81 \xc2\xa0");
}

Test(terminal_text, controls_are_shown)
{
    shows("a\nb\tc\rd", "a\\nb\\tc\\rd");
    shows("\033[31mred\007\177", "\\x1b[31mred\\x07\\x7f");
    shows_bytes("a\0b", 3, 0, "a\\x00b");
    shows_bytes("a\nb\tc", 5, TERMINAL_TEXT_LINES, "a\nb\\tc");
    shows_bytes("a\nb\tc", 5, TERMINAL_TEXT_TABS, "a\\nb\tc");
    shows("\xc2\x80\xc2\x9b"
          "31m\xc2\x9f",
          "\\u0080\\u009b31m\\u009f");
}

Test(terminal_text, what_hides_or_turns_is_shown)
{
    shows("\xe2\x80\xae"
          "gpj.exe",
          "\\u202egpj.exe");
    shows("\xe2\x80\x8b\xe2\x80\x8f\xe2\x81\xa6\xe2\x81\xa9", "\\u200b\\u200f\\u2066\\u2069");
    shows("\xef\xbb\xbf\xd8\x9c\xc2\xad\xe2\x80\xa8", "\\ufeff\\u061c\\u00ad\\u2028");
    shows("\xf3\xa0\x81\x81", "\\U0e0041");
}

Test(terminal_text, what_is_no_utf8_is_shown_byte_by_byte)
{
    shows("\x9b"
          "31m\xff",
          "\\x9b31m\\xff");
    shows("\xe2\x82", "\\xe2\\x82");
    shows("\xe2\x82z", "\\xe2\\x82z");
    shows("\xc0\x8a\xe0\x80\x8a", "\\xc0\\x8a\\xe0\\x80\\x8a"); /* overlong newlines */
    shows("\xed\xa0\x80", "\\xed\\xa0\\x80");                   /* half of a pair of UTF-16 */
    shows("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
}

/* Whatever goes in, what comes out is printable UTF-8, and shown as it is a second time. */
Test(terminal_text, every_pair_of_bytes)
{
    char to[TERMINAL_TEXT_ROOM(4)], again[TERMINAL_TEXT_ROOM(sizeof(to))];

    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t text[] = {'<', (uint8_t)a, (uint8_t)b, '>'};
            size_t len = terminal_text(to, sizeof(to), text, sizeof(text), 0);
            cr_assert_eq(strlen(to), len);
            for (size_t i = 0; i < len; i++)
                cr_assert((uint8_t)to[i] >= ' ' && to[i] != 0x7f, "%02x %02x", a, b);
            cr_assert_eq(terminal_text(again, sizeof(again), to, len, 0), len);
            cr_assert_str_eq(again, to);
            cr_assert_eq(to[0], '<');
            cr_assert_eq(to[len - 1], '>');
        }
}

Test(terminal_text, what_does_not_fit_is_left_out_whole)
{
    char to[5];

    cr_assert_eq(terminal_text(to, 5, "ab\xe2\x82\xac", 5, 0), 2);
    cr_assert_str_eq(to, "ab");
    cr_assert_eq(terminal_text(to, 5, "a\xe2\x82\xac", 4, 0), 4);
    cr_assert_eq(terminal_text(to, 5, "ab\033c", 4, 0), 2);
    cr_assert_eq(terminal_text(to, 1, "a", 1, 0), 0);
    cr_assert_str_eq(to, "");
}

Test(terminal_text, columns)
{
    cr_assert_eq(terminal_text_width(""), 0);
    cr_assert_eq(terminal_text_width("h\xc3\xa4user"), 6);
    cr_assert_eq(terminal_text_width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
    cr_assert_eq(terminal_text_width("\xf0\x9f\x98\x80!"), 3);
    cr_assert_eq(terminal_text_width("e\xcc\x81"), 1);
}

/* In a string of JSON the escapes are those of JSON: a reader gets the same characters. */
Test(terminal_text, json_stays_json)
{
    static const char text[] = "{\"a\":\"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x80\x81\xe2\x82\xac\"}";
    char to[TERMINAL_TEXT_JSON_ROOM(sizeof(text))];

    terminal_text(to, sizeof(to), text, strlen(text), TERMINAL_TEXT_JSON);
    cr_assert_str_eq(to, "{\"a\":\"\\u007f\\u009b\\u202e\\udb40\\udc01\xe2\x82\xac\"}");
}
