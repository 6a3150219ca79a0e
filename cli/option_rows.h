/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the tables of options that several commands share. Pure data, for
 * commands.c and commands_jobs.c only.
 */
#ifndef BELT_CLI_OPTION_ROWS_H
#define BELT_CLI_OPTION_ROWS_H

#include "cli/commands.h"

#include "proto/limits.h"

/* clang-format off */
bool commands_check_clients(const char *text);
bool commands_check_given(const char *text); /* it is not empty */
extern const struct command commands_submit, commands_results, commands_readers, commands_failed, commands_retry, commands_keys;

#define ADDRESS_EXPECTED \
    "an address: host, host:port with a port of 1 to 65535, [IPv6 address]:port, tcp://host:port, or ipc:///path of 107 " \
    "bytes at the most"

#define JOB_NAMES "JOB is the id of a job (6 or #6), or its key (key:6 for a key that looks like an id)."

#define HELP_ROW(owner)                                                                                                 \
    {                                                                                                                  \
        .name = "help", .letter = 'h', .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, .offset = offsetof(owner, help),  \
        .help = "Show this help."                                                                                      \
    }
#define CONFIG_ROW(owner)                                                                                               \
    {                                                                                                                  \
        .name = "config", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "FILE",                               \
        .offset = offsetof(owner, config), .complete = COMPLETE_FILE,                                                   \
        .help = "Read settings from FILE (else $BELT_CONFIG, ~/.config/belt/belt.conf, /etc/belt/belt.conf)."          \
    }
#define BROKER_ROW(text)                                                                                               \
    {                                                                                                                  \
        .name = "broker", .letter = 'b', .type = OPTION_TEXT, .scope = OPTION_GLOBAL, .arg = "ADDRESS",                \
        .offset = offsetof(struct broker_values, broker), .check = commands_check_clients, .expects = ADDRESS_EXPECTED,         \
        .help = (text)                                                                                                 \
    },                                                                                                                 \
    {                                                                                                                  \
        .name = "access", .type = OPTION_TEXT, .scope = OPTION_GLOBAL, .arg = "FILE",                                  \
        .offset = offsetof(struct broker_values, access), .check = commands_check_given, .expects = "a file, or 'none'", \
        .complete = COMPLETE_FILE,                                                                                     \
        .help = "The access file with the keys (~/.config/belt/access or /etc/belt/access, if there; 'none': no keys)." \
    }
#define TIMEOUT_ROW(text) TIMEOUT_FROM(1, text)
#define WORKER_TIMEOUT_ROW(text) TIMEOUT_FROM(0, text)
#define TIMEOUT_FROM(least, text)                                                                                      \
    {                                                                                                                  \
        .name = "connect-timeout", .type = OPTION_DURATION, .scope = OPTION_GLOBAL, .arg = "TIME", .min = (least),     \
        .max = INT64_MAX, .offset = offsetof(struct broker_values, connect_timeout), .help = (text)                    \
    }
#define CONNECT_HELP "Give up when the broker does not answer for so long (10)."
#define ADMIN_ROWS                                                                                                     \
    BROKER_ROW("The broker's address for clients (127.0.0.1:7878)."), TIMEOUT_ROW(CONNECT_HELP),                       \
        CONFIG_ROW(struct broker_values), HELP_ROW(struct broker_values)
#define JSON_ROW(owner)                                                                                                 \
    {                                                                                                                  \
        .name = "json", .type = OPTION_FLAG, .offset = offsetof(owner, json),                                           \
        .help = "Write JSON with a versioned schema, for programs."                                                    \
    }
#define COUNT_OF(array) ((uint32_t)(sizeof(array) / sizeof *(array)))

/* What submit and results share with map is the first member of their values. */
#define MAP(field) .offset = offsetof(struct map_values, field)

#define INPUT_ROWS \
    {.name = "arg-file", .letter = 'a', .type = OPTION_TEXT, .arg = "FILE", MAP(arg_file), .complete = COMPLETE_FILE, \
     .help = "Read the inputs from FILE and not from standard input ('-')."}, \
    {.name = "null", .letter = '0', .type = OPTION_FLAG, MAP(null), \
     .help = "Inputs end with a NUL byte, not with a newline; so do results."}, \
    {.name = "records", .type = OPTION_FLAG, MAP(records), \
     .help = "Inputs and results are binary: a length of 4 bytes, big-endian, then as many bytes."}, \
    {.name = "max-input", .type = OPTION_SIZE, .arg = "SIZE", MAP(max_input), \
     .help = "An input over SIZE is an error in its place (16M; in a private pool of 'belt map' its --max-payload)."}
