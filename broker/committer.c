/* SPDX-License-Identifier: Apache-2.0
 *
 * The committer's thread and its queue (committer.h).
 *
 * A batch stays in the queue until its commit has succeeded: the thread reads
 * the batches at the front, the loop appends behind them.
 */
#include "broker/committer.h"
#include "proto/shortage.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct batch {
    struct batch *next;
    uint64_t through, bytes;
    uint32_t count;
    struct belt_buf **owners;      /* NULL: the bodies are copies behind the changes */
    struct store_change changes[]; /* then the owners or the bodies */
};

/* What the loop is told. */
struct news {
    uint64_t through;
    int code;
    char error[sizeof(((struct store *)0)->error)];
};

struct committer {
    struct store *store;
    struct committer_config config;
    pthread_t thread;
    int fd;
    struct news told; /* the loop's own copy */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake, ended;
    struct batch *first, **end;
    uint64_t queued;
    struct news news;
    bool changed, stopping, give_up, busy, finished;

    /* the thread's own */
    struct store_change *group;
    size_t group_room;
    bool tidy_due, tidy_more; /* there is more to do at once */
};

/* ---- batches ---- */

static uint64_t size_of(const struct store_change *changes, uint32_t count)
{
    uint64_t bytes = sizeof(struct batch) + count * (sizeof(struct store_change) + sizeof(struct belt_buf *));

    for (uint32_t i = 0; i < count; i++)
        bytes += changes[i].record.body.len;
    return bytes;
}

static struct batch *new_batch(const struct store_change *changes, uint32_t count, struct belt_buf *const *owners,
                               uint64_t bytes)
{
    size_t head = sizeof(struct batch) + count * sizeof(struct store_change);
    struct batch *batch = malloc(owners ? head + count * sizeof(struct belt_buf *) : (size_t)bytes);

    if (!batch)
        return NULL;
    *batch = (struct batch){.bytes = bytes, .count = count};
    if (count)
        memcpy(batch->changes, changes, count * sizeof(*changes));
    uint8_t *rest = (uint8_t *)(batch->changes + count);
    if (owners)
        batch->owners = (struct belt_buf **)(void *)rest;
    for (uint32_t i = 0; i < count; i++) {
        struct belt_bytes *body = &batch->changes[i].record.body;
        if (owners) {
            batch->owners[i] = owners[i] ? belt_buf_ref(owners[i]) : NULL;
        } else if (body->len) {
            memcpy(rest, body->data, body->len);
            body->data = rest;
            rest += body->len;
        }
    }
    return batch;
}

static void free_batches(struct batch *batch)
{
    while (batch) {
        struct batch *next = batch->next;
        for (uint32_t i = 0; batch->owners && i < batch->count; i++)
            belt_buf_unref(batch->owners[i]);
        free(batch);
        batch = next;
    }
}

/* ---- the thread; all of these are called with the lock held ---- */

