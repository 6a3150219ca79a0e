/* SPDX-License-Identifier: Apache-2.0
 *
 * Every option of every command as an environment variable, as a key of the configuration file and on the command line:
 * what help names works, and what it says is for the command line only is refused elsewhere.
 */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/option_values.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct options options;

/* The command line `belt COMMAND`, with these settings beside it. */
static int load(const struct command *command, const char *file, const char *variable)
{
    char name[32], error[128], copy[256];
    char *argv[] = {name, NULL}, *environment[] = {copy, NULL};
    struct config config = {0};

    snprintf(name, sizeof(name), "%s", command->name);
    snprintf(copy, sizeof(copy), "%s", variable ? variable : "UNRELATED=1");
    cr_assert_eq(options_flags(&options, command, 1, argv), 0);
    if (file)
        cr_assert_eq(config_parse(&config, file, strlen(file), error, sizeof(error)), 0, "%s", error);
    int rc = options_apply(&options, commands_all, file ? &config : NULL, "belt.conf", environment);
    config_free(&config);
    return rc;
}

/* A value that the option takes. */
static const char *sample(const struct option_def *def, char out[32])
{
    if (!strcmp(def->name, "broker") || !strcmp(def->name, "clients") || !strcmp(def->name, "workers"))
        return "queen:7000";
    if (!strcmp(def->name, "halt"))
        return "now,fail=1";
    switch (def->type) {
    case OPTION_FLAG:
    case OPTION_CONST:
        return "true";
    case OPTION_COUNT:
    case OPTION_AUTO:
    case OPTION_SIGNED:
        snprintf(out, 32, "%" PRId64, def->min > 0 ? def->min : 1);
        return out;
    case OPTION_SIZE:
        return def->max > 0 && def->max < 64 << 20 ? "64k" : "64M";
    case OPTION_DURATION:
        return "20s";
    default:
        return "word";
    }
}

static void check_sources(const struct command *command, const struct option_def *def)
{
    bool settable = def->scope != OPTION_FLAG_ONLY;
    char room[32], name[128], text[256];
    const char *value = sample(def, room);

    snprintf(text, sizeof(text), "%s=%s", options_env_name(command->name, def->name, name), value);
    cr_assert_eq(load(command, NULL, text), settable ? 0 : -1, "%s: %s", text, options.error);
    cr_assert_eq(options_origin(&options, def->name), settable ? ORIGIN_ENVIRONMENT : ORIGIN_DEFAULT, "%s", text);
    options_free(&options);
    snprintf(text, sizeof(text), "[%s]\n%s = %s", command->name, def->name, value);
    cr_assert_eq(load(command, text, NULL), settable ? 0 : -1, "%s: %s", text, options.error);
    cr_assert_eq(options_origin(&options, def->name), settable ? ORIGIN_FILE : ORIGIN_DEFAULT, "%s", text);
    options_free(&options);
    if (def->scope != OPTION_GLOBAL)
        return;
    snprintf(text, sizeof(text), "%s=%s", options_env_name(NULL, def->name, name), value);
    cr_assert_eq(load(command, NULL, text), 0, "%s: %s", text, options.error);
    cr_assert_eq(options_origin(&options, def->name), ORIGIN_ENVIRONMENT, "%s", text);
    options_free(&options);
    snprintf(text, sizeof(text), "%s = %s", def->name, value);
    cr_assert_eq(load(command, text, NULL), 0, "%s: %s", text, options.error);
    cr_assert_eq(options_origin(&options, def->name), ORIGIN_FILE, "%s", text);
    options_free(&options);
}

Test(settings, each_option_is_a_variable_and_a_key_or_neither)
{
    for (int i = 0; commands_all[i]; i++)
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++)
            check_sources(commands_all[i], &commands_all[i]->options[j]);
}

/* A key of all commands is none of a command that has an option of this name with another meaning: --state of jobs. */
Test(settings, a_key_of_all_commands_disturbs_none)
{
    for (int i = 0; commands_all[i]; i++) {
        cr_assert_eq(load(commands_all[i], "state = /var/lib/belt\nbroker = queen\nconnect-timeout = 3", NULL), 0,
                     "%s: %s", commands_all[i]->name, options.error);
        options_free(&options);
    }
}

static char *help_of(const struct command *command)
{
    static char *text; /* gcc takes the address of one on the stack for what the stream gives */
    static size_t len;
    FILE *out = open_memstream(&text, &len);

    help_command(command, out);
    fclose(out);
    return text;
}

