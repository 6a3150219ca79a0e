/* SPDX-License-Identifier: Apache-2.0
 *
 * The results of `belt map` and `belt results`: what goes to standard output, what to standard
 * error, what to the joblog.
 */
#ifndef BELT_CLI_MAP_OUTPUT_H
#define BELT_CLI_MAP_OUTPUT_H

#include "cli/bytes.h"
#include "cli/commands.h"
#include "cli/labels.h"
#include "cli/records.h"

#include <belt/belt.h>

struct map_output {
    const char *command; /* for messages: "map" */
    const struct map_values *values;
    enum records_mode mode;
    bool value;           /* a function's result is a value: an empty one is an empty line; a command's output is not */
    bool shares_terminal; /* results go to a terminal, with the status line, and are made fit for it */
    bool err_terminal;    /* likewise what tasks write to standard error */
    bool continues;       /* standard output may be a file that an earlier run of this has begun */
    bool goes_on;         /* and it is: the results are not the first ones */
    bool live;            /* standard error of the tasks was shown while they ran */
    bool mended;          /* the end of that file was looked at */
    const char *const *words; /* of the command, for the joblog */
    uint32_t word_count;
    bool local;           /* a private pool: the joblog calls its host ":", as GNU parallel does */
    const char *function; /* when there is no command */
    int joblog;           /* descriptor, -1: none */
    struct bytes out, err, log;
    size_t out_written, log_written; /* of what an interrupted flush left */
    uint64_t done, failed;
    char error[256];
};

/** Standard output, and how results are written to it. 0, or an exit code with a message said. */
int map_output_open(struct map_output *output, const char *command, const struct map_values *values);
/** Adds one result to what map_output_flush() writes. False when out of memory. */
bool map_output_add(struct map_output *output, const belt_result *result, const struct label *label);
/** Writes everything; standard output first. 0, or an exit code with output->error ("" when a signal came). */
int map_output_flush(struct map_output *output);
/** Nobody reads standard output any more. */
bool map_output_closed(void);
void map_output_free(struct map_output *output);

/** Text of one failed task for people: "task 7 failed: exit status 3 (input: …)". */
void map_output_failure(const belt_result *result, const struct label *label, bool local, struct bytes *out);

#endif
