/* SPDX-License-Identifier: Apache-2.0
 *
 * A job as a row of a report, with the reason why it does not move in a person's words. Reads, never decides.
 */
#include "broker/core/model/row.h"
#include "broker/core/model/attend.h"
#include "broker/core/model/name.h"
#include "broker/core/model/timer.h"
#include "broker/core/model/update.h"

#include <stdio.h>

uint64_t row_since(const struct core *core, uint64_t then)
{
    return then && core->now > then ? core->now - then : 0;
}

/* A reader that is looked at in the text of a job: more would hide the rest. */
#define READERS_SHOWN 4u

static const char *span_text(uint64_t ms, char *out, size_t size)
{
    uint64_t s = (ms + 999) / 1000;
    if (s < 120)
        snprintf(out, size, "%llu s", (unsigned long long)s);
    else if (s < 7200)
        snprintf(out, size, "%llu min", (unsigned long long)(s + 30) / 60);
    else if (s < 172800)
        snprintf(out, size, "%llu h", (unsigned long long)(s + 1800) / 3600);
    else
        snprintf(out, size, "%llu d", (unsigned long long)(s + 43200) / 86400);
    return out;
}

/* Who has read how far. */
static struct belt_bytes readers_text(struct core *core, const struct job *job)
{
    const struct reader *reader;
    struct belt_bytes text = {0};
    uint32_t shown = 0;
    DL_FOREACH (job->readers.first, reader)
        if (shown++ < READERS_SHOWN)
            text = update_text(core, "%.*s; reader '%s' (%s, %s) stands at %llu of %llu", (int)text.len,
                               text.len ? (const char *)text.data : "", reader->name,
                               reader->mode == BELT_ORDERED ? "ordered" : "unordered",
                               reader->session ? "connected" : "away", (unsigned long long)reader->acked,
                               (unsigned long long)job->input.next);
    if (shown > READERS_SHOWN)
        text = update_text(core, "%.*s; and %u readers more", (int)text.len, (const char *)text.data,
                           shown - READERS_SHOWN);
    return shown ? text : update_text(core, "; no reader has come yet");
}

/* What is kept of a complete job, for whom and how long. */
static struct belt_bytes kept_text(struct core *core, const struct job *job)
{
    struct belt_bytes readers = readers_text(core, job);
    char span[32];
    span_text(timer_patience_left(core, job), span, sizeof(span));
    return update_text(core, "%llu results wait to be read%.*s; %s %s",
                       (unsigned long long)(job->input.next - job->counts.released), (int)readers.len,
                       (const char *)readers.data,
                       attend_any(job) ? "kept while somebody is connected to it, and then for" : "given up in", span);
}

/* Why the job does not move, in a person's words; empty when it does. */
static struct belt_bytes why_of(struct core *core, const struct job *job)
{
    if (job->state == BELT_JOB_STOPPED && job->counts.running)
        return update_text(core, "cancelled: waiting for %llu running tasks to stop",
                           (unsigned long long)job->counts.running);
    if (job->state == BELT_JOB_STOPPED)
        return name_bytes(job->closing.stopped);
    if (core->store.failed && job->options.durable && job->on_disk.withheld)
        return update_text(core, "%llu results wait in memory: the disk of the broker is full; reading makes room%.*s",
                           (unsigned long long)(job->completions.base + job->completions.count - job->on_disk.place),
                           (int)readers_text(core, job).len, (const char *)readers_text(core, job).data);
    if (job->state == BELT_JOB_COMPLETE)
        return job->counts.released < job->input.next ? kept_text(core, job) : (struct belt_bytes){0};
    if (job->times.start_ms)
        return update_text(core, "it starts in %llu s",
                           (unsigned long long)(job->times.start_ms - core->now + 999) / 1000);
    if (job->times.halted && job->counts.running)
        return update_text(core, "it begins nothing more: waiting for %llu running tasks",
                           (unsigned long long)job->counts.running);
    if (job->times.expired && job->counts.running)
        return update_text(core, "its deadline has passed: waiting for %llu running tasks to stop",
                           (unsigned long long)job->counts.running);
    if (job->counts.waiting && job->queue->agent_count == 0)
        return update_text(core, "no connected worker serves '%s'", job->queue->function);
    if (job->options.window_bytes && job->memory.unread_bytes > job->options.window_bytes)
        return update_text(core, "its reader takes no results: the window (%llu bytes) is full",
                           (unsigned long long)job->options.window_bytes);
    if (job->counts.running == 0 && job->counts.waiting == 0 && job->counts.delayed)
        return update_text(core, "%llu tasks wait for another try, the next in %llu ms",
                           (unsigned long long)job->counts.delayed,
                           (unsigned long long)(job->times.due_ms > core->now ? job->times.due_ms - core->now : 0));
    if (job->counts.running == 0 && job->counts.waiting == 0 && job->input.next >= job->input.granted.items)
        return update_text(core, "its reader takes no results: the window (%llu tasks) is full",
                           (unsigned long long)job->options.window_items);
    if (job->counts.running == 0 && job->counts.waiting == 0)
        return update_text(core, "its client sends no tasks");
    if (job->counts.running == 0)
        return update_text(core, "all slots are busy with other jobs");
    return (struct belt_bytes){0};
}

struct belt_row_job row_job(struct core *core, const struct job *job)
{
    return (struct belt_row_job){
        .job = job->id,
        .key = name_bytes(job->key),
        .function = name_bytes(job->queue->function),
        .owner = name_bytes(job->owner.name),
        .keyed = job->owner.account != NULL,
        .state = job->closing.forgotten ? BELT_JOB_COMPLETE : job->state,
        .priority = job->options.priority,
        .total = job->input.next,
        .waiting = job->counts.waiting + job->counts.delayed,
        .running = job->counts.running,
        .done = job->counts.done,
        .failed = job->counts.failed,
        .retried = job->counts.retried,
        .unread = job->state == BELT_JOB_STOPPED ? 0 : job->counts.done + job->counts.failed - job->counts.released,
        .age_ms = row_since(core, job->times.opened_ms) + job->times.age_before_ms,
        .readers = job->readers.count,
        .progress_permille =
            job->counts.progress_permille < UINT32_MAX ? (uint32_t)job->counts.progress_permille : UINT32_MAX,
        .why = why_of(core, job),
        .opened_at = job->times.opened_at,
        .over_at = job->times.over_at,
    };
}
