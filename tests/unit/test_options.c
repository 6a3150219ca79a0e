/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of options: command line, environment, file, help, completion.
 */
#include "cli/moment.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/functions.h"
#include "cli/help.h"
#include "cli/units.h"
#include "worker/agent.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORDS 16

static struct options options;
static char *no_environment[] = {NULL};

/* Parses "map -j4 -- x" style text; words are split at blanks. 0 when all is well. */
static int load(const char *text, const char *file, char *const *environment)
{
    static char copy[512];
    static char *argv[WORDS];
    struct config config = {0};
    char error[128];
    int argc = 0, rc;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " "))
        argv[argc++] = at;
    argv[argc] = NULL;
    if (options_flags(&options, commands_all[commands_find(argv[0])], argc, argv))
        return -1;
    if (file)
        cr_assert_eq(config_parse(&config, file, strlen(file), error, sizeof(error)), 0, "%s", error);
    rc = options_apply(&options, commands_all, file ? &config : NULL, "belt.conf",
                       environment ? environment : no_environment);
    config_free(&config);
    return rc;
}

static const struct map_values *map_of(const char *text)
{
    cr_assert_eq(load(text, NULL, NULL), 0, "%s", options.error);
    return options.values;
}

static void wrong(const char *text, const char *file, char *const *environment, const char *why)
{
    cr_assert_eq(load(text, file, environment), -1, "'%s' was accepted", text);
    cr_assert_not_null(strstr(options.error, why), "got: %s", options.error);
    options_free(&options);
}

Test(options, flags_words_command_and_inputs)
{
    const struct map_values *map = map_of("map -j4 --unordered --timeout 1.5 -- echo {} -n ::: a -b");

    cr_assert_eq(map->slots, 4);
    cr_assert_eq(map->unordered, 1);
    cr_assert_eq(map->timeout, 1500);
    cr_assert(options.dashes && options.colons);
    cr_assert_eq(options.rest_count, 3);
    cr_assert_str_eq(options.rest[2], "-n");
    cr_assert_eq(options.input_count, 2);
    cr_assert_str_eq(options.inputs[1], "-b");
    options_free(&options);
}

Test(options, options_may_follow_the_function)
{
    const struct map_values *map = map_of("map resize --broker queen -u ::: x");

    cr_assert_eq(options.word_count, 1);
    cr_assert_str_eq(options.words[0], "resize");
    cr_assert_str_eq(map->common.broker, "queen");
    cr_assert_eq(map->unordered, 1);
    cr_assert_not(options.dashes);
    options_free(&options);
}

Test(options, dashes_as_an_argument_are_no_separator)
{
    const struct map_values *map = map_of("map -a -- -u");

    cr_assert_str_eq(map->arg_file, "--");
    cr_assert_not(options.dashes);
    cr_assert_eq(map->unordered, 1);
    options_free(&options);
}

Test(options, defaults)
{
    const struct map_values *map = map_of("map");

    cr_assert_eq(map->common.connect_timeout, 10000);
    cr_assert_str_eq(map->halt, "never");
    cr_assert_eq(map->chunksize, 0);
    cr_assert_eq(map->newline, 1);
    cr_assert_eq(options_origin(&options, "slots"), ORIGIN_DEFAULT);
    options_free(&options);
}

Test(options, flag_over_environment_over_file)
{
    char *environment[] = {"BELT_MAP_RETRIES=2", "BELT_MAP_SLOTS=2", "PATH=/bin", "BELT_BROKER=env", NULL};
    const char *file = "broker = file\n[map]\nretries = 1\nslots = 1\npriority = -5\nbroker = section\n";
    const struct map_values *map;

    cr_assert_eq(load("map --slots 3", file, environment), 0, "%s", options.error);
    map = options.values;
    cr_assert_eq(map->slots, 3);
    cr_assert_eq(map->retries, 2);
    cr_assert_eq(map->priority, -5);
    cr_assert_str_eq(map->common.broker, "env");
    cr_assert_eq(options_origin(&options, "slots"), ORIGIN_FLAG);
    cr_assert_eq(options_origin(&options, "retries"), ORIGIN_ENVIRONMENT);
    cr_assert_eq(options_origin(&options, "priority"), ORIGIN_FILE);
    options_free(&options);
    cr_assert_eq(load("map", "[map]\nbroker = section\n[worker]\nslots=7\n", NULL), 0);
    cr_assert_str_eq(((const struct map_values *)options.values)->common.broker, "section");
    cr_assert_eq(((const struct map_values *)options.values)->slots, 0);
    options_free(&options);
    /* a section wins over the top of the file wherever it stands */
    cr_assert_eq(load("map", "broker = top\n[map]\nbroker = section\n", NULL), 0);
    cr_assert_str_eq(((const struct map_values *)options.values)->common.broker, "section");
    options_free(&options);
}

