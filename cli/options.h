/* SPDX-License-Identifier: Apache-2.0
 *
 * One table of options per command drives the command line, the environment,
 * the configuration file, the help text and the completion scripts. Pure but
 * for getopt's own variables: the environment and the file come as arguments.
 *
 * An option `--chunksize` of `belt map` is also BELT_MAP_CHUNKSIZE in the environment and `chunksize` in the section
 * [map] of the file; a flag wins over the environment, the environment over the file.
 */
#ifndef BELT_CLI_OPTIONS_H
#define BELT_CLI_OPTIONS_H

#include "cli/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_MAX 64 /* of one command */

enum option_type {
    OPTION_FLAG,     /* int: 1, or 0 by --no-NAME */
    OPTION_TEXT,     /* const char * */
    OPTION_LIST,     /* struct option_list: may be given again */
    OPTION_COUNT,    /* uint64_t in [min, max] */
    OPTION_AUTO,     /* uint64_t, or "auto": 0 */
    OPTION_SIGNED,   /* int64_t in [min, max] */
    OPTION_SIZE,     /* uint64_t bytes */
    OPTION_DURATION, /* uint64_t ms */
    OPTION_CONST     /* no argument: sets a text (`preset`), so that it overrides another option */
};

enum option_scope {
    OPTION_COMMAND, /* BELT_<COMMAND>_<NAME>, and the key in [command] */
    OPTION_GLOBAL,  /* also BELT_<NAME>, and the key before the first section */
    OPTION_FLAG_ONLY
};

enum option_completion { COMPLETE_NONE, COMPLETE_FILE, COMPLETE_COMMAND };

struct option_list {
    const char **items;
    uint32_t count;
};

struct option_def {
    const char *name;
    char letter; /* 0: none */
    enum option_type type;
    enum option_scope scope;
    const char *arg;    /* how the argument is called in help */
    const char *help;   /* one sentence */
    size_t offset;      /* in the command's values */
    int64_t min, max;   /* of a number; both 0: any */
    const char *preset; /* value of a CONST; of another: its argument is optional, and this is it when missing */
    bool (*check)(const char *text); /* TEXT: false refuses */
    const char *expects;             /* what it wants, for the message when it is refused */
    enum option_completion complete;
};

struct command {
    const char *name;
    const char *usage; /* what follows "belt NAME" */
    const char *summary;
    bool runs;           /* a command stands behind "--"; else more words, which may begin with a dash */
    const char *verbs;   /* what the first word may be: "list show"; NULL: any */
    const char *details; /* paragraphs of help; may be NULL */
    const struct option_def *options;
    uint32_t option_count;
    size_t values_size;
    void (*defaults)(void *values);
};

enum option_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_FLAG };

/** A command line taken apart. */
struct options {
    const struct command *command;
    const char **words; /* what is no option, before "--" or ":::"; behind "--", too, where no command is run */
    uint32_t word_count;
    const char **rest; /* after "--", where a command is run */
    uint32_t rest_count;
    bool dashes;         /* there was a "--" with a command behind it */
    const char **inputs; /* after ":::" */
    uint32_t input_count;
    bool colons;
    void *values; /* of the command: its defaults, then what was set */
    enum option_origin origin[OPTIONS_MAX];
    struct option_setting *settings; /* flags, in their order */
    uint32_t setting_count;
    struct option_text *texts; /* copies that values borrow from */
    char error[1024];
};

/** Takes the command line apart, `argv[0]` being the command's name. 0, or -1 with options->error. The strings are
 * borrowed. */
int options_flags(struct options *options, const struct command *command, int argc, char **argv);
/** The last argument of a flag on this command line, NULL when it is not there ("" for a flag without argument). */
const char *options_flag(const struct options *options, const char *name);
/**
 * Fills `options->values`: defaults, then the file (checked against all commands), then `environment` (NAME=VALUE …
 * NULL), then the flags. `file` may be NULL. 0, or -1 with options->error.
 */
int options_apply(struct options *options, const struct command *const *all, const struct config *file,
                  const char *file_name, char *const *environment);
void options_free(struct options *options);

/** Where the value of this option comes from. */
enum option_origin options_origin(const struct options *options, const char *name);

/** The index of an option by its long name, -1: none. */
int options_find(const struct command *command, const char *name);
/** "BELT_MAP_CHUNKSIZE" into `out` (128 bytes); `command` NULL: "BELT_CHUNKSIZE". */
const char *options_env_name(const char *command, const char *name, char *out);
bool options_takes_argument(const struct option_def *def);

#endif
