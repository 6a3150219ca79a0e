/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show_failed.h"

#include "cli/result_json.h"
#include "cli/units.h"

#include "proto/text_cut.h"

#include <belt/belt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of the text of an error, in a table. */
#define TEXT_MOST 60

void show_failed_init(struct grid *grid)
{
    static const char *const heads[] = {"<ID", "<QUEUE", "<CODE", "RUNS", "AGE", "SIZE", "<ERROR"};

    grid_init(grid, heads, sizeof(heads) / sizeof(*heads));
}

static const char *age_of(const struct belt_letter *letter, uint64_t now, char *text)
{
    return units_show_ms(now > letter->failed_at ? now - letter->failed_at : 0, text);
}

/* One line of what is known. */
static const char *error_of(const struct belt_letter *letter, char *out, size_t size)
{
    const struct belt_result_extras *extras = letter->extras;

    if (extras && extras->text.len) {
        snprintf(out, size, "%.*s", (int)text_cut_at(extras->text.data, extras->text.len, size - 1),
                 (const char *)extras->text.data);
        out[strcspn(out, "\n")] = '\0';
    } else if (extras && extras->term_signal)
        snprintf(out, size, "signal %d", extras->term_signal);
    else if (extras && extras->exit_status >= 0)
        snprintf(out, size, "exit status %d", extras->exit_status);
    else
        snprintf(out, size, "%s", belt_code_text(letter->code));
    return out;
}

void show_failed_row(const struct belt_letter *letter, uint64_t now, struct grid *grid)
{
    char text[TEXT_MOST + 1], function[BELT_MAX_NAME + 1];

    snprintf(text, sizeof(text), "%" PRIu64 ".%" PRIu64, letter->job, letter->index);
    grid_add(grid, text, GRID_PLAIN);
    snprintf(function, sizeof(function), "%.*s", (int)letter->function.len, (const char *)letter->function.data);
    grid_add(grid, function, GRID_PLAIN);
    grid_add(grid, belt_code_name(letter->code), GRID_RED);
    snprintf(text, sizeof(text), "%u", letter->attempt);
    grid_add(grid, text, GRID_PLAIN);
    grid_add(grid, age_of(letter, now, text), GRID_PLAIN);
    grid_add(grid, units_show_bytes(letter->size, text), GRID_PLAIN);
    grid_add(grid, error_of(letter, text, sizeof(text)), GRID_PLAIN);
}

static void field(struct bytes *out, const char *name, struct belt_bytes bytes)
{
    if (!bytes.len)
        return;
    bytes_format(out, "%-9s", name);
    bytes_add(out, bytes.data, bytes.len);
    if (bytes.data[bytes.len - 1] != '\n')
        bytes_text(out, "\n");
}

void show_failed_whole(const struct belt_letter *letter, uint64_t now, struct bytes *out)
{
    const struct belt_result_extras *extras = letter->extras;
    char text[UNITS_TEXT];

    bytes_format(out, "%-9s%" PRIu64 ".%" PRIu64 "\n", "task", letter->job, letter->index);
    field(out, "queue", letter->function);
    bytes_format(out, "%-9s%s: %s\n", "code", belt_code_name(letter->code), belt_code_text(letter->code));
    bytes_format(out, "%-9s%u\n%-9s%s ago\n", "runs", letter->attempt, "failed", age_of(letter, now, text));
    if (extras && extras->exit_status >= 0)
        bytes_format(out, "%-9s%d\n", "status", extras->exit_status);
    if (extras && extras->term_signal)
        bytes_format(out, "%-9s%d\n", "signal", extras->term_signal);
    if (extras) {
        field(out, "host", extras->host);
        field(out, "error", extras->text);
        field(out, "log", extras->log);
    }
    bytes_format(out, "%-9s%u bytes\n", "input", letter->size);
    bytes_add(out, letter->payload.data, letter->payload.len);
    if (letter->payload.len && letter->payload.data[letter->payload.len - 1] != '\n')
        bytes_text(out, "\n");
}

json_t *show_failed_json(const struct belt_letter *letter, bool whole)
{
    static const struct belt_result_extras none = {.exit_status = -1};
    const struct belt_result_extras *extras = letter->extras ? letter->extras : &none;
    json_t *object = json_object();
    char id[48];

    snprintf(id, sizeof(id), "%" PRIu64 ".%" PRIu64, letter->job, letter->index);
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "job", json_integer((json_int_t)letter->job));
    json_object_set_new(object, "index", json_integer((json_int_t)letter->index));
    result_json_bytes(object, "function", letter->function.data, letter->function.len);
    json_object_set_new(object, "code", json_integer(letter->code));
    json_object_set_new(object, "code_name", json_string(belt_code_name(letter->code)));
    json_object_set_new(object, "runs", json_integer(letter->attempt));
    json_object_set_new(object, "failed_ms", json_integer((json_int_t)letter->failed_at));
    json_object_set_new(object, "exit_status",
                        extras->exit_status >= 0 ? json_integer(extras->exit_status) : json_null());
    json_object_set_new(object, "signal", extras->term_signal ? json_integer(extras->term_signal) : json_null());
    result_json_bytes(object, "text", extras->text.data, extras->text.len);
    result_json_bytes(object, "host", extras->host.data, extras->host.len);
    json_object_set_new(object, "size", json_integer(letter->size));
    if (whole) {
        result_json_bytes(object, "log", extras->log.data, extras->log.len);
        result_json_bytes(object, "input", letter->payload.data, letter->payload.len);
    }
    return object;
}
