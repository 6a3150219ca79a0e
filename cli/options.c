/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes command lines apart by a table of options. Values are set in
 * option_values.c. See options.h.
 */
#include "cli/option_values.h"
#include "cli/suggest.h"
#include "proto/text_cut.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* getopt's answer for the option with index i, and for its negation. */
#define LONG_BASE    1000
#define NEGATED_BASE 2000

struct getopt_table {
    struct option longs[2 * OPTIONS_MAX + 1];
    char shorts[3 * OPTIONS_MAX + 4];
    char negated[OPTIONS_MAX][64];
};

bool options_takes_argument(const struct option_def *def)
{
    return def->type != OPTION_FLAG && def->type != OPTION_CONST;
}

int options_find(const struct command *command, const char *name)
{
    for (uint32_t i = 0; i < command->option_count; i++)
        if (!strcmp(command->options[i].name, name))
            return (int)i;
    return -1;
}

const char *options_env_name(const char *command, const char *name, char *out)
{
    snprintf(out, 128, command ? "BELT_%s_%s" : "BELT_%s%s", command ? command : "", name);
    for (char *at = out; *at; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return out;
}

static int argument_kind(const struct option_def *def)
{
    if (!options_takes_argument(def))
        return no_argument;
    return def->preset ? optional_argument : required_argument;
}

static void build_table(const struct command *command, struct getopt_table *table)
{
    struct option *at = table->longs;
    char *shorts = table->shorts;

    *shorts++ = '+';
    *shorts++ = ':';
    for (uint32_t i = 0; i < command->option_count; i++) {
        const struct option_def *def = &command->options[i];
        *at++ = (struct option){.name = def->name, .has_arg = argument_kind(def), .val = LONG_BASE + (int)i};
        if (def->type == OPTION_FLAG && def->scope != OPTION_FLAG_ONLY) {
            snprintf(table->negated[i], sizeof(table->negated[i]), "no-%s", def->name);
            *at++ = (struct option){.name = table->negated[i], .val = NEGATED_BASE + (int)i};
        }
        if (def->letter) {
            *shorts++ = def->letter;
            for (int kind = argument_kind(def); kind > no_argument; kind--)
                *shorts++ = ':'; /* one for a required argument, two for an optional one */
        }
    }
    *at = (struct option){0};
    *shorts = '\0';
}

static int by_letter(const struct command *command, int letter)
{
    for (uint32_t i = 0; i < command->option_count; i++)
        if (command->options[i].letter && command->options[i].letter == letter)
            return (int)i;
    return -1;
}

static int unknown_option(struct options *options, const char *word)
{
    struct suggest suggest;
    char name[64];

    text_print(name, sizeof(name), "%s", word + 2);
    name[strcspn(name, "=")] = '\0';
    suggest_init(&suggest, name);
    for (uint32_t i = 0; i < options->command->option_count; i++)
        suggest_offer(&suggest, options->command->options[i].name);
    text_print(options->error, sizeof(options->error), "unknown option '--%s'%s%s%s; see 'belt help %s'", name,
               suggest.best ? "; did you mean '--" : "", suggest.best ? suggest.best : "", suggest.best ? "'?" : "",
               options->command->name);
    return -1;
}

/* getopt answered ':' or '?'. */
static int bad_flag(struct options *options, int answer, const char *word)
{
    const struct option_def *defs = options->command->options;

    if (optopt >= NEGATED_BASE)
        snprintf(options->error, sizeof(options->error), "option '--no-%s' takes no argument",
                 defs[optopt - NEGATED_BASE].name);
    else if (answer == ':' && optopt >= LONG_BASE)
        snprintf(options->error, sizeof(options->error), "option '--%s' needs an argument: %s",
                 defs[optopt - LONG_BASE].name, defs[optopt - LONG_BASE].arg);
    else if (answer == ':')
        snprintf(options->error, sizeof(options->error), "option '-%c' needs an argument: %s", optopt,
                 defs[by_letter(options->command, optopt)].arg);
    else if (optopt >= LONG_BASE)
        snprintf(options->error, sizeof(options->error), "option '--%s' takes no argument",
                 defs[optopt - LONG_BASE].name);
    else if (optopt)
        snprintf(options->error, sizeof(options->error), "unknown option '-%c'; see 'belt help %s'", optopt,
                 options->command->name);
    else
        return unknown_option(options, word);
    return -1;
}

static int take_flag(struct options *options, int answer, const char *argument)
{
    bool negated = answer >= NEGATED_BASE;
    int index = negated               ? answer - NEGATED_BASE
                : answer >= LONG_BASE ? answer - LONG_BASE
                                      : by_letter(options->command, answer);
    const struct option_def *def = &options->command->options[index];

    options->settings[options->setting_count++] =
        (struct option_setting){.def = def,
                                .value = negated                                      ? "false"
                                         : argument                                   ? argument
                                         : def->preset && options_takes_argument(def) ? def->preset
                                                                                      : "true"};
    return 0;
}

static void take_rest(struct options *options, int argc, char **argv, int at)
{
    for (; at < argc && strcmp(argv[at], ":::"); at++)
        options->rest[options->rest_count++] = argv[at];
    if (at < argc)
        options->colons = true;
    for (at++; at < argc; at++)
        options->inputs[options->input_count++] = argv[at];
}

/* Behind "--": a command, or names that may look like options. 1, or -1 when nothing stands there: whoever writes
 * `belt jobs -- $JOB` does not mean all jobs when the variable is not set. */
static int take_dashes(struct options *options, int argc, char **argv)
{
    options->dashes = options->command->runs;
    if (optind >= argc) {
        snprintf(options->error, sizeof(options->error), "%s '--' (an unset variable?); see 'belt help %s'",
                 options->dashes ? "a command is missing after" : "nothing stands behind", options->command->name);
        return -1;
    }
    if (options->dashes)
        take_rest(options, argc, argv, optind);
    else
        while (optind < argc)
            options->words[options->word_count++] = argv[optind++];
    return 1;
}

/* One step of the walk: an option, a word, or the end (1). */
static int walk(struct options *options, const struct getopt_table *table, int argc, char **argv)
{
    int before = optind, answer = getopt_long(argc, argv, table->shorts, table->longs, NULL);

    if (answer == '?' || answer == ':')
        return bad_flag(options, answer, argv[optind - 1]);
    if (answer != -1)
        return take_flag(options, answer, optarg);
    if (optind >= argc && !(optind == before + 1 && !strcmp(argv[before], "--")))
        return 1;
    if (optind == before + 1 && !strcmp(argv[before], "--")) {
        return take_dashes(options, argc, argv);
    }
    if (!strcmp(argv[optind], ":::")) {
        take_rest(options, argc, argv, optind);
        return 1;
    }
    options->words[options->word_count++] = argv[optind++];
    return 0;
}

int options_flags(struct options *options, const struct command *command, int argc, char **argv)
{
    struct getopt_table table;
    size_t room = (size_t)argc + 1;
    int rc;

    *options = (struct options){.command = command};
    options->words = calloc(room, sizeof(*options->words));
    options->rest = calloc(room, sizeof(*options->rest));
    options->inputs = calloc(room, sizeof(*options->inputs));
    /* A cluster like -vvv holds many flags in one word. */
    for (int i = 1; i < argc; i++)
        room += strlen(argv[i]);
    options->settings = calloc(room, sizeof(*options->settings));
    options->values = calloc(1, command->values_size ? command->values_size : 1);
    if (!options->words || !options->rest || !options->inputs || !options->settings || !options->values) {
        snprintf(options->error, sizeof(options->error), "out of memory");
        return -1;
    }
    build_table(command, &table);
    opterr = 0;
    optind = 0; /* glibc: start anew */
    getopt_long(1, argv, table.shorts, table.longs, NULL);
    optind = 1;
    while ((rc = walk(options, &table, argc, argv)) == 0)
        ;
    return rc < 0 ? -1 : 0;
}

const char *options_flag(const struct options *options, const char *name)
{
    for (uint32_t i = options->setting_count; i > 0; i--)
        if (!strcmp(options->settings[i - 1].def->name, name))
            return options->settings[i - 1].value;
    return NULL;
}

enum option_origin options_origin(const struct options *options, const char *name)
{
    int index = options_find(options->command, name);
    return index < 0 ? ORIGIN_DEFAULT : options->origin[index];
}
