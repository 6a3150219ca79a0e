/* SPDX-License-Identifier: Apache-2.0
 *
 * The results of `belt map` and `belt results`. What was given to map_output_add() counts as
 * taken once map_output_flush() has returned.
 */
#include "cli/map_output.h"

#include "cli/command_line.h"
#include "cli/exit.h"
#include "cli/joblog.h"
#include "cli/map_input.h"
#include "cli/result_json.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/torn_tail.h"

#include "proto/terminal_text.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_SHOWN 80

/* One line, cut when long. */
static void add_shown(struct bytes *out, const char *data, size_t len, size_t most)
{
    bytes_shown(out, data, text_cut_at(data, len, most), 0);
    if (len > most)
        bytes_text(out, "…");
}

void map_output_failure(const belt_result *result, const struct label *label, bool local, struct bytes *out)
{
    uint64_t index = label ? label->input : result->index;

    bytes_format(out, "task %llu failed: ", (unsigned long long)index);
    if (*result->text)
        add_shown(out, result->text, strlen(result->text), 1000);
    else if (result->exit_status > 0)
        bytes_format(out, "exit status %d", result->exit_status);
    else if (result->term_signal)
        bytes_format(out, "killed by signal %d (%s)", result->term_signal, strsignal(result->term_signal));
    else
        bytes_text(out, belt_code_text(result->code));
    if (result->code == BELT_RESULT_TOO_LARGE)
        bytes_format(out, "; raise --max-payload%s, or write it to a file", local ? "" : " of the broker");
    if (result->attempt > 1)
        bytes_format(out, ", in run %u", result->attempt);
    if (label && label->full) {
        bytes_text(out, " (input: ");
        add_shown(out, label->data, label->len, INPUT_SHOWN);
        bytes_text(out, ")");
    }
}

/* Standard error of a task, each line with the task's number. */
static void add_log(struct map_output *output, const belt_result *result, uint64_t index)
{
    const char *at = result->log, *end = at + result->log_len;

    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        bytes_format(&output->err, "[%llu] ", (unsigned long long)index);
        if (output->err_terminal)
            bytes_shown(&output->err, at, len, TERMINAL_TEXT_TABS);
        else
            bytes_add(&output->err, at, len);
        bytes_text(&output->err, "\n");
        at += len + 1;
    }
}

static void add_failure(struct map_output *output, const belt_result *result, const struct label *label)
{
    bytes_format(&output->err, "belt %s: ", output->command);
    map_output_failure(result, label, output->local, &output->err);
    bytes_text(&output->err, "\n");
}

static void add_frame(struct bytes *out, const void *data, size_t len)
{
    unsigned char head[4] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16), (unsigned char)(len >> 8),
                             (unsigned char)len};
    bytes_add(out, head, sizeof(head));
    bytes_add(out, data, len);
}

static size_t line_len(const char *data, size_t len)
{
    const char *stop = memchr(data, '\n', len);

    return stop ? (size_t)(stop - data) : len;
}

/* A tag stays on its line. */
static void add_label(struct bytes *out, const struct label *label)
{
    for (size_t at = 0; at < label->len;) {
        size_t len = line_len(label->data + at, label->len - at);
        bytes_add(out, label->data + at, len);
        if ((at += len + 1) <= label->len)
            bytes_text(out, "\\n");
    }
}

static void add_tagged(struct bytes *out, const char *data, size_t len, const struct label *label)
{
    const char *end = data + len;

    do {
        const char *stop = len ? memchr(data, '\n', (size_t)(end - data)) : NULL;
        size_t part = (size_t)((stop ? stop + 1 : end) - data);
        add_label(out, label);
        bytes_text(out, "\t");
        bytes_add(out, data, part);
        data += part;
    } while (data < end);
}

static void add_payload(struct map_output *output, const belt_result *result, const struct label *label)
{
    struct bytes *out = &output->out;
    const char *data = result->data;

    if (output->mode == RECORDS_FRAMED) {
        add_frame(out, data, result->len);
        return;
    }
    /* An empty line stands for an empty value, but not for a command that printed nothing. */
    if (!result->len && output->mode == RECORDS_LINES && (!output->value || result->code != BELT_OK))
        return;
    if (output->values->tag && label)
        add_tagged(out, data, result->len, label);
    else
        bytes_add(out, data, result->len);
    if (output->mode == RECORDS_NUL)
        bytes_add(out, "", 1);
    else if (output->values->newline && (!result->len || data[result->len - 1] != '\n'))
        bytes_text(out, "\n");
}

static void add_joblog(struct map_output *output, const belt_result *result, const struct label *label)
{
    struct bytes command = {0};
    struct joblog_line line = {.index = label ? label->input : result->index,
                               .host = output->local ? "" : result->host,
                               .started_ms = result->started_at,
                               .service_us = result->service_us,
                               .sent = label ? label->full : 0,
                               .received = result->len,
                               .exit_status = result->exit_status,
                               .signal = result->term_signal};
    size_t len;
    char *text;

    /* A failure without an exit status of its own must not look like a success to --resume-failed. */
    if (result->exit_status < 0 || (!result->exit_status && !result->term_signal && result->code != BELT_OK))
        line.exit_status = result->code == BELT_OK ? 0 : -1;
    if (output->words)
        command_show(output->words, output->word_count, label ? label->data : "", label ? label->len : 0, &command);
    else
        bytes_format(&command, "%s ", output->function);
    if (!output->words && label)
        command_quote(label->data, label->len, &command);
    line.command = command.data;
    line.command_len = command.len;
    text = command.failed ? NULL : joblog_format(&line, &len);
    if (text)
        bytes_add(&output->log, text, len);
    output->log.failed |= !text;
    free(text);
    bytes_free(&command);
}