static void check_help_variable(const struct command *command, const char *variable)
{
    char room[32], name[128], text[256];

    for (uint32_t i = 0; i < command->option_count; i++) {
        const struct option_def *def = &command->options[i];
        if (strcmp(options_env_name(command->name, def->name, name), variable) != 0)
            continue;
        snprintf(text, sizeof(text), "%s=%s", variable, sample(def, room));
        cr_assert_eq(load(command, NULL, text), 0, "help names %s: %s", variable, options.error);
        options_free(&options);
        return;
    }
    cr_assert_fail("help of 'belt %s' names %s, which is no option's", command->name, variable);
}

Test(settings, what_help_names_works)
{
    for (int i = 0; commands_all[i]; i++) {
        char *text = help_of(commands_all[i]), prefix[128];
        options_env_name(commands_all[i]->name, "", prefix);
        for (const char *at = text; (at = strstr(at, prefix)); at++) {
            char name[128];
            snprintf(name, sizeof(name), "%.*s", (int)strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), at);
            check_help_variable(commands_all[i], name);
        }
        free(text);
    }
}

/* `list` holds the word --name. */
static bool lists(const char *list, const char *name)
{
    char word[64];
    const char *found;

    snprintf(word, sizeof(word), " --%s", name);
    for (found = strstr(list, word); found && !strchr(" .\n", found[strlen(word)]);)
        found = strstr(found + 1, word);
    return found != NULL;
}

Test(settings, help_says_what_is_for_the_command_line_only)
{
    for (int i = 0; commands_all[i]; i++) {
        char *text = help_of(commands_all[i]);
        *strstr(text, "\nExit codes:") = '\0';
        const char *list = strstr(text, "On the command line only:");
        for (uint32_t j = 0; list && j < commands_all[i]->option_count; j++) {
            const struct option_def *def = &commands_all[i]->options[j];
            cr_assert_eq(lists(list, def->name), def->scope == OPTION_FLAG_ONLY, "belt help %s: --%s",
                         commands_all[i]->name, def->name);
        }
        free(text);
    }
}

/* `belt COMMAND --OPTION=VALUE`. */
static int load_flag(const char *command, const char *flag)
{
    static char name[32], text[400];
    char *argv[] = {name, text, NULL}, *environment[] = {NULL};

    snprintf(name, sizeof(name), "%s", command);
    snprintf(text, sizeof(text), "%s", flag);
    if (options_flags(&options, commands_all[commands_find(command)], 2, argv))
        return -1;
    return options_apply(&options, commands_all, NULL, NULL, environment);
}

static void check_numbers(const struct command *command, const struct option_def *def)
{
    static const char *const wrong[] = {"",    " ",     " 1",  "1 ",  "-1x",
                                        "1x",  "0x10",  "1e3", "nan", "inf",
                                        "1,5", "1.2.3", "--1", "+-1", "99999999999999999999",
                                        "1\n"};
    char text[400];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        snprintf(text, sizeof(text), "--%s=%s", def->name, wrong[i]);
        cr_assert_eq(load_flag(command->name, text), -1, "belt %s '%s'", command->name, text);
        cr_assert(strstr(options.error, def->name) && strstr(options.error, "expected"), "%s", options.error);
        options_free(&options);
    }
    for (int i = 0; i < 2 && def->type != OPTION_DURATION && def->type != OPTION_SIZE; i++) {
        snprintf(text, sizeof(text), "--%s=%s", def->name, i ? "1.5" : ".");
        cr_assert_eq(load_flag(command->name, text), -1, "belt %s '%s'", command->name, text);
        options_free(&options);
    }
    snprintf(text, sizeof(text), "--%s=-1", def->name);
    cr_assert_eq(load_flag(command->name, text), def->type == OPTION_SIGNED ? 0 : -1, "belt %s '%s'", command->name,
                 text);
    options_free(&options);
    snprintf(text, sizeof(text), "--%s=0", def->name);
    cr_assert_eq(load_flag(command->name, text), def->min > 0 ? -1 : 0, "belt %s '%s'", command->name, text);
    options_free(&options);
}

Test(settings, each_number_is_one)
{
    for (int i = 0; commands_all[i]; i++)
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++) {
            const struct option_def *def = &commands_all[i]->options[j];
            if (def->type == OPTION_COUNT || def->type == OPTION_AUTO || def->type == OPTION_SIGNED ||
                def->type == OPTION_SIZE || def->type == OPTION_DURATION)
                check_numbers(commands_all[i], def);
        }
}