Test(options, negation_and_keep_going)
{
    char *environment[] = {"BELT_MAP_UNORDERED=yes", "BELT_MAP_HALT=now,fail=1", "BELT_MAP_TAG=", NULL};
    const struct map_values *map;

    cr_assert_eq(load("map --no-unordered --keep-going", NULL, environment), 0, "%s", options.error);
    map = options.values;
    cr_assert_eq(map->unordered, 0);
    cr_assert_str_eq(map->halt, "never");
    options_free(&options);
    map = map_of("map --keep-going --halt soon,fail=10%");
    cr_assert_str_eq(map->halt, "soon,fail=10%");
    options_free(&options);
}

Test(options, lists_are_replaced_by_a_stronger_source)
{
    char *environment[] = {"BELT_WORKER_COPROC=c=./c\nd=./d", NULL};
    const struct worker_values *worker;

    cr_assert_eq(load("worker --filter a=cat --filter b=sort", "[worker]\nfilter=x=y\ncoproc=e=f\n", environment), 0);
    worker = options.values;
    cr_assert_eq(worker->filter.count, 2);
    cr_assert_str_eq(worker->filter.items[1], "b=sort");
    cr_assert_eq(worker->coproc.count, 2);
    cr_assert_str_eq(worker->coproc.items[0], "c=./c");
    options_free(&options);
}

Test(options, unknown_names_come_with_the_nearest)
{
    char *environment[] = {"BELT_MAP_CHUNKSIEZ=1", NULL};

    wrong("map --chunksiez 3", NULL, NULL, "unknown option '--chunksiez'; did you mean '--chunksize'?");
    wrong("map", "[map]\n\nchunksiez = 3\n", NULL, "unknown key 'chunksiez' in belt.conf:3; did you mean 'chunksize'?");
    wrong("map", "[mapp]\nslots = 3\n", NULL, "unknown section 'mapp' in belt.conf:1; did you mean 'map'?");
    wrong("map", "slots = 3\n", NULL, "unknown key 'slots' in belt.conf:1");
    wrong("status", "[map]\nslts = 3\n", NULL, "unknown key 'slts' in belt.conf:2; did you mean 'slots'?");
    wrong("map", NULL, environment,
          "unknown environment variable BELT_MAP_CHUNKSIEZ; did you mean BELT_MAP_CHUNKSIZE?");
    wrong("map -Z", NULL, NULL, "unknown option '-Z'");
    cr_assert_str_eq(commands_nearest("brokre"), "broker");
    cr_assert_null(commands_nearest("zzzzzz"));
}

Test(options, bad_values_say_where_and_what)
{
    char *environment[] = {"BELT_MAP_TIMEOUT=soon", NULL};

    wrong("map --chunksize 0", NULL, NULL,
          "option '--chunksize': '0' is not valid: expected 'auto' or a whole number from 1");
    wrong("map --chunksize", NULL, NULL, "option '--chunksize' needs an argument: N|auto");
    wrong("map -j", NULL, NULL, "option '-j' needs an argument: N");
    wrong("map --unordered=1", NULL, NULL, "option '--unordered' takes no argument");
    wrong("map --halt maybe", NULL, NULL, "expected 'never'");
    wrong("map --priority 101", NULL, NULL, "from -100 to 100");
    wrong("map --broker ftp://x", NULL, NULL, "expected an address");
    wrong("map", NULL, environment, "environment variable BELT_MAP_TIMEOUT: 'soon' is not valid");
    wrong("map", "[map]\nretries = many\n", NULL, "belt.conf:2: retries: 'many' is not valid");
}

Test(options, an_optional_argument)
{
    cr_assert_eq(load("status --watch", NULL, NULL), 0);
    cr_assert_eq(((const struct show_values *)options.values)->watch, 2000);
    options_free(&options);
    cr_assert_eq(load("status --watch=500ms emails", NULL, NULL), 0);
    cr_assert_eq(((const struct show_values *)options.values)->watch, 500);
    cr_assert_str_eq(options.words[0], "emails");
    options_free(&options);
}

/* What one command's table must be for getopt, file and environment to work. */
static void check_table(const struct command *command)
{
    cr_assert_leq(command->option_count, OPTIONS_MAX);
    for (uint32_t i = 0; i < command->option_count; i++) {
        const struct option_def *def = &command->options[i];
        cr_assert_eq(options_find(command, def->name), (int)i, "%s --%s is there twice", command->name, def->name);
        cr_assert_lt(def->offset, command->values_size);
        cr_assert_not_null(def->help);
        cr_assert_eq(options_takes_argument(def), def->arg != NULL, "--%s", def->name);
        cr_assert(def->type != OPTION_CONST || def->preset);
        cr_assert_neq(strncmp(def->name, "no-", 3), 0, "--no-… is made by the parser");
        for (uint32_t j = 0; j < i; j++)
            cr_assert(!def->letter || def->letter != command->options[j].letter, "%s -%c is there twice", command->name,
                      def->letter);
    }
}

