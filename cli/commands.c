/* SPDX-License-Identifier: Apache-2.0
 *
 * The one list of commands and options. Pure data.
 */
#include "cli/commands.h"

#include "cli/endpoint.h"
#include "cli/halt.h"
#include "cli/option_rows.h"
#include "cli/states.h"
#include "cli/suggest.h"

#include "proto/limits.h"
#include "worker/agent.h"

#include <string.h>

#define BROKER_LOCAL "local"

bool commands_check_clients(const char *text)
{
    char out[ENDPOINT_MAX];
    /* A * is for addresses to listen on. */
    if (!strncmp(text, "ipc://", 6))
        return endpoint_normal(text, ENDPOINT_CLIENTS_PORT, out);
    return !strcmp(text, BROKER_LOCAL) || (!strchr(text, '*') && endpoint_normal(text, ENDPOINT_CLIENTS_PORT, out));
}

static bool check_address(const char *text)
{
    char out[ENDPOINT_MAX];
    return endpoint_normal(text, ENDPOINT_CLIENTS_PORT, out);
}

bool commands_check_given(const char *text)
{
    return *text;
}

static bool check_halt(const char *text)
{
    struct halt halt;
    return halt_parse(text, &halt);
}

/* clang-format off */

static const struct option_def map_options[] = {
    BROKER_ROW("Run on the cluster of this broker; 'local': a private pool, whatever the environment says."),
    {.name = "slots", .letter = 'j', .type = OPTION_COUNT, .arg = "N", MAP(slots), .max = BELT_MAX_SLOTS,
     .help = "Slots of the private pool: tasks that run at a time (0: one per processor)."},
    {.name = "max-payload", .type = OPTION_SIZE, .arg = "SIZE", MAP(max_payload), .min = 1, .max = INT64_MAX,
     .help = "The private pool takes inputs and results up to SIZE (1G, or --memory where that is less)."},
    {.name = "memory", .type = OPTION_SIZE, .arg = "SIZE", MAP(memory), .min = 1, .max = INT64_MAX,
     .help = "The private pool keeps inputs and results up to SIZE (half of what this machine or control group has)."},
    {.name = "coproc", .type = OPTION_TEXT, .arg = "COMMAND", MAP(coproc), .complete = COMPLETE_COMMAND,
     .help = "The private pool runs COMMAND in each slot, which speaks the slot protocol (belt-worker(1))."},
    {.name = "filter", .type = OPTION_TEXT, .arg = "COMMAND", MAP(filter), .complete = COMPLETE_COMMAND,
     .help = "The private pool runs COMMAND in each slot, which answers each line with one line."},
    INPUT_ROWS,
    RESULT_ROWS,
    TASK_ROWS,
    {.name = "unordered", .letter = 'u', .type = OPTION_FLAG, MAP(unordered),
     .help = "Print each result the moment it is done, not in the order of the inputs."},
    {.name = "tag", .type = OPTION_FLAG, MAP(tag), .help = "Start each line of a result with its input and a tab."},
    {.name = "halt", .type = OPTION_TEXT, .arg = "WHEN,WHAT", MAP(halt), .check = check_halt,
     .expects = "'never', or 'now' or 'soon', a comma, and fail=N, fail=N%, success=N or done=N",
     .help = "Stop early: now,fail=1 stops what runs; soon,fail=10% lets it finish; also success=N, done=N."},
    {.name = "keep-going", .letter = 'k', .type = OPTION_CONST, MAP(halt), .preset = "never",
     .help = "Run all tasks whatever fails: the default, and the way to override a configured --halt."},
    {.name = "joblog", .type = OPTION_TEXT, .arg = "FILE", MAP(joblog), .complete = COMPLETE_FILE,
     .help = "Write a line for each finished task to FILE, in the format of GNU parallel."},
    {.name = "resume", .type = OPTION_FLAG, MAP(resume),
     .help = "Skip the inputs that the joblog shows as finished."},
    {.name = "resume-failed", .type = OPTION_FLAG, MAP(resume_failed),
     .help = "Skip the inputs that the joblog shows as finished well; run the failed again."},
    {.name = "buffersize", .type = OPTION_AUTO, .arg = "N|auto", MAP(buffersize), .min = 1, .max = BELT_WINDOW_ITEMS_MAX,
     .help = "Inputs read ahead of the results that are written (auto: by the measured rate)."},
    {.name = "buffer-bytes", .type = OPTION_SIZE, .arg = "SIZE", MAP(buffer_bytes),
     .help = "The same in bytes (64M)."},
    {.name = "volatile", .type = OPTION_FLAG, MAP(volatile_job),
     .help = "Do not keep the job on the broker's disk: faster, and gone with the broker."},
    {.name = "key", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "KEY", MAP(key),
     .help = "Name the job: the same command again, after a crash, goes on where its output was taken; needs --broker."},
    TAKE_OVER_ROW("With --key: although another client that is connected has the job; that one ends."),
    {.name = "progress", .type = OPTION_FLAG, MAP(progress),
     .help = "Show a progress line on the terminal (on when results go elsewhere; --no-progress)."},
    {.name = "progress-json", .type = OPTION_FLAG, MAP(progress_json),
     .help = "Write progress as JSON lines to standard error, about once a second."},
    {.name = "progress-fd", .type = OPTION_COUNT, .arg = "N", MAP(progress_fd), .min = 1, .max = 1 << 20,
     .help = "Write the JSON lines of --progress-json to descriptor N."},
    {.name = "dry-run", .letter = 'n', .type = OPTION_FLAG, MAP(dry_run),
     .help = "Print what would be run, and run nothing."},
    KILL_AFTER_ROW(struct map_values),
    START_TIMEOUT_ROW(struct map_values),
    LOG_BYTES_ROW(struct map_values),
    {.name = "tty", .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, MAP(tty),
     .help = "Give the task the terminal (/dev/tty), for an editor or a question; needs a private pool and -j1."},
    {.name = "die-with-parent", .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, MAP(with_parent),
     .help = "Stop when the process that started this one ends; without it a map in the background goes on."},
    TIMEOUT_ROW(CONNECT_HELP),
    LOST_ROW,
    CONFIG_ROW(struct broker_values),
    HELP_ROW(struct broker_values),
};

