/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast the SQLite store makes tasks durable, beside the floor that this
 * disk sets: a log of the same bytes, written in place and fdatasync'ed.
 *
 *   store_bench [DIRECTORY [RECORDS [TASKS-PER-RECORD [BYTES-PER-TASK]]]]
 *
 * Prints one line per way: tasks a second, and the time of one commit.
 */
#include "broker/committer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct bench {
    const char *directory;
    uint32_t records, tasks;
    size_t len; /* of a record's body */
    uint8_t *body;
    uint64_t *times; /* ns of each commit */
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "store_bench: %s: %s\n", what, why);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void report(const struct bench *bench, const char *way, uint64_t ns, bool latencies)
{
    double seconds = (double)ns / 1e9, tasks = (double)bench->records * bench->tasks;

    printf("%-34s %9.0f tasks/s %7.1f MB/s", way, tasks / seconds, (double)bench->len * bench->records / seconds / 1e6);
    if (latencies) {
        qsort(bench->times, bench->records, sizeof(*bench->times), compare);
        printf("   commit p50 %.2f ms, p99 %.2f ms", (double)bench->times[bench->records / 2] / 1e6,
               (double)bench->times[(uint64_t)bench->records * 99 / 100] / 1e6);
    }
    printf("\n");
    fflush(stdout);
}

/* The floor: room and blocks are there already, so a write changes data alone. */
static void run_log(struct bench *bench)
{
    char path[4096];
    static const size_t head = 16;

    snprintf(path, sizeof(path), "%s/floor.log", bench->directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        fail(path, "cannot be made");
    for (uint32_t i = 0; i < bench->records; i++)
        if (write(fd, bench->body, bench->len) != (ssize_t)bench->len || write(fd, bench->body, head) != (ssize_t)head)
            fail(path, "cannot be written");
    if (fsync(fd) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        fail(path, "cannot be synced");
    uint64_t begun = now_ns();
    for (uint32_t i = 0; i < bench->records; i++) {
        uint64_t start = now_ns();
        if (write(fd, bench->body, bench->len) != (ssize_t)bench->len ||
            write(fd, bench->body, head) != (ssize_t)head || fdatasync(fd) != 0)
            fail(path, "cannot be written");
        bench->times[i] = now_ns() - start;
    }
    report(bench, "preallocated log + fdatasync", now_ns() - begun, true);
    close(fd);
    unlink(path);
}

static struct store_change change_of(const struct bench *bench, enum store_op op, uint32_t i)
{
    struct store_change change = {
        op, {.number = i + 1u, .job = 1, .first = (uint64_t)i * bench->tasks, .count = bench->tasks}};

    if (op == STORE_PUT)
        change.record.body = (struct belt_bytes){bench->body, bench->len};
    return change;
}

static void run_commits(struct bench *bench, struct store *store, enum store_op op, const char *way)
{
    uint64_t begun = now_ns();

    for (uint32_t i = 0; i < bench->records; i++) {
        struct store_change change = change_of(bench, op, i);
        uint64_t start = now_ns();
        if (store->ops->commit(store, &change, 1) != BELT_OK)
            fail(way, store->error);
        bench->times[i] = now_ns() - start;
    }
    report(bench, way, now_ns() - begun, true);
}

static void run_load(struct bench *bench, struct store **store)
{
    char error[512];
    uint64_t begun;

    store_close(*store);
    begun = now_ns();
    *store = store_sqlite_open(bench->directory, error, sizeof(error));
    if (!*store)
        fail("open", error);
    if ((*store)->ops->load(*store, NULL, NULL) != BELT_OK)
        fail("load", (*store)->error);
    report(bench, "sqlite: open and load all", now_ns() - begun, false);
}

/* As the broker does it: what arrives while one commit runs is the next. */
static void run_committer(struct bench *bench, struct store *store)
{
    char error[256];
    uint64_t begun = now_ns(), through = 0;
    uint32_t handed = 0;
    int code;
    struct committer *committer = committer_start(store, NULL, error, sizeof(error));

    if (!committer)
        fail("committer", error);
    while (through < bench->records) {
        int rc = BELT_OK;
        while (handed < bench->records && rc == BELT_OK) {
            struct store_change change = change_of(bench, STORE_PUT, handed);
            rc = committer_hand(committer, &change, 1, NULL, handed + 1u);
            handed += rc == BELT_OK;
        }
        struct pollfd ready = {.fd = committer_fd(committer), .events = POLLIN};
        poll(&ready, 1, -1);
        committer_done(committer, &through, &code);
        if (code != BELT_OK)
            fail("committer", committer_error(committer));
    }
    report(bench, "sqlite: groups of the committer", now_ns() - begun, false);
    if (committer_stop(committer, 10000) != BELT_OK)
        fail("committer", "did not stop");
}

static uint32_t argument(int argc, char **argv, int at, uint32_t otherwise)
{
    long value = argc > at ? strtol(argv[at], NULL, 10) : (long)otherwise;

    if (value <= 0 || value > 1 << 24)
        fail(argv[at], "is no number from 1 to 2^24");
    return (uint32_t)value;
}

int main(int argc, char **argv)
{
    char made[] = "/var/tmp/belt-bench-XXXXXX", error[512];
    struct bench bench = {.directory = argc > 1 ? argv[1] : mkdtemp(made),
                          .records = argument(argc, argv, 2, 1000),
                          .tasks = argument(argc, argv, 3, 100)};

    bench.len = (size_t)bench.tasks * argument(argc, argv, 4, 1024);
    bench.body = malloc(bench.len + 1);
    bench.times = calloc(bench.records, sizeof(*bench.times));
    if (!bench.directory || !bench.body || !bench.times)
        fail("start", "no directory or no memory");
    for (size_t i = 0; i < bench.len; i++)
        bench.body[i] = (uint8_t)(i * 2654435761u >> 13);
    struct store *store = store_sqlite_open(bench.directory, error, sizeof(error));
    if (!store)
        fail("open", error);
    printf("%u records of %u tasks, %zu bytes each, in %s\n", bench.records, bench.tasks, bench.len, bench.directory);
    run_log(&bench);
    run_commits(&bench, store, STORE_PUT, "sqlite: one commit per record");
    run_load(&bench, &store);
    run_commits(&bench, store, STORE_DELETE, "sqlite: one delete per commit");
    run_committer(&bench, store);
    struct store_change all = change_of(&bench, STORE_DELETE_JOB, 0);
    if (store->ops->commit(store, &all, 1) != BELT_OK || store->ops->compact(store) != BELT_OK)
        fail("compact", store->error);
    store_close(store);
    free(bench.body);
    free(bench.times);
    return 0;
}