int map_output_open(struct map_output *output, const char *command, const struct map_values *values)
{
    output->command = command;
    output->values = values;
    output->mode = map_input_mode(values);
    output->shares_terminal = isatty(STDOUT_FILENO);
    output->err_terminal = isatty(STDERR_FILENO);
    output->joblog = -1;
    if ((fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) != O_RDONLY)
        return 0;
    say("standard output is closed: nowhere to write results to");
    return EXIT_IO;
}

bool map_output_add(struct map_output *output, const belt_result *result, const struct label *label)
{
    uint64_t index = label ? label->input : result->index;

    if (result->code == BELT_OK)
        output->done++;
    else
        output->failed++;
    if (output->values->results_json)
        result_json_add(result, index, label, &output->out);
    else
        add_payload(output, result, label);
    if (!output->values->quiet) {
        if (!output->live)
            add_log(output, result, index);
        if (result->code != BELT_OK)
            add_failure(output, result, label);
    }
    if (output->joblog >= 0 && result->code != BELT_TASK_CANCELLED)
        add_joblog(output, result, label);
    return !output->out.failed && !output->err.failed && !output->log.failed;
}

/* What a pipe takes without waiting, when it takes anything. */
#define PIPE_BYTES 4096

static bool would_wait(int fd)
{
    struct pollfd out = {.fd = fd, .events = POLLOUT};

    return poll(&out, 1, 0) <= 0;
}

/* Writes from `*written` on, and moves it. 0, or errno; EINTR when a signal asks to stop and a reader does not read. */
static int write_all(int fd, const struct bytes *bytes, size_t *written)
{
    while (*written < bytes->len) {
        size_t len = bytes->len - *written;
        if (signals_stop()) {
            if (would_wait(fd))
                return EINTR;
            len = len < PIPE_BYTES ? len : PIPE_BYTES;
        }
        ssize_t put = write(fd, bytes->data + *written, len);
        if (put > 0) {
            *written += (size_t)put;
        } else if (put < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            poll(&wait, 1, 1000);
        } else if (put < 0 && errno != EINTR)
            return errno;
    }
    *written = 0;
    return 0;
}

static int write_failed(struct map_output *output, const char *what, int error)
{
    if (error == EINTR) {
        output->error[0] = '\0';
        return EXIT_INTERRUPTED;
    }
    if (error == EPIPE)
        snprintf(output->error, sizeof(output->error), "%s was closed by its reader", what);
    else
        snprintf(output->error, sizeof(output->error), "writing to %s failed: %s", what, strerror(error));
    return EXIT_IO;
}

/* What a run that was killed has cut off comes again, whole. */
static int mend(struct map_output *output)
{
    const struct map_values *values = output->values;
    struct torn_tail tail = {.mode = values->results_json ? RECORDS_LINES : output->mode,
                             .ours = output->goes_on,
                             .next = output->out.data,
                             .next_len = output->out.len};
    off_t cut = 0;
    int error;

    output->mended = true;
    if (tail.mode == RECORDS_LINES && !values->newline && !values->results_json)
        return 0;
    error = torn_tail_mend(STDOUT_FILENO, &tail, &cut);
    if (cut && !values->quiet)
        say("standard output ended within a %s, which was cut off before: these %lld bytes were removed",
            tail.mode == RECORDS_LINES ? "line" : "record", (long long)cut);
    if (error != EILSEQ)
        return error;
    snprintf(output->error, sizeof(output->error),
             "standard output ends within a record of something else: records behind it could not be read");
    return error;
}

int map_output_flush(struct map_output *output)
{
    int error;

    if (output->continues && !output->mended && output->out.len && (error = mend(output)))
        return error == EILSEQ ? EXIT_IO : write_failed(output, "standard output", error);

    if (output->shares_terminal && output->out.len) {
        if (!output->out_written)
            bytes_fit(&output->out);
        say_hold();
        error = write_all(STDOUT_FILENO, &output->out, &output->out_written);
        say_release();
    } else {
        error = write_all(STDOUT_FILENO, &output->out, &output->out_written);
    }
    if (error)
        return write_failed(output, "standard output", error);
    bytes_reset(&output->out);
    say_bytes(output->err.data, output->err.len);
    bytes_reset(&output->err);
    error = output->joblog >= 0 ? write_all(output->joblog, &output->log, &output->log_written) : 0;
    if (error)
        return write_failed(output, "the joblog", error);
    bytes_reset(&output->log);
    return 0;
}

bool map_output_closed(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL));
}

void map_output_free(struct map_output *output)
{
    bytes_free(&output->out);
    bytes_free(&output->err);
    bytes_free(&output->log);
    if (output->joblog >= 0)
        close(output->joblog);
    output->joblog = -1;
}
