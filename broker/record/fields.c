/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record/fields.h"

#include <stddef.h>

#define MAP(table) {table, sizeof(table) / sizeof(*(table))}

/* What the opener of a job asked for. */
#define OPTIONS(type)                                                                                                  \
    {"window_items", FIELD_UINT64, offsetof(type, options.window_items), BELT_WINDOW_ITEMS_MAX},                       \
        {"window_bytes", FIELD_UINT64, offsetof(type, options.window_bytes), UINT64_MAX},                              \
        {"priority", FIELD_INT32, offsetof(type, options.priority), 100},                                              \
        {"retries", FIELD_UINT32, offsetof(type, options.retries), UINT32_MAX},                                        \
        {"max_attempts", FIELD_UINT32, offsetof(type, options.max_attempts), UINT32_MAX},                              \
        {"chunk", FIELD_UINT32, offsetof(type, options.chunk), UINT32_MAX},                                            \
        {"timeout_ms", FIELD_UINT64, offsetof(type, options.timeout_ms), UINT64_MAX},                                  \
        {"detail", FIELD_TRUE, offsetof(type, options.detail), 1},                                                     \
        {"detached", FIELD_TRUE, offsetof(type, options.detached), 1},                                                 \
        {"argument", FIELD_PAYLOAD, offsetof(type, options.argument), BELT_MAX_PAYLOAD_CEILING},                       \
        {"backoff_ms", FIELD_BACKOFF, offsetof(type, options.backoff_ms), BELT_MAX_WAIT_MS},                           \
        {"after_at", FIELD_UINT64, offsetof(type, options.after_at), UINT64_MAX},                                      \
        {"deadline_at", FIELD_UINT64, offsetof(type, options.deadline_at), UINT64_MAX},                                \
        {"final_status", FIELD_BITS, offsetof(type, options.final_status), BELT_STATUS_BYTES},                         \
        {"keep_ms", FIELD_UINT64, offsetof(type, options.keep_ms), UINT64_MAX},                                        \
        {"remember_ms", FIELD_UINT64, offsetof(type, options.remember_ms), BELT_MAX_WAIT_MS},                          \
        {"digest", FIELD_TRUE, offsetof(type, options.digest), 1},                                                     \
        {"share", FIELD_TRUE, offsetof(type, options.share), 1}

static const struct field job_fields[] = {
    {"key", FIELD_KEY, offsetof(struct record_job, key), BELT_MAX_KEY},
    {"function", FIELD_NAME, offsetof(struct record_job, function), BELT_MAX_NAME},
    {"owner", FIELD_TEXT, offsetof(struct record_job, owner), BELT_MAX_TEXT},
    {"account", FIELD_NAME, offsetof(struct record_job, account), BELT_MAX_NAME},
    {"opened_at", FIELD_UINT64, offsetof(struct record_job, opened_at), UINT64_MAX},
    {"over_at", FIELD_UINT64, offsetof(struct record_job, over_at), UINT64_MAX},
    OPTIONS(struct record_job),
};

static const struct field failed_job_fields[] = {
    {"function", FIELD_NAME, offsetof(struct record_failed_job, function), BELT_MAX_NAME},
    {"account", FIELD_NAME, offsetof(struct record_failed_job, account), BELT_MAX_NAME},
    OPTIONS(struct record_failed_job),
};

static const struct field reader_fields[] = {
    {"name", FIELD_KEY, offsetof(struct record_reader, name), BELT_MAX_KEY},
    {"account", FIELD_NAME, offsetof(struct record_reader, account), BELT_MAX_NAME},
    {"mode", FIELD_UINT8, offsetof(struct record_reader, mode), BELT_UNORDERED},
    {"taken", FIELD_UINT64, offsetof(struct record_reader, taken), UINT64_MAX},
};

static const struct field history_fields[] = {
    {"key", FIELD_KEY, offsetof(struct record_history, key), BELT_MAX_KEY},
    {"function", FIELD_NAME, offsetof(struct record_history, function), BELT_MAX_NAME},
    {"owner", FIELD_TEXT, offsetof(struct record_history, owner), BELT_MAX_TEXT},
    {"account", FIELD_NAME, offsetof(struct record_history, account), BELT_MAX_NAME},
    {"why", FIELD_TEXT, offsetof(struct record_history, why), BELT_MAX_TEXT},
    {"state", FIELD_UINT8, offsetof(struct record_history, state), BELT_JOB_STOPPED},
    {"priority", FIELD_INT32, offsetof(struct record_history, priority), 100},
    {"total", FIELD_UINT64, offsetof(struct record_history, total), UINT64_MAX},
    {"done", FIELD_UINT64, offsetof(struct record_history, done), UINT64_MAX},
    {"failed", FIELD_UINT64, offsetof(struct record_history, failed), UINT64_MAX},
    {"retried", FIELD_UINT64, offsetof(struct record_history, retried), UINT64_MAX},
    {"unread", FIELD_UINT64, offsetof(struct record_history, unread), UINT64_MAX},
    {"readers", FIELD_UINT32, offsetof(struct record_history, readers), UINT32_MAX},
    {"opened_at", FIELD_UINT64, offsetof(struct record_history, opened_at), UINT64_MAX},
    {"over_at", FIELD_UINT64, offsetof(struct record_history, over_at), UINT64_MAX},
};

static const struct field extras_fields[] = {
    {"text", FIELD_TEXT, offsetof(struct belt_result_extras, text), BELT_MAX_TEXT},
    {"log", FIELD_BYTES, offsetof(struct belt_result_extras, log), BELT_MAX_LOG},
    {"host", FIELD_TEXT, offsetof(struct belt_result_extras, host), BELT_MAX_TEXT},
    {"started_at", FIELD_UINT64, offsetof(struct belt_result_extras, started_ms), UINT64_MAX},
    {"exit_status", FIELD_STATUS, offsetof(struct belt_result_extras, exit_status), INT32_MAX},
    {"signal", FIELD_INT32, offsetof(struct belt_result_extras, term_signal), INT32_MAX},
};

const struct field_map record_job_map = MAP(job_fields);
const struct field_map record_reader_map = MAP(reader_fields);
const struct field_map record_failed_job_map = MAP(failed_job_fields);
const struct field_map record_history_map = MAP(history_fields);
const struct field_map record_extras_map = MAP(extras_fields);

const char *record_kind_name(unsigned kind)
{
    switch (kind) {
#define NAME(name, number)                                                                                             \
    case number:                                                                                                       \
        return #name;
        RECORD_KINDS(NAME)
#undef NAME
    default:
        return NULL;
    }
}