static struct timespec after_ms(uint64_t ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static void tell(struct committer *committer)
{
    const uint64_t one = 1;

    committer->changed = true;
    /* Can only fail when it is readable already. */
    while (write(committer->fd, &one, sizeof(one)) < 0 && errno == EINTR)
        continue;
}

/* How many batches from the front go into one transaction, and their changes. */
static uint32_t measure_group(struct committer *committer, uint32_t *changes)
{
    uint64_t bytes = 0, total = 0;
    uint32_t batches = 0;

    for (struct batch *batch = committer->first; batch; batch = batch->next) {
        bytes += batch->bytes;
        total += batch->count;
        if (batches && (bytes > committer->config.group_bytes || total > UINT32_MAX))
            break;
        batches++;
        *changes = (uint32_t)total;
    }
    return batches;
}

static bool make_group_room(struct committer *committer, size_t count)
{
    if (count <= committer->group_room)
        return true;
    struct store_change *group = realloc(committer->group, count * sizeof(*group));
    if (!group)
        return false;
    committer->group = group;
    committer->group_room = count;
    return true;
}

/* The changes of the next transaction; *batches of them are from as many batches. */
static const struct store_change *gather(struct committer *committer, uint32_t *batches, uint32_t *count)
{
    uint32_t at = 0, left;

    *batches = measure_group(committer, count);
    if (*batches == 1 || !make_group_room(committer, *count)) {
        *batches = 1;
        *count = committer->first->count;
        return committer->first->changes;
    }
    left = *batches;
    for (struct batch *batch = committer->first; left--; batch = batch->next) {
        if (batch->count)
            memcpy(committer->group + at, batch->changes, batch->count * sizeof(*batch->changes));
        at += batch->count;
    }
    return committer->group;
}

/* The first batches are durable: out of the queue with them. */
static struct batch *take_off(struct committer *committer, uint32_t batches)
{
    struct batch *done = committer->first, *last = done;

    for (uint32_t i = 0; i < batches; i++) {
        last = committer->first;
        committer->first = last->next;
        committer->queued -= last->bytes;
        if (last->through > committer->news.through)
            committer->news.through = last->through;
    }
    last->next = NULL;
    if (!committer->first)
        committer->end = &committer->first;
    return done;
}

static void note_failure(struct committer *committer, int code)
{
    if (committer->news.code == code)
        return;
    committer->news.code = code;
    memcpy(committer->news.error, committer->store->error, sizeof(committer->news.error));
    tell(committer);
}

/* The store works: as it should, or from its reserve. */
static void note_room(struct committer *committer)
{
    if (committer->store->full) {
        note_failure(committer, BELT_STORE_FAILED);
        return;
    }
    if (committer->news.code != BELT_OK)
        tell(committer);
    committer->news.code = BELT_OK;
    committer->news.error[0] = 0;
}

static void note_success(struct committer *committer, uint32_t batches)
{
    struct batch *done = take_off(committer, batches);

    note_room(committer);
    committer->tidy_due = true;
    tell(committer);
    pthread_mutex_unlock(&committer->lock);
    free_batches(done);
    pthread_mutex_lock(&committer->lock);
}

static int commit_group(struct committer *committer)
{
    uint32_t batches, count;
    const struct store_change *changes = gather(committer, &batches, &count);

    committer->busy = true;
    pthread_mutex_unlock(&committer->lock);
    int code = committer->store->ops->commit(committer->store, changes, count);
    pthread_mutex_lock(&committer->lock);
    committer->busy = false;
    if (code == BELT_OK)
        note_success(committer, batches);
    else
        note_failure(committer, code);
    return code;
}

static void tidy(struct committer *committer)
{
    bool more = false;

    committer->busy = true;
    pthread_mutex_unlock(&committer->lock);
    int code = committer->store->ops->tidy(committer->store, &more);
    pthread_mutex_lock(&committer->lock);
    committer->busy = false;
    /* What fails here comes again after the next commit, which also tells of it. */
    committer->tidy_more = code == BELT_OK && more;
    committer->tidy_due = committer->tidy_more || committer->store->full;
    if (code == BELT_OK)
        note_room(committer);
}

/* Until the next step: at once while there is more to give back; a full store looks for room, but not all the time. */
static uint64_t tidy_pause(const struct committer *committer, uint64_t *pause)
{
    if (committer->tidy_more || !committer->store->full)
        return 0;
    *pause = *pause < committer->config.retry_max_ms / 2 ? *pause * 2 : committer->config.retry_max_ms;
    return *pause;
}

static void await_work(struct committer *committer)
{
    uint64_t pause = committer->config.retry_min_ms;
    struct timespec idle = after_ms(committer->store->full ? pause : committer->config.tidy_ms);

    while (!committer->first && !committer->stopping) {
        if (!committer->tidy_due)
            pthread_cond_wait(&committer->wake, &committer->lock);
        else if (pthread_cond_timedwait(&committer->wake, &committer->lock, &idle) == ETIMEDOUT && !committer->first &&
                 !committer->stopping) {
            tidy(committer);
            idle = after_ms(tidy_pause(committer, &pause));
        }
    }
}

/* New batches do not shorten it; a stop does, for one more attempt. */
static void await_retry(struct committer *committer, uint32_t ms)
{
    struct timespec at = after_ms(ms);
    bool stopping = committer->stopping;

    while (!committer->give_up && committer->stopping == stopping)
        if (pthread_cond_timedwait(&committer->wake, &committer->lock, &at) == ETIMEDOUT)
            return;
}

static void *run(void *ctx)
{
    struct committer *committer = ctx;
    uint32_t delay = committer->config.retry_min_ms;

    pthread_mutex_lock(&committer->lock);
    for (;;) {
        await_work(committer);
        if (!committer->first || committer->give_up)
            break;
        int code = commit_group(committer);
        if (code == BELT_OK) {
            delay = committer->config.retry_min_ms;
            if (committer->store->full)
                tidy(committer);
        } else if (code == BELT_STORE_FAILED) {
            await_retry(committer, delay);
            delay = delay > committer->config.retry_max_ms / 2 ? committer->config.retry_max_ms : delay * 2;
        } else {
            break;
        }
    }
    committer->finished = true;
    pthread_cond_broadcast(&committer->ended);
    pthread_mutex_unlock(&committer->lock);
    return NULL;
}

/* ---- the loop's side ---- */

static void set_defaults(struct committer_config *config)
{
    if (!config->group_bytes)
        config->group_bytes = COMMITTER_GROUP_BYTES;
    if (!config->queue_bytes)
        config->queue_bytes = COMMITTER_QUEUE_BYTES;
    if (!config->retry_min_ms)
        config->retry_min_ms = COMMITTER_RETRY_MIN_MS;
    if (!config->retry_max_ms)
        config->retry_max_ms = COMMITTER_RETRY_MAX_MS;
    if (!config->tidy_ms)
        config->tidy_ms = COMMITTER_TIDY_MS;
}

static int start_thread(struct committer *committer)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&committer->thread, NULL, run, committer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        (void)pthread_setname_np(committer->thread, "belt-store");
    return rc;
}

