/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share that ask a broker something.
 */
#ifndef BELT_CLI_ADMIN_H
#define BELT_CLI_ADMIN_H

#include "cli/bytes.h"
#include "cli/commands.h"

#include "proto/message.h"

#include <belt/belt.h>

/* A broker that is there answers at once; this is for one that is stuck. */
#define ADMIN_ANSWER_MS 10000

/** Connects as the values say. 0, or an exit code with a message said. */
int admin_open(const struct broker_values *values, belt_pool **pool);
/** The same with another role; `lost_timeout` ms, 0: the default. */
int admin_open_as(const struct broker_values *values, enum belt_role role, uint64_t lost_timeout, belt_pool **pool);
/** Says the last error of libbelt; the exit code for it. */
int admin_failed(int code);
/** What somebody typed is one job: "6" and "#6" are an id; "nightly" and "key:6" are a key, of the job that lives or
 * else of the only one that is past. */
struct admin_job {
    uint64_t id;
    bool past;
    bool complete, cancelled; /* both false: it is not over */
};
/** Every verb finds its job here. 0, or an exit code with a message said. */
int admin_find_job(belt_pool *pool, const char *name, struct admin_job *job);
/** True: the name is an id; there need not be such a job. */
bool admin_is_id(const char *name, uint64_t *id);
/** What the command says of its names, one after the other: the first trouble, or that some were done and some not. */
struct admin_outcome {
    uint32_t good, bad;
    int first; /* exit code of the first trouble */
};
void admin_count(struct admin_outcome *outcome, int rc);
int admin_outcome(const struct admin_outcome *outcome);
/** Writes to standard output. 0, or an exit code with a message said. */
int admin_print(struct bytes *out);
/** The exit code, after saying what is wrong with the command line. */
int admin_usage(const struct options *options, const char *text);
/** Waits, but not for a signal: false when one came. */
bool admin_sleep(uint64_t ms);

/** Standard output is a terminal that shows them, and nobody has forbidden it. */
bool admin_colours(void);

#endif