static void map_defaults(void *memory)
{
    struct map_values *values = memory;

    *values = (struct map_values){.common.connect_timeout = CONNECT_TIMEOUT_DEFAULT_MS,
                                  .newline = 1,
                                  .lost_timeout = LOST_TIMEOUT_DEFAULT_MS,
                                  .kill_after = BELT_KILL_AFTER_MS,
                                  .start_timeout = BELT_START_MS_DEFAULT,
                                  .log_bytes = BELT_LOG_BYTES,
                                  .halt = "never",
                                  .backoff = UINT64_MAX,
                                  .remember = BELT_REMEMBER_MS,
                                  .progress = -1};
}

static const struct command map_command = {
    .name = "map",
    .runs = true,
    .usage = "[OPTIONS] -- COMMAND [ARGUMENT…] [::: INPUT…]\n"
             "       belt map [OPTIONS] --broker ADDRESS FUNCTION [::: INPUT…]\n"
             "       belt map [OPTIONS] --coproc COMMAND | --filter COMMAND [::: INPUT…]",
    .summary = "Run a task for each input and print the results as they are due.",
    .details =
        "Inputs are the lines of standard input, read only as results are written. A task is COMMAND with {} replaced by the "
        "input, or, when no word holds {}, COMMAND with the input on its standard input. A COMMAND of one word that holds blanks "
        "or other shell characters is a line for the shell: belt map -- 'grep x {} | wc -l'.\n"
        "Without --broker (and BELT_BROKER) a private pool on this machine runs the tasks, and is gone afterwards. With it, "
        "FUNCTION names what the cluster's workers serve; -- COMMAND needs workers started with --allow-commands.\n"
        "Each result is printed in the order of the inputs the moment it is due, with a newline if it lacks one; what tasks "
        "write to standard error is passed on, each line with the number of its task ([0] is the first input).",
    .options = map_options,
    .option_count = COUNT_OF(map_options),
    .values_size = sizeof(struct map_values),
    .defaults = map_defaults,
};