Test(options, tables_are_sound)
{
    for (int i = 0; commands_all[i]; i++)
        check_table(commands_all[i]);
    cr_assert_null(commands_all[COMMAND_COUNT]);
    cr_assert_eq(commands_find("map"), COMMAND_MAP);
    cr_assert_eq(commands_find("nothing"), -1);
}

Test(options, help_and_completion_name_every_option)
{
    const char *const shells[] = {"bash", "zsh", "fish"};

    for (int i = 0; commands_all[i]; i++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        help_command(commands_all[i], out);
        for (int shell = 0; shell < 3; shell++)
            cr_assert_eq(completion_write(shells[shell], out), 0);
        fclose(out);
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++)
            cr_assert_not_null(strstr(text, commands_all[i]->options[j].name));
        cr_assert_not_null(strstr(text, "130"));
        free(text);
    }
    cr_assert_eq(completion_write("tcsh", stdout), -1);
}

Test(options, addresses)
{
    static const struct {
        const char *text, *normal;
    } cases[] = {
        {"queen", "tcp://queen:7878"},
        {"queen:99", "tcp://queen:99"},
        {"tcp://queen", "tcp://queen:7878"},
        {"tcp://*:7000", "tcp://*:7000"},
        {"tcp://[::1]", "tcp://[::1]:7878"},
        {"[::1]:5", "tcp://[::1]:5"},
        {"127.0.0.1:*", "tcp://127.0.0.1:*"},
        {"ipc:///run/belt/clients", "ipc:///run/belt/clients"},
        {"", NULL},
        {"tcp://", NULL},
        {"ipc://", NULL},
        {"inproc://x", NULL},
        {"a b", NULL},
        {"/run/belt", NULL},
        {"queen:http", NULL},
        {"queen:1:2", NULL},
        {"::1", NULL},
        {":7878", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char out[ENDPOINT_MAX] = "";
        cr_assert_eq(endpoint_normal(cases[i].text, 7878, out), cases[i].normal != NULL, "%s", cases[i].text);
        if (cases[i].normal)
            cr_assert_str_eq(out, cases[i].normal);
    }
}

Test(options, durations_sizes_and_counts)
{
    char text[UNITS_TEXT];
    uint64_t value;

    cr_assert(units_duration("1.5", &value) && value == 1500);
    cr_assert(units_duration("500ms", &value) && value == 500);
    cr_assert(units_duration("2m", &value) && value == 120000);
    cr_assert(units_duration("0", &value) && value == 0);
    cr_assert_not(units_duration("", &value) || units_duration("-1", &value) || units_duration("1x", &value) ||
                  units_duration(".", &value) || units_duration("nan", &value) || units_duration("99999999d", &value));
    cr_assert(units_size("16M", &value) && value == 16u << 20);
    cr_assert(units_size("1.5k", &value) && value == 1536);
    cr_assert(units_size("4KiB", &value) && value == 4096);
    cr_assert_not(units_size("k", &value) || units_size("1x", &value) || units_size("9999999999G", &value));
    cr_assert_not(units_count("1.5", &value) || units_count("", &value) || units_count("99999999999999999999", &value));
    cr_assert_str_eq(units_show_ms(850, text), "850ms");
    cr_assert_str_eq(units_show_ms(245000, text), "4m05s");
    cr_assert_str_eq(units_show_us(1200, text), "1.2ms");
    cr_assert_str_eq(units_show_bytes(1536, text), "1.5KiB");
    cr_assert_str_eq(units_show_count(1234567, text), "1.2M");
    cr_assert_str_eq(units_show_rate(0, text), "0");
}

Test(options, functions_of_workers)
{
    char name[FUNCTIONS_NAME];
    const char *command;
    bool named;

    cr_assert(functions_split("resize=convert {} -", name, &command, &named) && named);
    cr_assert_str_eq(name, "resize");
    cr_assert_str_eq(command, "convert {} -");
    cr_assert(functions_split("python3 a.py --x=1", name, &command, &named) && !named);
    cr_assert_str_eq(name, "default");
    cr_assert_str_eq(command, "python3 a.py --x=1");
    cr_assert_not(functions_split("resize=", name, &command, &named));
    cr_assert_not(functions_split("", name, &command, &named));
    cr_assert_not(functions_split("=x", name, &command, &named));
    cr_assert(functions_is_name("resize.v2-b_1"));
    cr_assert_not(functions_is_name(""));
    cr_assert_not(functions_is_name("a b"));
    cr_assert_not(functions_is_name(".a"));
    cr_assert_not(functions_is_name("-a"));
    cr_assert_not(functions_split(".x=y", name, &command, &named));
}

Test(options, commands_travel_and_show)
{
    const char *const words[] = {"echo", "<{}>", "it's"}, *const shell[] = {"grep x {} | wc -l"},
                      *const plain[] = {"./analyze"};
    struct bytes out = {0};

    cr_assert(command_encode(words, 3, &out));
    cr_assert_eq(out.len, 1 + 5 + 5 + 5);
    cr_assert_eq(memcmp(out.data, "\0echo\0<{}>\0it's\0", out.len), 0);
    bytes_reset(&out);
    cr_assert(command_encode(shell, 1, &out));
    cr_assert_eq(out.data[0], BELT_EXEC_SHELL);
    bytes_reset(&out);
    cr_assert(command_encode(plain, 1, &out));
    cr_assert_eq(out.data[0], BELT_EXEC_STDIN);
    bytes_reset(&out);
    command_show(words, 3, "a b", 3, &out);
    cr_assert_str_eq(out.data, "echo '<a b>' 'it'\\''s'");
    bytes_reset(&out);
    command_show(shell, 1, "a b", 3, &out);
    cr_assert_str_eq(out.data, "BELT_INPUT='a b' sh -c 'grep x \"${BELT_INPUT?}\" | wc -l'");
    bytes_reset(&out);
    command_show(plain, 1, "7", 1, &out);
    cr_assert_str_eq(out.data, "printf %s 7 | ./analyze");
    bytes_free(&out);
}

Test(options, exit_codes_of_codes)
{
    cr_assert_eq(exit_of_code(BELT_OK), 0);
    cr_assert_eq(exit_of_code(BELT_NO_BROKER), EXIT_BROKER);
    cr_assert_eq(exit_of_code(BELT_LOST_BROKER), EXIT_BROKER);
    cr_assert_eq(exit_of_code(BELT_JOB_CANCELLED), EXIT_CANCELLED);
    cr_assert_eq(exit_of_code(BELT_UNKNOWN_JOB), EXIT_REFUSED);
    cr_assert_eq(exit_of_code(BELT_BAD_ROLE), EXIT_REFUSED);
    cr_assert_eq(exit_of_code(BELT_INVALID), EXIT_USAGE);
    cr_assert_eq(exit_of_code(BELT_NO_MEMORY), EXIT_INTERNAL);
}

Test(options, moments)
{
    static const struct {
        const char *text;
        uint64_t ms; /* 0: it is none */
    } rows[] = {{"@1800000000", 1800000000000},
                {"2027-01-31 22:30Z", 1801434600000},
                {"2027-01-31T22:30:05Z", 1801434605000},
                {"2027-01-31 22:30", 1801434600000},
                {"22:30", 1800052200000}, /* that day */
                {"08:00:01", 1800000001000},
                {"08:00", 1800086400000}, /* it is 08:00:00: the next one is tomorrow's */
                {"07:00", 1800082800000},
                {"", 0},
                {"@", 0},
                {"@-1", 0},
                {"24:00", 0},
                {"7", 0},
                {"07:00x", 0},
                {"2027-02-31 10:00Z", 0},
                {"2027-01-31", 0},
                {"2027-01-31 10:61", 0},
                {"tomorrow", 0}};
    setenv("TZ", "UTC0", 1);
    tzset();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t ms = 0;
        bool is = moment_parse(rows[i].text, 1800000000000, &ms);
        cr_assert(is == (rows[i].ms != 0) && (!is || ms == rows[i].ms), "'%s': %llu", rows[i].text,
                  (unsigned long long)ms);
    }
}

Test(options, names_behind_two_dashes_may_begin_with_one)
{
    static const char *const commands[] = {"cancel", "forget", "wait", "results", "retry", "jobs", "status", "workers"};

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        char line[64];
        snprintf(line, sizeof(line), "%s -- -key", commands[i]);
        cr_assert_eq(load(line, NULL, NULL), 0, "%s: %s", line, options.error);
        cr_expect_eq(options.word_count, 1, "%s", line);
        cr_expect_str_eq(options.words[0], "-key");
        cr_expect_not(options.dashes);
        options_free(&options);
    }
    cr_assert_eq(load("failed show -- -key ::: -3", NULL, NULL), 0);
    cr_expect_eq(options.word_count, 4);
    cr_expect_str_eq(options.words[3], "-3");
    options_free(&options);
    cr_assert_eq(load("store backup --state d -- -new", NULL, NULL), 0);
    cr_expect_str_eq(options.words[1], "-new");
    options_free(&options);
    cr_assert_eq(load("submit -- -run", NULL, NULL), 0);
    cr_expect_eq(options.word_count, 0, "a command");
    cr_expect_str_eq(options.rest[0], "-run");
    options_free(&options);
}