#define TASK_ROWS \
    {.name = "retries", .type = OPTION_COUNT, .arg = "N", MAP(retries), .max = 1000000, \
     .help = "Run a task that fails or times out up to N times more (0)."}, \
    {.name = "max-attempts", .type = OPTION_COUNT, .arg = "N", MAP(max_attempts), .max = 1000000, \
     .help = "A task whose slot dies is given up after N runs (3)."}, \
    {.name = "backoff", .type = OPTION_DURATION, .arg = "TIME", MAP(backoff), \
     .help = "Wait so long before a task runs again, twice as long each time, up to 30 s (0.1; a private pool: 0)."}, \
    {.name = "final-status", .type = OPTION_TEXT, .arg = "LIST", MAP(final_statuses), \
     .help = "Do not run a command again that exits with one of these: 2,64-78."}, \
    {.name = "after", .type = OPTION_DURATION, .arg = "TIME", MAP(after), \
     .help = "Run nothing before so long from now (0)."}, \
    {.name = "at", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "WHEN", MAP(at), \
     .help = "Run nothing before this time: 22:30 (the next one), '2027-01-31 22:30', with Z for UTC, or @SECONDS."}, \
    {.name = "keep", .type = OPTION_DURATION, .arg = "TIME", MAP(keep), \
     .help = "Give the job up when nobody has fed or read it for TIME (0: the broker's --keep; of a map without --key: --grace)."}, \
    {.name = "remember", .type = OPTION_DURATION, .arg = "TIME", MAP(remember), \
     .help = "The --key stands for the job for TIME after it was read to its end (1h; 0: it is free then)."}, \
    {.name = "deadline", .type = OPTION_DURATION, .arg = "TIME", MAP(deadline), \
     .help = "What is not done so long from now is stopped and has failed: TASK_EXPIRED (0: never)."}, \
    {.name = "timeout", .type = OPTION_DURATION, .arg = "TIME", MAP(timeout), \
     .help = "Stop a task that runs longer; it has failed (0: never)."}, \
    {.name = "chunksize", .type = OPTION_AUTO, .arg = "N|auto", MAP(chunksize), .min = 1, .max = BELT_MAX_BATCH, \
     .help = "Tasks that go to a slot at a time (auto: by their measured run time)."}, \
    {.name = "priority", .type = OPTION_SIGNED, .arg = "N", MAP(priority), .min = -100, .max = 100, \
     .help = "Tasks of a higher priority run first, from -100 to 100 (0)."}
#define TAKE_OVER_ROW(text) \
    {.name = "take-over", .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, MAP(take_over), .help = (text)}
#define START_TIMEOUT_ROW(memory) \
    {.name = "start-timeout", .type = OPTION_DURATION, .arg = "TIME", .offset = offsetof(memory, start_timeout), \
     .min = 1, .max = BELT_MAX_WAIT_MS, \
     .help = "A slot's program (--coproc) that is not ready after TIME is killed and started again (10)."}
#define RESULT_ROWS \
    {.name = "newline", .type = OPTION_FLAG, MAP(newline), \
     .help = "Add a newline to a result that lacks one (on; --no-newline writes it as it is)."}, \
    {.name = "results-json", .type = OPTION_FLAG, MAP(results_json), \
     .help = "Write each result as one line of JSON: index, code, exit status, payload."}, \
    {.name = "quiet", .letter = 'q', .type = OPTION_FLAG, MAP(quiet), \
     .help = "Say nothing about failed tasks, and do not pass on what tasks write to standard error."}
#define LOST_ROW \
    {.name = "lost-timeout", .type = OPTION_DURATION, .arg = "TIME", MAP(lost_timeout), \
     .help = "Give up when the broker is lost in the middle and does not come back within TIME (60)."}
#define KILL_AFTER_ROW(memory) \
    {.name = "kill-after", .type = OPTION_DURATION, .arg = "TIME", .offset = offsetof(memory, kill_after), \
     .help = "A task that is stopped, for whatever reason, gets SIGTERM, and SIGKILL after this (2)."}
#define LOG_BYTES_ROW(memory) \
    {.name = "log-bytes", .type = OPTION_SIZE, .arg = "SIZE", .offset = offsetof(memory, log_bytes), \
     .max = BELT_LOG_BYTES_MAX, .expects = "a size of 256k at the most: 4096, 64k", \
     .help = "A result carries the last SIZE of what its task wrote to standard error, up to 256k (16k; 0: nothing)."}
/* clang-format on */

#endif