#define BROKER(field) .offset = offsetof(struct broker_command_values, field)

static const struct option_def broker_options[] = {
    {.name = "clients", .type = OPTION_TEXT, .arg = "ADDRESS", BROKER(clients), .check = check_address,
     .expects = ADDRESS_EXPECTED, .help = "Listen here for clients and administration (tcp://127.0.0.1:7878)."},
    {.name = "workers", .type = OPTION_TEXT, .arg = "ADDRESS", BROKER(workers), .check = check_address,
     .expects = ADDRESS_EXPECTED, .help = "Listen here for workers (tcp://127.0.0.1:7879)."},
    {.name = "admin", .type = OPTION_TEXT, .arg = "ADDRESS", BROKER(admin), .check = check_address,
     .expects = ADDRESS_EXPECTED,
     .help = "Listen here as well, on this machine: connections are kept free for it, so that 'belt status' gets in."},
    {.name = "max-peers", .type = OPTION_COUNT, .arg = "N", BROKER(max_peers), .min = 1, .max = BELT_MAX_PEERS,
     .help = "Serve so many clients and workers at a time (16384, or what the limit of open files allows)."},
    {.name = "insecure-plaintext", .type = OPTION_FLAG, BROKER(insecure_plaintext),
     .help = "Listen without keys, also on an address that is not loopback: anybody who reaches it can do everything."},
    {.name = "name", .type = OPTION_TEXT, .arg = "NAME", BROKER(name), .help = "Name shown to people (the host's name)."},
    {.name = "max-payload", .type = OPTION_SIZE, .arg = "SIZE", BROKER(max_payload), .min = 1, .max = INT64_MAX,
     .help = "Refuse inputs and results over SIZE (16M)."},
    {.name = "memory-budget", .type = OPTION_SIZE, .arg = "SIZE", BROKER(memory_budget), .min = 1, .max = INT64_MAX,
     .help = "Keep at most SIZE of inputs and results; beyond it clients wait (1G)."},
    {.name = "heartbeat", .type = OPTION_DURATION, .arg = "TIME", BROKER(heartbeat), .min = 1, .max = UINT32_MAX,
     .help = "Peers speak at least this often (1)."},
    {.name = "lease", .type = OPTION_DURATION, .arg = "TIME", BROKER(lease), .min = 1, .max = UINT32_MAX,
     .help = "A peer that is silent for so long is gone; its tasks run elsewhere (5)."},
    {.name = "grace", .type = OPTION_DURATION, .arg = "TIME", BROKER(grace),
     .help = "A job outlives its client's connection by this (90)."},
    {.name = "state", .type = OPTION_TEXT, .scope = OPTION_GLOBAL, .arg = "DIR", BROKER(state), .complete = COMPLETE_FILE,
     .help = "Keep jobs in DIR: they survive the broker. Without it they end with it."},
    {.name = "keep", .type = OPTION_DURATION, .arg = "TIME", BROKER(keep),
     .help = "A detached job that nobody feeds or reads is given up after TIME (7d)."},
    {.name = "keep-max", .type = OPTION_DURATION, .arg = "TIME", BROKER(keep_max),
     .help = "The most that a job may ask for with its own --keep (366d)."},
    {.name = "failed-count", .type = OPTION_COUNT, .arg = "N", BROKER(failed_count), .min = 1, .max = 100000000,
     .help = "Keep up to N failed tasks of a function with their inputs, for 'belt retry' (100000)."},
    {.name = "failed-bytes", .type = OPTION_SIZE, .arg = "SIZE", BROKER(failed_bytes),
     .help = "And up to SIZE of them (128M; an eighth of the memory budget for all functions, or SIZE when that is more)."},
    {.name = "history", .type = OPTION_DURATION, .arg = "TIME", BROKER(history),
     .help = "Remember a job that is over and forgotten for TIME, for 'belt jobs' (7d; 0: not at all)."},
    {.name = "drain", .type = OPTION_DURATION, .arg = "TIME", BROKER(drain),
     .help = "On SIGTERM wait so long for running jobs (10)."},
    {.name = "ready-fd", .type = OPTION_COUNT, .arg = "N", BROKER(ready_fd), .min = 3, .max = 1 << 20,
     .help = "Write both addresses to descriptor N once they are bound."},
    {.name = "trace", .type = OPTION_FLAG, BROKER(trace), .help = "Write every decision to standard error."},
    {.name = "quiet", .letter = 'q', .type = OPTION_FLAG, BROKER(quiet), .help = "Log warnings and errors only."},
    CONFIG_ROW(struct broker_command_values),
    HELP_ROW(struct broker_command_values),
};

