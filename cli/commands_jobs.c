/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of `belt submit` and `belt results`. Pure data.
 */
#include "cli/option_rows.h"

/* clang-format off */
#define SUBMIT(field) .offset = offsetof(struct submit_values, field)
#define RESULTS(field) .offset = offsetof(struct results_values, field)

static const struct option_def submit_options[] = {
    BROKER_ROW("The broker's address for clients (127.0.0.1:7878)."),
    INPUT_ROWS,
    TASK_ROWS,
    {.name = "key", .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "KEY", MAP(key),
     .help = "Name the job: the same KEY again is the same job, and only what is missing is handed in."},
    TAKE_OVER_ROW("With --key: although another client that is connected feeds the job; that one ends."),
    {.name = "durable", .type = OPTION_FLAG, SUBMIT(durable),
     .help = "Fail unless the broker keeps jobs on its disk (it does so anyway when it has a state directory)."},
    {.name = "volatile", .type = OPTION_FLAG, MAP(volatile_job),
     .help = "Do not keep the job on the broker's disk: faster, and gone with the broker."},
    {.name = "share", .type = OPTION_FLAG, SUBMIT(share),
     .help = "At a broker with keys: other owners may see the job and read its results."},
    {.name = "detail", .type = OPTION_FLAG, SUBMIT(detail), .help = "Results tell the host that ran the task, and when."},
    {.name = "quiet", .letter = 'q', .type = OPTION_FLAG, MAP(quiet), .help = "Do not say that the broker makes it wait."},
    JSON_ROW(struct submit_values),
    TIMEOUT_ROW(CONNECT_HELP),
    LOST_ROW,
    CONFIG_ROW(struct broker_values),
    HELP_ROW(struct broker_values),
};

static void common_defaults(void *memory)
{
    *(struct map_values *)memory = (struct map_values){.common.connect_timeout = CONNECT_TIMEOUT_DEFAULT_MS,
                                                       .newline = 1,
                                                       .backoff = UINT64_MAX,
                                                       .remember = BELT_REMEMBER_MS,
                                                       .lost_timeout = LOST_TIMEOUT_DEFAULT_MS,
                                                       .max_input = BELT_MAX_PAYLOAD_DEFAULT};
}

const struct command commands_submit = {
    .name = "submit",
    .runs = true,
    .usage = "[OPTIONS] FUNCTION [::: INPUT…]\n"
             "       belt submit [OPTIONS] -- COMMAND [ARGUMENT…] [::: INPUT…]",
    .summary = "Hand in a job and print its id; 'belt results' reads it, now or later, here or elsewhere.",
    .details =
        "Inputs, FUNCTION and COMMAND are as for 'belt map'. Returns when the broker has accepted all of the input; on a broker "
        "with a state directory it is on disk then. The job stays until its results are read, or until nobody has come for "
        "it for the time of --keep. Interrupted or failed, it cancels a job without --key; one with a key stays as far as it "
        "came, and the same command goes on with it.",
    .options = submit_options,
    .option_count = COUNT_OF(submit_options),
    .values_size = sizeof(struct submit_values),
    .defaults = common_defaults,
};

static const struct option_def results_options[] = {
    BROKER_ROW("The broker's address for clients (127.0.0.1:7878)."),
    {.name = "ordered", .type = OPTION_FLAG, RESULTS(ordered), .help = "In the order of the inputs (the default)."},
    {.name = "unordered", .letter = 'u', .type = OPTION_FLAG, MAP(unordered),
     .help = "Print each result the moment it is done, not in the order of the inputs."},
    {.name = "follow", .letter = 'f', .type = OPTION_FLAG, RESULTS(follow),
     .help = "Wait for results that are not there yet, until the job is complete."},
    {.name = "reader", .letter = 'r', .type = OPTION_TEXT, .scope = OPTION_FLAG_ONLY, .arg = "NAME", RESULTS(reader),
     .help = "Read as NAME, which has a cursor of its own (ordered, or unordered)."},
    TAKE_OVER_ROW("Although another client that is connected reads under this name; that one ends."),
    {.name = "from", .type = OPTION_COUNT, .scope = OPTION_FLAG_ONLY, .arg = "N", RESULTS(from),
     .help = "Go on with the result of this number, and not after the last that was acknowledged."},
    {.name = "null", .letter = '0', .type = OPTION_FLAG, MAP(null), .help = "Results end with a NUL byte."},
    {.name = "records", .type = OPTION_FLAG, MAP(records),
     .help = "Results are binary: a length of 4 bytes, big-endian, then as many bytes."},
    RESULT_ROWS,
    {.name = "buffersize", .type = OPTION_AUTO, .arg = "N|auto", MAP(buffersize), .min = 1, .max = BELT_WINDOW_ITEMS_MAX,
     .help = "Results on their way that are not written yet (auto: by the measured rate)."},
    {.name = "buffer-bytes", .type = OPTION_SIZE, .arg = "SIZE", MAP(buffer_bytes), .help = "The same in bytes (64M)."},
    TIMEOUT_ROW(CONNECT_HELP),
    LOST_ROW,
    CONFIG_ROW(struct broker_values),
    HELP_ROW(struct broker_values),
};

static void results_defaults(void *memory)
{
    common_defaults(memory);
    ((struct results_values *)memory)->from = UINT64_MAX;
}

const struct command commands_results = {
    .name = "results",
    .usage = "[OPTIONS] JOB",
    .summary = "Print the results of a job that was handed in, and go on there the next time.",
    .details =
        JOB_NAMES " A result that was written is acknowledged; the same command again, after any end, "
        "goes on behind it. Killed between writing and acknowledging it prints the last results twice: the field 'number' of "
        "--results-json tells, and --from asks for what is behind it. Each reader (--reader) has its own place; a result is kept "
        "until all readers that ever came have it. Without --follow it ends with 5 when the job is not complete yet.",
    .options = results_options,
    .option_count = COUNT_OF(results_options),
    .values_size = sizeof(struct results_values),
    .defaults = results_defaults,
};
/* clang-format on */
