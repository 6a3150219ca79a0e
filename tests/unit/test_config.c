/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser of configuration files.
 */
#include "cli/config.h"

#include <criterion/criterion.h>
#include <string.h>

static struct config parsed(const char *text)
{
    struct config config;
    char error[256] = "";

    cr_assert_eq(config_parse(&config, text, strlen(text), error, sizeof(error)), 0, "%s", error);
    return config;
}

static void refused(const char *text, size_t len, const char *why)
{
    struct config config;
    char error[256] = "";

    cr_assert_eq(config_parse(&config, text, len, error, sizeof(error)), -1);
    cr_assert_not_null(strstr(error, why), "got: %s", error);
    cr_assert_null(config.entries);
    cr_assert_eq(config.count, 0);
}

Test(config, sections_keys_and_lines)
{
    struct config config = parsed(
        "# top\nbroker = tcp://queen\n\n[map]\n  chunksize=8  \r\n; note\nhalt = now,fail=1\n[worker]\nslots\t=\t4");

    cr_assert_eq(config.count, 4);
    cr_assert_str_eq(config.entries[0].section, "");
    cr_assert_str_eq(config.entries[0].key, "broker");
    cr_assert_str_eq(config.entries[0].value, "tcp://queen");
    cr_assert_eq(config.entries[0].line, 2);
    cr_assert_str_eq(config.entries[1].section, "map");
    cr_assert_str_eq(config.entries[1].key, "chunksize");
    cr_assert_str_eq(config.entries[1].value, "8");
    cr_assert_eq(config.entries[1].line, 5);
    cr_assert_str_eq(config.entries[2].value, "now,fail=1");
    cr_assert_str_eq(config.entries[3].section, "worker");
    cr_assert_str_eq(config.entries[3].value, "4");
    config_free(&config);
}

Test(config, a_value_is_the_rest_of_the_line)
{
    struct config config = parsed("filter = upper=sed 's/#/;/' # kept\nname =\n");

    cr_assert_str_eq(config.entries[0].value, "upper=sed 's/#/;/' # kept");
    cr_assert_str_eq(config.entries[1].value, "");
    config_free(&config);
}

Test(config, an_empty_file_has_nothing)
{
    struct config config = parsed("");

    cr_assert_eq(config.count, 0);
    config_free(&config);
}

Test(config, what_is_no_setting_is_refused_with_its_line)
{
    refused("a = 1\njust words\n", 17, "line 2: expected 'key = value'");
    refused("= 1\n", 4, "line 1: a key is missing");
    refused("[map\n", 5, "line 1: a heading");
    refused("[]\n", 3, "line 1: a heading");
    refused("[map] x = 1\n", 12, "line 1: a heading");
    refused("a = \0b\n", 7, "line 1: the line holds a NUL");
}

Test(config, bounds)
{
    static char big[CONFIG_MAX_BYTES + 1];

    memset(big, '#', sizeof(big));
    refused(big, sizeof(big), "larger than 1 MiB");
    refused(big, CONFIG_MAX_LINE + 1, "line 1: the line is longer");
    for (size_t i = 0; i + 4 <= 4 * (CONFIG_MAX_ENTRIES + 1); i += 4)
        memcpy(big + i, "a=1\n", 4);
    refused(big, 4 * (CONFIG_MAX_ENTRIES + 1), "line 4097: more than");
}