static void broker_defaults(void *memory)
{
    *(struct broker_command_values *)memory =
        (struct broker_command_values){.drain = 10000, .grace = BELT_GRACE_MS, .history = BELT_HISTORY_MS};
}

static const struct command broker_command = {
    .name = "broker",
    .usage = "[OPTIONS]",
    .summary = "Run the broker: it hands tasks to workers and results to their readers.",
    .details = "Ends on SIGTERM or SIGINT, after running jobs had their time (--drain).",
    .options = broker_options,
    .option_count = COUNT_OF(broker_options),
    .values_size = sizeof(struct broker_command_values),
    .defaults = broker_defaults,
};

#define WORKER(field) .offset = offsetof(struct worker_values, field)

static const struct option_def worker_options[] = {
    BROKER_ROW("The broker's address for workers (127.0.0.1:7879)."),
    {.name = "slots", .letter = 'j', .type = OPTION_COUNT, .arg = "N", WORKER(slots), .max = BELT_MAX_SLOTS,
     .help = "Tasks that run at a time (0: one per processor)."},
    {.name = "command", .type = OPTION_LIST, .arg = "[NAME=]COMMAND", WORKER(command), .complete = COMPLETE_COMMAND,
     .help = "Serve NAME: run COMMAND for each task, {} being the input (else it is on standard input)."},
    {.name = "coproc", .type = OPTION_LIST, .arg = "[NAME=]COMMAND", WORKER(coproc), .complete = COMPLETE_COMMAND,
     .help = "Serve NAME: keep COMMAND running in each slot; it speaks the slot protocol."},
    {.name = "filter", .type = OPTION_LIST, .arg = "[NAME=]COMMAND", WORKER(filter), .complete = COMPLETE_COMMAND,
     .help = "Serve NAME: keep COMMAND running in each slot; it answers each line with one line."},
    {.name = "allow-commands", .type = OPTION_FLAG, WORKER(allow_commands),
     .help = "Serve 'exec': run any command that a client sends (belt map --broker … -- COMMAND)."},
    {.name = "keep-env", .type = OPTION_LIST, .arg = "NAME", WORKER(keep_env),
     .help = "With --allow-commands: such commands get this variable of the worker's environment, too."},
    {.name = "insecure-plaintext", .type = OPTION_FLAG, WORKER(insecure_plaintext),
     .help = "Allow --allow-commands over tcp:// without keys: whoever reaches the broker's port runs commands as you."},
    {.name = "join", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "TOKEN", WORKER(join), .complete = COMPLETE_FILE,
     .check = commands_check_given, .expects = "a token, '-', or the file that holds one",
     .help = "Get a key of the broker by the token of 'belt keys token' ('-': standard input, or a file), and keep it."},
    {.name = "echo", .type = OPTION_FLAG, WORKER(echo),
     .help = "Serve 'belt-echo' and 'belt-echo-work', which 'belt bench' measures a cluster with."},
    {.name = "python", .type = OPTION_FLAG, WORKER(python),
     .help = "Serve the functions of Python programs, alone: what 'python3 -m belt worker' does."},
    {.name = "preload", .type = OPTION_LIST, .arg = "MODULE", WORKER(preload),
     .help = "With --python: import it before slots start."},
    {.name = "path", .type = OPTION_LIST, .arg = "DIR", WORKER(path), .complete = COMPLETE_FILE,
     .help = "With --python: look for modules there first."},
    {.name = "queue", .type = OPTION_TEXT, .arg = "NAME", WORKER(queue), .check = commands_check_given, .expects = "a name",
     .help = "With --python: serve the pools that were opened with this queue only."},
    {.name = "insecure", .type = OPTION_FLAG, WORKER(insecure),
     .help = "With --python: trust everybody who reaches a broker that is not on this machine."},
    {.name = "name", .type = OPTION_TEXT, .arg = "NAME", WORKER(name), .help = "Name shown to people (host:pid)."},
    {.name = "drain", .type = OPTION_DURATION, .arg = "TIME", WORKER(drain),
     .help = "On SIGTERM running tasks may finish for so long (10)."},
    KILL_AFTER_ROW(struct worker_values),
    START_TIMEOUT_ROW(struct worker_values),
    LOG_BYTES_ROW(struct worker_values),
    {.name = "max-tasks-per-slot", .type = OPTION_COUNT, .arg = "N", WORKER(max_tasks_per_slot),
     .help = "Replace a slot after N tasks (0: never)."},
    {.name = "quiet", .letter = 'q', .type = OPTION_FLAG, WORKER(quiet), .help = "Log warnings and errors only."},
    WORKER_TIMEOUT_ROW("Give up when the broker does not answer for so long (0: never)."),
    CONFIG_ROW(struct broker_values),
    HELP_ROW(struct broker_values),
};

