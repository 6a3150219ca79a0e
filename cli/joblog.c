/* SPDX-License-Identifier: Apache-2.0
 *
 * GNU parallel's joblog. Pure.
 */
#include "cli/joblog.h"

#include "cli/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS       9
#define SEQ_COLUMN    0
#define EXIT_COLUMN   6
#define SIGNAL_COLUMN 7

struct verdict {
    uint64_t index;
    size_t line;
    bool ok;
};

char *joblog_format(const struct joblog_line *line, size_t *len)
{
    const char *host = *line->host ? line->host : ":";
    size_t room = 200 + strlen(host) + 2 * line->command_len;
    char *out = malloc(room);
    int head;

    if (!out)
        return NULL;
    head = snprintf(out, room, "%llu\t%s\t%llu.%03u\t%10.3f\t%llu\t%llu\t%d\t%d\t", (unsigned long long)line->index + 1,
                    host, (unsigned long long)(line->started_ms / 1000), (unsigned)(line->started_ms % 1000),
                    (double)line->service_us / 1e6, (unsigned long long)line->sent, (unsigned long long)line->received,
                    line->exit_status, line->signal);
    *len = (size_t)head;
    for (size_t i = 0; i < line->command_len; i++) {
        char c = line->command[i];
        if (c == '\n' || c == '\t' || c == '\0')
            out[(*len)++] = '\\';
        out[(*len)++] = c == '\n' ? 'n' : c == '\t' ? 't' : c == '\0' ? '0' : c;
    }
    out[(*len)++] = '\n';
    return out;
}

static int compare(const void *left, const void *right)
{
    const struct verdict *a = left, *b = right;

    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

static bool read_number(const char *data, size_t len, int64_t *value)
{
    char text[24];
    uint64_t count;
    bool negative = len && *data == '-';

    if (len >= sizeof(text))
        return false;
    memcpy(text, data, len);
    text[len] = '\0';
    if (!units_count(text + negative, &count))
        return false;
    *value = negative ? -(int64_t)count : (int64_t)count;
    return true;
}

static bool read_line(const char *data, size_t len, struct verdict *verdict)
{
    int64_t values[COLUMNS] = {0};
    const char *end = data + len;
    int column = 0;

    for (; column < COLUMNS - 1; column++) {
        const char *tab = memchr(data, '\t', (size_t)(end - data));
        bool wanted = column == SEQ_COLUMN || column == EXIT_COLUMN || column == SIGNAL_COLUMN;
        if (!tab || (wanted && !read_number(data, (size_t)(tab - data), &values[column])))
            return false;
        data = tab + 1;
    }
    verdict->index = (uint64_t)values[SEQ_COLUMN] - 1;
    verdict->ok = !values[EXIT_COLUMN] && !values[SIGNAL_COLUMN];
    return values[SEQ_COLUMN] > 0;
}

static size_t count_lines(const char *data, size_t len)
{
    size_t count = 0;

    for (const char *end = data + len, *at; data < end && (at = memchr(data, '\n', (size_t)(end - data)));
         data = at + 1)
        count++;
    return count;
}

/* Of several lines for one input the last counts. */
static void settle(const struct verdict *verdicts, size_t count, bool failed_again, struct joblog_skip *skip)
{
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count || verdicts[i + 1].index != verdicts[i].index;
        if (last && (verdicts[i].ok || !failed_again))
            skip->indexes[skip->count++] = verdicts[i].index;
    }
}

static int read_lines(const char *data, size_t len, size_t lines, struct verdict *verdicts, size_t *count, char *error,
                      size_t size)
{
    for (size_t line = 1; line <= lines; line++) {
        const char *stop = memchr(data, '\n', len);
        size_t line_len = (size_t)(stop - data);
        bool header = line == 1 && line_len >= 4 && !memcmp(data, "Seq\t", 4);
        if (!header && line_len) {
            verdicts[*count].line = line;
            if (!read_line(data, line_len, &verdicts[*count])) {
                snprintf(error, size, "line %zu is no line of a joblog", line);
                return -1;
            }
            ++*count;
        }
        data = stop + 1;
        len -= line_len + 1;
    }
    return 0;
}

size_t joblog_whole(const char *data, size_t len)
{
    const char *last = len ? memrchr(data, '\n', len) : NULL;

    if (last)
        return (size_t)(last - data) + 1;
    return len < sizeof(JOBLOG_HEADER) && (!len || !memcmp(data, JOBLOG_HEADER, len)) ? 0 : len;
}

int joblog_read(const char *data, size_t len, bool failed_again, struct joblog_skip *skip, char *error, size_t size)
{
    size_t lines = count_lines(data, len), count = 0;
    struct verdict *verdicts = calloc(lines + 1, sizeof(*verdicts));
    int rc = -1;

    *skip = (struct joblog_skip){.indexes = calloc(lines + 1, sizeof(*skip->indexes))};
    if (!verdicts || !skip->indexes)
        snprintf(error, size, "out of memory");
    else
        rc = read_lines(data, len, lines, verdicts, &count, error, size);
    if (rc == 0 && !lines && joblog_whole(data, len) > 0) {
        snprintf(error, size, "line 1 is no line of a joblog");
        rc = -1;
    }
    if (rc == 0) {
        qsort(verdicts, count, sizeof(*verdicts), compare);
        settle(verdicts, count, failed_again, skip);
        skip->resumed = len > 0;
    } else
        joblog_skip_free(skip);
    free(verdicts);
    return rc;
}

bool joblog_skips(struct joblog_skip *skip, uint64_t index)
{
    while (skip->at < skip->count && skip->indexes[skip->at] < index)
        skip->at++;
    return skip->at < skip->count && skip->indexes[skip->at] == index;
}

uint64_t joblog_input(const struct joblog_skip *skip, uint64_t task)
{
    size_t low = 0, high = skip->count;

    /* How many are skipped before it: indexes[i] - i inputs before indexes[i] are not. */
    while (low < high) {
        size_t at = low + (high - low) / 2;
        if (skip->indexes[at] - at <= task)
            low = at + 1;
        else
            high = at;
    }
    return task + low;
}

void joblog_skip_free(struct joblog_skip *skip)
{
    free(skip->indexes);
    *skip = (struct joblog_skip){0};
}