Test(settings, numbers_that_would_be_0_are_refused)
{
    static const char *const flags[] = {"--timeout=0.0001", "--timeout=0.4ms", "--max-input=0.5", "--max-input=0.0001k",
                                        "--connect-timeout=0"};

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        cr_assert_eq(load_flag("map", flags[i]), -1, "%s", flags[i]);
        options_free(&options);
    }
    cr_assert_eq(load(commands_all[COMMAND_JOBS], NULL, "BELT_CONNECT_TIMEOUT=0"), -1);
    cr_assert(strstr(options.error, "BELT_CONNECT_TIMEOUT: '0'"), "%s", options.error);
    options_free(&options);
    cr_assert_eq(load(commands_all[COMMAND_WORKER], NULL, "BELT_CONNECT_TIMEOUT=0"), 0, "%s", options.error);
    options_free(&options);
}

Test(settings, a_letter_takes_an_optional_argument)
{
    static const struct {
        const char *flag;
        uint64_t ms;
    } cases[] = {{"-w", 2000}, {"-w0.4", 400}, {"-w5", 5000}, {"--watch", 2000}, {"--watch=0.4", 400}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        cr_assert_eq(load_flag("jobs", cases[i].flag), 0, "%s: %s", cases[i].flag, options.error);
        cr_assert_eq(((struct show_values *)options.values)->watch, cases[i].ms, "%s", cases[i].flag);
        options_free(&options);
    }
    cr_assert_eq(load_flag("jobs", "-w0"), -1);
    options_free(&options);
    cr_assert_eq(load_flag("jobs", "-wq"), -1);
    options_free(&options);
}

Test(settings, addresses_are_checked_before_they_are_used)
{
    static const char *const wrong[] = {
        "",         ":7878",        "queen:0", "queen:99999", "queen:65536", "queen:",        "queen:x",   "queen:-1",
        "::1",      "fe80::1:7878", "[::1",    "[]",          "[::1]7878",   "tcp://",        "udp://a:1", "a b",
        "queen:7 ", "ipc://",       "queen:*", "*:7878",      "a/b",         "tcp://[::1]:0", "que[en"};
    static const char *const right[] = {
        "queen",          "queen:1",         "queen:65535", "[::1]", "[fe80::1%eth0]:7878",
        "tcp://10.0.0.1", "ipc:///run/belt", "ipc://@belt"};
    char text[400];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        snprintf(text, sizeof(text), "--broker=%s", wrong[i]);
        cr_assert_eq(load_flag("jobs", text), -1, "%s", text);
        cr_assert(strstr(options.error, "1 to 65535"), "%s", options.error);
        options_free(&options);
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
        snprintf(text, sizeof(text), "--broker=%s", right[i]);
        cr_assert_eq(load_flag("jobs", text), 0, "%s: %s", text, options.error);
        options_free(&options);
    }
    for (int over = 0; over < 2; over++) {
        snprintf(text, sizeof(text), "--broker=ipc:///%0*d", 106 + over, 0);
        cr_assert_eq(load_flag("jobs", text), over ? -1 : 0, "%s", text);
        options_free(&options);
    }
    cr_assert_eq(load_flag("broker", "--clients=*:*"), 0, "%s", options.error);
    options_free(&options);
    cr_assert_eq(load_flag("broker", "--clients=127.0.0.1:0"), -1);
    options_free(&options);
}

Test(settings, a_key_that_stands_twice_is_refused)
{
    cr_assert_eq(load(commands_all[COMMAND_MAP], "[map]\nretries = 1\n\nretries = 2", NULL), -1);
    cr_assert(strstr(options.error, "belt.conf:4: 'retries' is set in line 2 already"), "%s", options.error);
    options_free(&options);
    cr_assert_eq(load(commands_all[COMMAND_WORKER], "[worker]\ncoproc = a=b\ncoproc = c=d", NULL), 0, "%s",
                 options.error);
    options_free(&options);
}

Test(settings, a_file_from_any_editor_is_read)
{
    static const char *const files[] = {"\xef\xbb\xbf[map]\nretries = 3\n", "[map]\r\nretries = 3\r\n",
                                        "[map]\nretries=3", "\xef\xbb\xbf# comment\r\n[map]\r\nretries = 3"};

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        cr_assert_eq(load(commands_all[COMMAND_MAP], files[i], NULL), 0, "%zu: %s", i, options.error);
        cr_assert_eq(((struct map_values *)options.values)->retries, 3);
        options_free(&options);
    }
}