static void worker_defaults(void *memory)
{
    *(struct worker_values *)memory = (struct worker_values){.drain = 10000,
                                                             .kill_after = BELT_KILL_AFTER_MS,
                                                             .start_timeout = BELT_START_MS_DEFAULT,
                                                             .log_bytes = BELT_LOG_BYTES};
}

static const struct command worker_command = {
    .name = "worker",
    .usage = "[OPTIONS] --command [NAME=]COMMAND | --coproc … | --filter … | --allow-commands | --python",
    .summary = "Run a worker: it serves functions to a broker.",
    .details = "Each of --command, --coproc and --filter may be given again, with other names. A function without NAME= is "
               "called 'default'. Ends on SIGTERM or SIGINT: running tasks finish (--drain), the others go back to the broker.",
    .options = worker_options,
    .option_count = COUNT_OF(worker_options),
    .values_size = sizeof(struct worker_values),
    .defaults = worker_defaults,
};

#define WATCH_ROW                                                                                                      \
    {.name = "watch", .letter = 'w', .type = OPTION_DURATION, .arg = "TIME", .offset = offsetof(struct show_values, watch), \
     .min = 1, .max = INT64_MAX, .preset = "2", .help = "Show it again every TIME (2), until interrupted."}
#define LIMIT_ROW                                                                                                      \
    {.name = "limit", .letter = 'l', .type = OPTION_COUNT, .scope = OPTION_FLAG_ONLY, .arg = "N",                      \
     .offset = offsetof(struct show_values, limit), .help = "Show N at the most (0: all); the last line says how many there are."}
#define FILTER_ROWS(owner_type)                                                                                        \
    {.name = "state", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "LIST", .offset = offsetof(owner_type, states), \
     .check = states_check, .expects = "one or more of open, ended, complete, cancelled, separated by commas",         \
     .help = "Only jobs in these states: open, ended, complete, cancelled."},                                          \
    {.name = "function", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "NAME",                                \
     .offset = offsetof(owner_type, function), .check = commands_check_given, .expects = "a name",                     \
     .help = "Only jobs of this function ('exec': commands)."},                                                        \
    {.name = "owner", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "NAME",                                   \
     .offset = offsetof(owner_type, owner), .check = commands_check_given, .expects = "a name",                        \
     .help = "Only jobs of this owner, as 'belt jobs' shows it."}

static const struct option_def show_options[] = {
    JSON_ROW(struct show_values),
    WATCH_ROW,
    LIMIT_ROW,
    ADMIN_ROWS,
};

static const struct option_def jobs_options[] = {
    FILTER_ROWS(struct show_values),
    LIMIT_ROW,
    JSON_ROW(struct show_values),
    WATCH_ROW,
    ADMIN_ROWS,
};

static void admin_defaults(void *memory)
{
    ((struct broker_values *)memory)->connect_timeout = CONNECT_TIMEOUT_DEFAULT_MS;
}

#define SHOW_COMMAND                                                                                                   \
    .options = show_options, .option_count = COUNT_OF(show_options), .values_size = sizeof(struct show_values),        \
    .defaults = admin_defaults

