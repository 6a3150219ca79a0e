/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands of the program and the values of their options. Pure data: what
 * runs them is in main.c.
 */
#ifndef BELT_CLI_COMMANDS_H
#define BELT_CLI_COMMANDS_H

#include "cli/options.h"

enum { CONNECT_TIMEOUT_DEFAULT_MS = 10000, LOST_TIMEOUT_DEFAULT_MS = 60000 };

/** What every command that talks to a broker has, first in its values. */
struct broker_values {
    const char *broker;
    const char *access; /* path of the access file; NULL: the user's own */
    uint64_t connect_timeout;
    const char *config;
    int help;
};

struct map_values {
    struct broker_values common;
    uint64_t slots, max_payload, memory; /* 0: not said */
    const char *coproc, *filter;
    const char *arg_file;
    int null, records, newline;
    uint64_t max_input; /* 0: not said */
    int unordered, tag;
    uint64_t retries, max_attempts, timeout;
    uint64_t backoff; /* UINT64_MAX: not said */
    uint64_t after, deadline, keep, remember;
    const char *at; /* NULL: not said */
    const char *final_statuses;
    const char *halt;
    const char *joblog;
    int resume, resume_failed;
    uint64_t chunksize, buffersize, buffer_bytes;
    int64_t priority;
    int progress, progress_json; /* progress: -1 decides by the terminal */
    uint64_t progress_fd;
    int results_json, dry_run, quiet, volatile_job;
    uint64_t lost_timeout;
    const char *key;
    int take_over;
    uint64_t kill_after, start_timeout, log_bytes;
    int with_parent, tty;
};

struct submit_values {
    struct map_values map; /* what they have in common */
    int durable, detail, json, share;
};

struct results_values {
    struct map_values map; /* what they have in common */
    int ordered, follow;
    const char *reader;
    uint64_t from; /* UINT64_MAX: after what was acknowledged */
};

struct broker_command_values {
    const char *config;
    int help;
    const char *clients, *workers, *admin, *name;
    int insecure_plaintext;
    uint64_t max_payload, memory_budget, heartbeat, lease, grace, drain, ready_fd, keep, history, failed_count,
        failed_bytes, keep_max, max_peers;
    const char *state;
    int trace, quiet;
};

struct worker_values {
    struct broker_values common;
    uint64_t slots;
    struct option_list command, coproc, filter, keep_env;
    int allow_commands, insecure_plaintext, echo, python, insecure;
    struct option_list preload, path; /* of --python, and */
    const char *queue;
    const char *join;
    const char *name;
    uint64_t drain, kill_after, start_timeout, log_bytes, max_tasks_per_slot;
    int quiet;
};

/** status, workers, jobs */
struct show_values {
    struct broker_values common;
    int json;
    uint64_t watch;                        /* ms; 0: once */
    const char *states, *function, *owner; /* of jobs only; NULL: any */
    uint64_t limit;                        /* 0: all */
};

/** cancel, forget */
struct cancel_values {
    struct broker_values common;
    int json, all, yes;
    const char *states, *function, *owner; /* NULL: any */
};

struct ping_values {
    struct broker_values common;
    uint64_t count, interval;
    int json;
};

struct wait_values {
    struct broker_values common;
    uint64_t timeout; /* UINT64_MAX: for ever */
    int json, quiet;
};

/** failed, retry */
struct failed_values {
    struct broker_values common;
    int json, all, input, failed;
    const char *function, *job; /* of list; NULL: any */
    uint64_t limit;             /* 0: all */
};

struct readers_values {
    struct broker_values common;
    int json;
};

struct store_values {
    const char *state, *config;
    int json, help;
};

struct keys_values {
    const char *state, *config, *role, *owner;
    struct option_list address;
    uint64_t expires; /* ms from now; 0: never, of a token an hour */
    uint64_t uses, connections, jobs, waiting_bytes, kept_bytes;
    int json, help;
};

struct bench_values {
    struct broker_values common;
    uint64_t slots, size, tasks, duration;
    uint64_t chunksize, buffersize, buffer_bytes;
    const char *mix;
    uint64_t seed, lead;
    int as_listed, ordered, volatile_job, warm, json;
};

struct plain_values {
    int help;
};

enum command_id {
    COMMAND_MAP,
    COMMAND_SUBMIT,
    COMMAND_RESULTS,
    COMMAND_BROKER,
    COMMAND_WORKER,
    COMMAND_STATUS,
    COMMAND_WORKERS,
    COMMAND_JOBS,
    COMMAND_CANCEL,
    COMMAND_FORGET,
    COMMAND_WAIT,
    COMMAND_PING,
    COMMAND_READERS,
    COMMAND_FAILED,
    COMMAND_RETRY,
    COMMAND_STORE,
    COMMAND_KEYS,
    COMMAND_BENCH,
    COMMAND_HELP,
    COMMAND_VERSION,
    COMMAND_COMPLETION,
    COMMAND_COUNT
};

/** By enum command_id; NULL ends the table. */
extern const struct command *const commands_all[COMMAND_COUNT + 1];

/** The id of a command's name, -1: none. */
int commands_find(const char *name);
/** The nearest name, NULL: none is near. */
const char *commands_nearest(const char *name);

#endif
