/* SPDX-License-Identifier: Apache-2.0
 *
 * The inputs of `belt map`: a file, a pipe or the command line, drawn one by
 * one and never waited for.
 */
#ifndef BELT_CLI_MAP_INPUT_H
#define BELT_CLI_MAP_INPUT_H

#include "cli/commands.h"
#include "cli/joblog.h"
#include "cli/labels.h"
#include "cli/records.h"

#include <belt/belt.h>

struct map_input {
    int fd; /* -1: none */
    bool owns_fd;
    const char *name;    /* for messages */
    const char *limited; /* by which option an input is */
    struct records records;
    const char *const *list; /* inputs of the command line */
    uint32_t list_count, list_at;
    struct joblog_skip skip;
    struct labels *labels; /* NULL: nobody asks for them */
    size_t keep;           /* bytes of each input that labels keep */
    uint64_t seen;         /* inputs read, skipped ones included */
    uint64_t drawn;        /* of them given out */
    bool stopped;          /* --halt soon, a signal: the input is at its end from now on */
    bool ended;
    bool stalled;    /* the last draw found nothing yet */
    bool broken;     /* reading failed: `error` */
    char error[512]; /* also the text of the last input that failed */
};

/** How inputs, and results, are told apart. */
enum records_mode map_input_mode(const struct map_values *values);
/** The inputs of the command line (borrowed), or --arg-file, or standard input. `local`: for a private pool, which
 * takes larger ones. 0, or -1 with a message said. */
int map_input_start(struct map_input *input, const struct options *options, const struct map_values *values,
                    bool local);
void map_input_close(struct map_input *input);

/** A belt_source; `ctx` is the struct map_input. */
int map_input_draw(void *ctx, belt_input *out);

#endif