static const struct command status_command = {
    .name = "status",
    .usage = "[OPTIONS] [QUEUE]",
    .summary = "Show the broker and its queues.",
    .details = "Per queue (the tasks of one function): waiting, running, done, failed and retried tasks, the workers and slots "
               "that serve it, results per second, and the age of the oldest waiting task.",
    SHOW_COMMAND,
};

static const struct command workers_command = {
    .name = "workers",
    .usage = "[OPTIONS] [WORKER]",
    .summary = "Show the workers of a broker.",
    SHOW_COMMAND,
};

static const struct command jobs_command = {
    .name = "jobs",
    .usage = "[OPTIONS] [JOB]",
    .summary = "Show the jobs of a broker, and why one does not move.",
    .details = JOB_NAMES " Jobs that are not forgotten come first, then those that are over, for as long as the broker remembers "
               "them (belt broker --history); both in the order of their ids.",
    .options = jobs_options,
    .option_count = COUNT_OF(jobs_options),
    .values_size = sizeof(struct show_values),
    .defaults = admin_defaults,
};

static const struct option_def cancel_options[] = {
    {.name = "all", .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, .offset = offsetof(struct cancel_values, all),
     .help = "All jobs that can be."},
    FILTER_ROWS(struct cancel_values),
    {.name = "yes", .letter = 'y', .type = OPTION_FLAG, .scope = OPTION_FLAG_ONLY, .offset = offsetof(struct cancel_values, yes),
     .help = "Do not ask before jobs are taken that were not named one by one."},
    JSON_ROW(struct cancel_values),
    ADMIN_ROWS,
};

static const struct command cancel_command = {
    .name = "cancel",
    .usage = "[OPTIONS] JOB… | --all | --function NAME | --state LIST | --owner NAME",
    .summary = "Cancel jobs: running tasks are stopped, no more results come.",
    .details = JOB_NAMES " A job that is complete stays as it is, with its results: 'belt cancel' says so and exits with 0; "
               "'belt forget' drops results. Does all it can of several, says which it could not, and exits with 8 then.",
    .options = cancel_options,
    .option_count = COUNT_OF(cancel_options),
    .values_size = sizeof(struct cancel_values),
    .defaults = admin_defaults,
};

static const struct command forget_command = {
    .name = "forget",
    .usage = "[OPTIONS] JOB… | --all | --function NAME | --state LIST | --owner NAME",
    .summary = "Drop the unread results of complete jobs, or the lines of those that are over.",
    .details = JOB_NAMES " A complete job is over by it, and leaves a line in the history; of one that has only that line left, the "
               "line goes. A job that is not over is refused: 'belt cancel' stops it.",
    .options = cancel_options,
    .option_count = COUNT_OF(cancel_options),
    .values_size = sizeof(struct cancel_values),
    .defaults = admin_defaults,
};

static const struct option_def wait_options[] = {
    {.name = "timeout", .letter = 't', .type = OPTION_DURATION, .arg = "TIME",
     .offset = offsetof(struct wait_values, timeout), .help = "Wait so long at the most, then exit with 5 (for ever)."},
    {.name = "quiet", .letter = 'q', .type = OPTION_FLAG, .offset = offsetof(struct wait_values, quiet),
     .help = "Print nothing; the exit code tells."},
    JSON_ROW(struct wait_values),
    ADMIN_ROWS,
};

static void wait_defaults(void *memory)
{
    admin_defaults(memory);
    ((struct wait_values *)memory)->timeout = UINT64_MAX;
}

static const struct command wait_command = {
    .name = "wait",
    .usage = "[OPTIONS] JOB…",
    .summary = "Wait until jobs are over.",
    .details = JOB_NAMES " Exits with 0 when all tasks succeeded, 1 when some failed, 4 when a job was cancelled, 5 on time-out; "
               "of several jobs with what the first of them that did not succeed says.",
    .options = wait_options,
    .option_count = COUNT_OF(wait_options),
    .values_size = sizeof(struct wait_values),
    .defaults = wait_defaults,
};

