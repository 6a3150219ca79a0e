/* SPDX-License-Identifier: Apache-2.0
 *
 * The inputs of `belt map`. Reads only what is there: a pipe that stalls must
 * not hold up results that are due.
 */
#include "cli/map_input.h"

#include "proto/limits.h"
#include "cli/say.h"
#include "cli/units.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum records_mode map_input_mode(const struct map_values *values)
{
    return values->records ? RECORDS_FRAMED : values->null ? RECORDS_NUL : RECORDS_LINES;
}

/* `path` "-" and NULL: standard input. */
static int open_path(struct map_input *input, const char *path, enum records_mode mode, size_t limit)
{
    bool file = path && strcmp(path, "-") != 0;

    *input = (struct map_input){.fd = STDIN_FILENO, .name = file ? path : "standard input"};
    records_init(&input->records, mode, limit);
    if (file) {
        input->fd = open(path, O_RDONLY | O_CLOEXEC);
        input->owns_fd = true;
    }
    /* A directory opens well, and fails only when it is read. */
    if (input->fd >= 0 && read(input->fd, NULL, 0) < 0 && errno != EAGAIN) {
        int error = errno;
        map_input_close(input);
        errno = error;
    }
    if (input->fd < 0) {
        say("cannot read the inputs from %s: %s", input->name, strerror(errno));
        return -1;
    }
    return 0;
}

/* Bytes that an input may have. What a pool takes besides is for the pool to say. */
static size_t limit_of(const struct map_values *values, bool local)
{
    if (values->max_input)
        return (size_t)values->max_input;
    if (!local)
        return BELT_MAX_PAYLOAD_DEFAULT;
    return values->max_payload ? (size_t)values->max_payload : BELT_MAX_PAYLOAD_CEILING;
}

int map_input_start(struct map_input *input, const struct options *options, const struct map_values *values, bool local)
{
    int rc;

    if (!options->colons) {
        rc = open_path(input, values->arg_file, map_input_mode(values), limit_of(values, local));
        input->limited = local && !values->max_input ? "--max-payload" : "--max-input";
        return rc;
    }
    *input = (struct map_input){
        .fd = -1, .name = "the command line", .list = options->inputs, .list_count = options->input_count};
    return 0;
}

void map_input_close(struct map_input *input)
{
    if (input->owns_fd && input->fd >= 0)
        close(input->fd);
    input->fd = -1;
    records_free(&input->records);
    joblog_skip_free(&input->skip);
}

/* Reads once if that does not wait. 1: read (the end too), 0: nothing there, -1: failed. */
static int fill(struct map_input *input)
{
    struct pollfd ready = {.fd = input->fd, .events = POLLIN};
    size_t room;
    char *at = records_room(&input->records, &room);
    ssize_t got;

    if (!at) {
        snprintf(input->error, sizeof(input->error), "out of memory for an input");
        return -1;
    }
    if (poll(&ready, 1, 0) <= 0)
        return 0;
    got = read(input->fd, at, room);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got < 0) {
        text_print(input->error, sizeof(input->error), "reading %s failed: %s", input->name, strerror(errno));
        return -1;
    }
    records_fed(&input->records, (size_t)got);
    return 1;
}

static int no_more(struct map_input *input)
{
    input->ended = true;
    return BELT_INPUT_END;
}

/* Reading failed: that is the outcome of one more input, and then the input is at its end. */
static int broken(struct map_input *input)
{
    input->broken = true;
    input->stopped = true;
    return BELT_INPUT_FAILED;
}

static int draw_listed(struct map_input *input, const char **data, size_t *len)
{
    if (input->list_at == input->list_count)
        return BELT_INPUT_END;
    *data = input->list[input->list_at++];
    *len = strlen(*data);
    return BELT_INPUT_READY;
}

static int draw_read(struct map_input *input, const char **data, size_t *len)
{
    char limit[UNITS_TEXT];

    for (;;) {
        switch (records_next(&input->records, data, len)) {
        case RECORDS_ONE:
            return BELT_INPUT_READY;
        case RECORDS_TOO_LONG:
            snprintf(input->error, sizeof(input->error), "the input is longer than %s; raise %s",
                     units_show_bytes(input->records.limit, limit), input->limited);
            return BELT_INPUT_FAILED;
        case RECORDS_CUT:
            text_print(input->error, sizeof(input->error), "%s ends in the middle of a record", input->name);
            return broken(input);
        case RECORDS_END:
            return BELT_INPUT_END;
        case RECORDS_MORE:
            break;
        }
        int filled = fill(input);
        if (filled < 0)
            return broken(input);
        if (!filled)
            return BELT_INPUT_LATER;
    }
}

static int give(struct map_input *input, int drawn, const char *data, size_t len, belt_input *out)
{
    uint64_t index = input->seen++;

    if (drawn == BELT_INPUT_FAILED) {
        data = input->error;
        len = strlen(data);
    }
    if (input->labels && !labels_put(input->labels, input->drawn, index, drawn == BELT_INPUT_FAILED ? "" : data,
                                     drawn == BELT_INPUT_FAILED ? 0 : len, input->keep)) {
        snprintf(input->error, sizeof(input->error), "out of memory for the inputs' names");
        return no_more(input);
    }
    input->drawn++;
    out->data = data;
    out->len = len;
    return drawn;
}

int map_input_draw(void *ctx, belt_input *out)
{
    struct map_input *input = ctx;
    const char *data = NULL;
    size_t len = 0;
    int drawn;

    input->stalled = false;
    do {
        if (input->stopped)
            return no_more(input);
        drawn = input->list ? draw_listed(input, &data, &len) : draw_read(input, &data, &len);
        if (drawn == BELT_INPUT_END)
            return no_more(input);
        if (drawn == BELT_INPUT_LATER) {
            input->stalled = true;
            return drawn;
        }
    } while (joblog_skips(&input->skip, input->seen) && ++input->seen);
    return give(input, drawn, data, len, out);
}
