/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tasks of a private pool write to standard error, shown while they run: each line with the number of its
 * task, written whole. A thread of its own shows it, so that it does not wait for results or their reader.
 */
#ifndef BELT_CLI_LIVE_LOG_H
#define BELT_CLI_LIVE_LOG_H

#include "cli/bytes.h"
#include "cli/joblog.h"

#include "proto/log_lines.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct live_log {
    int ends[2]; /* of the pipe to which the pool's agent writes; -1: closed */
    int stop;    /* readable when the thread is to end; -1: none */
    bool runs, terminal;
    const struct joblog_skip *skip; /* inputs that are no tasks of this run */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t turn;
    atomic_uint waiting; /* for their turn beside the thread */
    struct bytes text;
    size_t len; /* bytes in `records` */
    uint8_t records[4 * LOG_RECORD_MAX];
};

#define LIVE_LOG_NONE {.ends = {-1, -1}, .stop = -1}

/** Makes the pipe, for local_work.log_pipe. 0 or errno. */
int live_log_open(struct live_log *log);
/** Once the pool is open: shows what comes. `skip` is borrowed until live_log_close(). 0 or errno. */
int live_log_start(struct live_log *log, const struct joblog_skip *skip);
/** Returns when all is shown that tasks wrote before the results that have come. */
void live_log_catch_up(struct live_log *log);
/** When the pool is closed: shows what is left, and ends. Accepts LIVE_LOG_NONE, and one that was not started. */
void live_log_close(struct live_log *log);

#endif