static const struct option_def ping_options[] = {
    {.name = "count", .letter = 'c', .type = OPTION_COUNT, .arg = "N", .offset = offsetof(struct ping_values, count),
     .min = 1, .max = 1000000000, .help = "Ping N times (1)."},
    {.name = "interval", .letter = 'i', .type = OPTION_DURATION, .arg = "TIME",
     .offset = offsetof(struct ping_values, interval), .help = "Wait so long between two (1)."},
    JSON_ROW(struct ping_values),
    ADMIN_ROWS,
};

static void ping_defaults(void *memory)
{
    struct ping_values *values = memory;

    admin_defaults(memory);
    values->count = 1;
    values->interval = 1000;
}

static const struct command ping_command = {
    .name = "ping",
    .usage = "[OPTIONS]",
    .summary = "Measure the round trip to a broker.",
    .options = ping_options,
    .option_count = COUNT_OF(ping_options),
    .values_size = sizeof(struct ping_values),
    .defaults = ping_defaults,
};

static const struct option_def store_options[] = {
    {.name = "state", .letter = 's', .type = OPTION_TEXT, .scope = OPTION_GLOBAL, .arg = "DIR",
     .offset = offsetof(struct store_values, state), .complete = COMPLETE_FILE, .help = "The broker's state directory."},
    JSON_ROW(struct store_values),
    CONFIG_ROW(struct store_values),
    HELP_ROW(struct store_values),
};

static const struct command store_command = {
    .name = "store",
    .verbs = "check stats compact backup salvage",
    .usage = "check|stats|compact --state DIR [OPTIONS]\n"
             "       belt store backup|salvage --state DIR NEW [OPTIONS]",
    .summary = "Check, measure, compact, copy or salvage the state directory of a broker.",
    .details = "check reads every record and reports the first damage; it changes nothing. stats counts records, jobs and bytes. compact gives unused "
               "room back to the file system; a running broker does so by itself when it is idle. backup copies the store into the "
               "directory NEW, which it makes, also while the broker runs; the others want it stopped. salvage brings what a damaged "
               "store still holds into the directory NEW, and lists what was lost.",
    .options = store_options,
    .option_count = COUNT_OF(store_options),
    .values_size = sizeof(struct store_values),
};

#define BENCH(field) .offset = offsetof(struct bench_values, field)

static const struct option_def bench_options[] = {
    BROKER_ROW("Measure the cluster of this broker, whose workers run with --echo ('local': a private pool)."),
    {.name = "slots", .letter = 'j', .type = OPTION_COUNT, .arg = "N", BENCH(slots), .max = BELT_MAX_SLOTS,
     .help = "Slots of the private pool (0: one per processor)."},
    {.name = "size", .letter = 's', .type = OPTION_SIZE, .arg = "SIZE", BENCH(size),
     .help = "Bytes of each input and result (16)."},
    {.name = "tasks", .type = OPTION_COUNT, .arg = "N", BENCH(tasks),
     .help = "Run N tasks (0: as many as --duration allows; of a mix one round)."},
    {.name = "duration", .letter = 'd', .type = OPTION_DURATION, .arg = "TIME", BENCH(duration),
     .help = "Hand in tasks for so long at the most (3, without --tasks and --mix)."},
    {.name = "mix", .type = OPTION_TEXT, .arg = "COUNTxTIME,…", BENCH(mix),
     .help = "Tasks that take their time: 180x5ms,20x300ms. Compared with the greedy list schedule."},
    {.name = "lead", .type = OPTION_COUNT, .arg = "N", BENCH(lead),
     .help = "Run N tasks of 1 us first, in the same job, and hand the mix in when they are done (0)."},
    {.name = "as-listed", .type = OPTION_FLAG, BENCH(as_listed), .help = "Run the mix in the order given, not shuffled."},
    {.name = "seed", .type = OPTION_COUNT, .arg = "N", BENCH(seed), .help = "Shuffle the mix in another way (1)."},
    {.name = "ordered", .type = OPTION_FLAG, BENCH(ordered), .help = "Take results in the order of the inputs."},
    {.name = "chunksize", .type = OPTION_AUTO, .arg = "N|auto", BENCH(chunksize), .min = 1, .max = BELT_MAX_BATCH,
     .help = "Tasks that go to a slot at a time (auto)."},
    {.name = "buffersize", .type = OPTION_AUTO, .arg = "N|auto", BENCH(buffersize), .min = 1, .max = BELT_WINDOW_ITEMS_MAX,
     .help = "Tasks on their way at the most (auto); 1 measures the round trip."},
    {.name = "buffer-bytes", .type = OPTION_SIZE, .arg = "SIZE", BENCH(buffer_bytes), .help = "The same in bytes (64M)."},
    {.name = "volatile", .type = OPTION_FLAG, BENCH(volatile_job), .help = "Do not keep the job on the broker's disk."},
    {.name = "warm", .type = OPTION_FLAG, BENCH(warm), .help = "Run for 0.2 s before measuring (on; --no-warm)."},
    JSON_ROW(struct bench_values),
    TIMEOUT_ROW(CONNECT_HELP),
    CONFIG_ROW(struct broker_values),
    HELP_ROW(struct broker_values),
};

