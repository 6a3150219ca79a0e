/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies a store, also under a running broker, whose connection is exclusive: SQLite's own backup needs a second one.
 *
 * While belt.backup is locked the broker writes nothing into the database, so its file stands still, and the log only
 * grows; what was acknowledged before is in the one or the other. The log may begin anew once, when all of it was in
 * the database before: then its header changes, and it is copied again. A transaction that is written meanwhile may be
 * cut in the copy, and is dropped as a whole, as after a crash. The mark is copied first: it may be too low, never too
 * high.
 */
#include "broker/store/sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES (256u << 10)
#define LOG_HEADER 32u
#define LOG_NAME   "belt.sqlite-wal"
/* It begins anew at most once while the database stands still. */
#define LOG_TRIES 3

struct copy {
    int from, to; /* directories */
    char *buffer, *error;
    uint32_t size;
};

static bool failed(const struct copy *copy, const char *doing, const char *name)
{
    store_say(copy->error, copy->size, "cannot %s %s: %s", doing, name, strerror(errno));
    return false;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno != EINTR)
            return false;
        bytes += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

static bool copy_bytes(const struct copy *copy, int in, int out, const char *name)
{
    ssize_t got;

    while ((got = read(in, copy->buffer, COPY_BYTES)) != 0) {
        if (got < 0 && errno != EINTR)
            return failed(copy, "read", name);
        if (got > 0 && !write_all(out, copy->buffer, (size_t)got))
            return failed(copy, "write the copy of", name);
    }
    return fsync(out) == 0 || failed(copy, "write to disk the copy of", name);
}

/* A file that is not there is left out. */
static bool copy_file(const struct copy *copy, const char *name)
{
    int in = openat(copy->from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
    bool done = in < 0 && errno == ENOENT;

    if (in < 0)
        return done || failed(copy, "open", name);
    out = openat(copy->to, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    done = out < 0 ? failed(copy, "make the copy of", name) : copy_bytes(copy, in, out, name);
    close(in);
    if (out >= 0)
        close(out);
    return done;
}

static void read_header(int directory, uint8_t header[LOG_HEADER])
{
    int fd = openat(directory, LOG_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    memset(header, 0, LOG_HEADER);
    if (fd >= 0) {
        ssize_t got = pread(fd, header, LOG_HEADER, 0);
        if (got != LOG_HEADER)
            memset(header, 0, LOG_HEADER);
        close(fd);
    }
}

static bool copy_log(const struct copy *copy)
{
    uint8_t before[LOG_HEADER], after[LOG_HEADER];

    for (int i = 0; i < LOG_TRIES; i++) {
        read_header(copy->from, before);
        if (!copy_file(copy, LOG_NAME))
            return false;
        read_header(copy->from, after);
        if (!memcmp(before, after, LOG_HEADER))
            return true;
    }
    store_say(copy->error, copy->size,
              "the log of the store begins anew again and again: does an older broker run there?");
    return false;
}

static bool copy_store(const struct copy *copy)
{
    return copy_file(copy, "belt.mark") && copy_file(copy, "belt.sqlite") && copy_log(copy) &&
           (fsync(copy->to) == 0 || failed(copy, "write to disk", "the new directory"));
}

static int read_through(const char *to, char *error, uint32_t size)
{
    struct store *store = store_sqlite_look(to, error, size);

    if (!store)
        return BELT_SYSTEM;
    int code = store->ops->check(store);
    if (code != BELT_OK)
        store_say(error, size, "%s", store->error);
    store_close(store);
    return code;
}

int store_sqlite_backup(const char *from, const char *to, char *error, uint32_t size)
{
    struct guard guard;
    struct copy copy = {.from = -1, .to = -1, .error = error, .size = size};
    int code = BELT_SYSTEM;

    if (!guard_backup(&guard, from, error, size))
        goto out;
    copy.from = guard.directory;
    copy.buffer = malloc(COPY_BYTES);
    if (!copy.buffer) {
        store_say(error, size, "out of memory");
        goto out;
    }
    if (mkdir(to, 0700) != 0) {
        store_say(error, size, "cannot make the directory %s: %s; name one that is not there, in one that is", to,
                  strerror(errno));
        goto out;
    }
    copy.to = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy.to < 0) {
        (void)failed(&copy, "open", to);
        goto out;
    }
    if (copy_store(&copy))
        code = BELT_OK;
out:
    if (copy.to >= 0)
        close(copy.to);
    free(copy.buffer);
    guard_close(&guard);
    return code == BELT_OK ? read_through(to, error, size) : code;
}