static void free_committer(struct committer *committer)
{
    free_batches(committer->first);
    pthread_cond_destroy(&committer->wake);
    pthread_cond_destroy(&committer->ended);
    pthread_mutex_destroy(&committer->lock);
    if (committer->fd >= 0)
        close(committer->fd);
    free(committer->group);
    free(committer);
}

struct committer *committer_start(struct store *store, const struct committer_config *config, char *error,
                                  uint32_t size)
{
    struct committer *committer = calloc(1, sizeof(*committer));
    pthread_condattr_t monotonic;

    if (!committer) {
        snprintf(error, size, "cannot start the store's thread: out of memory");
        return NULL;
    }
    committer->store = store;
    if (config)
        committer->config = *config;
    set_defaults(&committer->config);
    committer->end = &committer->first;
    pthread_mutex_init(&committer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&committer->wake, &monotonic);
    pthread_cond_init(&committer->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    committer->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (store->full) {
        note_failure(committer, BELT_STORE_FAILED);
        committer->tidy_due = true; /* nobody may ever commit anything here: room is looked for all the same */
    }
    int rc = committer->fd < 0 ? errno : start_thread(committer);
    if (rc != 0) {
        snprintf(error, size, "cannot start the store's thread: %s", belt_shortage_text(rc));
        free_committer(committer);
        return NULL;
    }
    return committer;
}

int committer_hand(struct committer *committer, const struct store_change *changes, uint32_t count,
                   struct belt_buf *const *owners, uint64_t through)
{
    uint64_t bytes = size_of(changes, count), most;
    uint64_t queued = committer_queued(committer, &most);

    /* Only this thread adds: what is free now stays free. */
    if (queued && queued + bytes > most)
        return BELT_LIMIT;
    struct batch *batch = new_batch(changes, count, owners, bytes);
    if (!batch)
        return BELT_NO_MEMORY;
    batch->through = through;
    pthread_mutex_lock(&committer->lock);
    assert(!committer->stopping);
    *committer->end = batch;
    committer->end = &batch->next;
    committer->queued += bytes;
    pthread_cond_signal(&committer->wake);
    pthread_mutex_unlock(&committer->lock);
    return BELT_OK;
}

uint64_t committer_queued(struct committer *committer, uint64_t *most)
{
    pthread_mutex_lock(&committer->lock);
    uint64_t queued = committer->queued;
    pthread_mutex_unlock(&committer->lock);
    if (most)
        *most = committer->config.queue_bytes;
    return queued;
}

int committer_fd(const struct committer *committer)
{
    return committer->fd;
}

bool committer_done(struct committer *committer, uint64_t *through, int *code)
{
    uint64_t count;

    pthread_mutex_lock(&committer->lock);
    while (read(committer->fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
    bool changed = committer->changed;
    committer->changed = false;
    committer->told = committer->news;
    pthread_mutex_unlock(&committer->lock);
    *through = committer->told.through;
    *code = committer->told.code;
    return changed;
}

const char *committer_error(const struct committer *committer)
{
    return committer->told.error;
}

/* False when the thread is in a call of the store that does not come back in time. */
static bool await_end(struct committer *committer, uint64_t within_ms)
{
    struct timespec at = after_ms(within_ms);
    bool in_time = true;

    pthread_mutex_lock(&committer->lock);
    committer->stopping = true;
    pthread_cond_signal(&committer->wake);
    while (!committer->finished && in_time)
        in_time = pthread_cond_timedwait(&committer->ended, &committer->lock, &at) != ETIMEDOUT;
    committer->give_up = true;
    pthread_cond_signal(&committer->wake);
    bool ends = committer->finished || !committer->busy;
    pthread_mutex_unlock(&committer->lock);
    return ends;
}

int committer_stop(struct committer *committer, uint64_t within_ms)
{
    if (!committer)
        return BELT_OK;
    if (!await_end(committer, within_ms)) {
        pthread_detach(committer->thread);
        return BELT_AGAIN;
    }
    pthread_join(committer->thread, NULL);
    int code = !committer->first ? BELT_OK : committer->news.code != BELT_OK ? committer->news.code : BELT_STORE_FAILED;
    free_committer(committer);
    return code;
}