static void bench_defaults(void *memory)
{
    struct bench_values *values = memory;

    *values = (struct bench_values){.common.connect_timeout = CONNECT_TIMEOUT_DEFAULT_MS,
                                    .size = 16,
                                    .warm = 1,
                                    .seed = 1};
}

static const struct command bench_command = {
    .name = "bench",
    .usage = "[OPTIONS]",
    .summary = "Measure throughput and latency of a cluster, or of this machine.",
    .details = "Hands in tasks that answer with their input as fast as results are taken, and prints tasks per second and the "
               "latency from drawing an input to taking its result. --buffersize 1 measures the round trip. On a cluster "
               "the workers must run with --echo.",
    .options = bench_options,
    .option_count = COUNT_OF(bench_options),
    .values_size = sizeof(struct bench_values),
    .defaults = bench_defaults,
};

static const struct option_def plain_options[] = {
    HELP_ROW(struct plain_values),
};

#define PLAIN_COMMAND                                                                                                  \
    .options = plain_options, .option_count = COUNT_OF(plain_options), .values_size = sizeof(struct plain_values)

static const struct command help_command = {
    .name = "help", .usage = "[COMMAND]", .summary = "Show what a command does, and its options.", PLAIN_COMMAND};
static const struct command version_command = {
    .name = "version", .usage = "", .summary = "Show the version.", PLAIN_COMMAND};
static const struct command completion_command = {
    .name = "completion",
    .verbs = "bash zsh fish",
    .usage = "bash|zsh|fish",
    .summary = "Print a script that completes command lines in this shell.",
    .details = "In ~/.bashrc: eval \"$(belt completion bash)\"",
    PLAIN_COMMAND};

const struct command *const commands_all[COMMAND_COUNT + 1] = {
    [COMMAND_MAP] = &map_command,         [COMMAND_SUBMIT] = &commands_submit, [COMMAND_RESULTS] = &commands_results,
    [COMMAND_BROKER] = &broker_command, [COMMAND_WORKER] = &worker_command,
    [COMMAND_STATUS] = &status_command,   [COMMAND_WORKERS] = &workers_command, [COMMAND_JOBS] = &jobs_command,
    [COMMAND_CANCEL] = &cancel_command,   [COMMAND_FORGET] = &forget_command, [COMMAND_WAIT] = &wait_command,     [COMMAND_PING] = &ping_command,
    [COMMAND_READERS] = &commands_readers, [COMMAND_FAILED] = &commands_failed,  [COMMAND_RETRY] = &commands_retry,
    [COMMAND_STORE] = &store_command,     [COMMAND_KEYS] = &commands_keys,     [COMMAND_BENCH] = &bench_command,
    [COMMAND_HELP] = &help_command,       [COMMAND_VERSION] = &version_command,
    [COMMAND_COMPLETION] = &completion_command,
};

/* clang-format on */

int commands_find(const char *name)
{
    for (int i = 0; commands_all[i]; i++)
        if (!strcmp(commands_all[i]->name, name))
            return i;
    return -1;
}

const char *commands_nearest(const char *name)
{
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (int i = 0; commands_all[i]; i++)
        suggest_offer(&suggest, commands_all[i]->name);
    return suggest.best;
}
