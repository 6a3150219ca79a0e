/* SPDX-License-Identifier: Apache-2.0
 *
 * The state directory around the database: made, locked against a second
 * broker, and marked with the number of transactions that were acknowledged.
 * Knows nothing of SQLite.
 *
 * The mark is written after a commit is on disk and is itself never waited
 * for, so it can only be too low. When the database has fewer transactions
 * than the mark, some that were on disk are gone (the log cut, flipped,
 * removed; an older copy put in place), which SQLite by itself would take for
 * a torn end and drop.
 */
#include "broker/store/sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define NOTHING ((struct guard){.directory = -1, .lock = -1, .mark = -1, .backup = -1})

#define BACKUP_NAME "belt.backup"
#define MARK_SIZE   24 /* fits a sector, so it is never torn */
static const char mark_magic[8] = {'B', 'E', 'L', 'T', 'M', 'A', 'R', 'K'};

static void encode(uint8_t *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)value;
}

static uint64_t decode(const uint8_t *from)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | from[i];
    return value;
}

uint64_t guard_mark(const struct guard *guard)
{
    uint8_t mark[MARK_SIZE];

    if (pread(guard->mark, mark, sizeof(mark), 0) != MARK_SIZE || memcmp(mark, mark_magic, sizeof(mark_magic)) != 0 ||
        decode(mark + 16) != crc32_z(0, mark, 16))
        return 0;
    return decode(mark + 8);
}

void guard_set_mark(const struct guard *guard, uint64_t commits)
{
    uint8_t mark[MARK_SIZE];

    memcpy(mark, mark_magic, sizeof(mark_magic));
    encode(mark + 8, commits);
    encode(mark + 16, crc32_z(0, mark, 16));
    /* When this fails the mark is too low, which is allowed. */
    ssize_t written = pwrite(guard->mark, mark, sizeof(mark), 0);
    (void)written;
}

static bool make_directory(struct guard *guard, const char *directory, char *error, uint32_t size)
{
    bool made = mkdir(directory, 0700) == 0;

    if (!made && errno != EEXIST) {
        store_say(error, size, "cannot make the state directory %s: %s; its parent must exist and be writable",
                  directory, strerror(errno));
        return false;
    }
    if (!realpath(directory, guard->path)) {
        store_say(error, size, "cannot find the state directory %s: %s", directory, strerror(errno));
        return false;
    }
    guard->directory = open(guard->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (guard->directory < 0) {
        const char *advice = errno == ENOTDIR ? "name a directory" : "check its owner and permissions";
        store_say(error, size, "cannot open the state directory %s: %s; %s", guard->path, strerror(errno), advice);
        return false;
    }
    if (made) {
        int parent = openat(guard->directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent >= 0) {
            (void)fsync(parent);
            close(parent);
        }
    }
    return true;
}

static int open_file(struct guard *guard, const char *name, char *error, uint32_t size)
{
    int fd = openat(guard->directory, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        store_say(error, size, "cannot open %s/%s for writing: %s; check the disk, and the owner and permissions",
                  guard->path, name, strerror(errno));
    return fd;
}

static void name_holder(struct guard *guard, char *error, uint32_t size)
{
    char holder[320];
    ssize_t len = pread(guard->lock, holder, sizeof(holder) - 1, 0);

    holder[len > 0 ? len : 0] = 0;
    holder[strcspn(holder, "\n")] = 0;
    store_say(error, size,
              "the state directory %s is in use by another process (%s); stop that, or name another directory",
              guard->path, *holder ? holder : "unknown");
}

static bool take_lock(struct guard *guard, char *error, uint32_t size)
{
    char host[256] = "", text[320];
    int rc;

    guard->lock = open_file(guard, "belt.lock", error, size);
    if (guard->lock < 0)
        return false;
    do
        rc = flock(guard->lock, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        if (errno == EWOULDBLOCK)
            name_holder(guard, error, size);
        else
            store_say(error, size, "cannot lock %s/belt.lock: %s; the file system must support flock", guard->path,
                      strerror(errno));
        return false;
    }
    (void)gethostname(host, sizeof(host) - 1);
    int len = snprintf(text, sizeof(text), "pid %ld on %s\n", (long)getpid(), host);
    /* It is the flock that counts: a lock file that cannot name its holder (full disk) still holds. */
    bool named = ftruncate(guard->lock, 0) == 0 && pwrite(guard->lock, text, (size_t)len, 0) == len;
    (void)named;
    return true;
}

bool guard_open(struct guard *guard, const char *directory, char *error, uint32_t size)
{
    *guard = NOTHING;
    if (!make_directory(guard, directory, error, size) || !take_lock(guard, error, size))
        return false;
    guard->mark = open_file(guard, "belt.mark", error, size);
    if (guard->mark < 0)
        return false;
    guard->backup = open_file(guard, BACKUP_NAME, error, size);
    if (guard->backup < 0)
        return false;
    /* SQLite would make it readable for everybody. */
    int database = open_file(guard, "belt.sqlite", error, size);
    if (database < 0)
        return false;
    close(database);
    if (fsync(guard->directory) != 0) {
        store_say(error, size, "cannot write the state directory %s to disk: %s", guard->path, strerror(errno));
        return false;
    }
    return true;
}

static int lock_file(int fd, int how)
{
    int rc;

    do
        rc = flock(fd, how);
    while (rc != 0 && errno == EINTR);
    return rc;
}

static bool find_directory(struct guard *guard, const char *directory, char *error, uint32_t size)
{
    if (!realpath(directory, guard->path) ||
        (guard->directory = open(guard->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        store_say(error, size, "cannot open the state directory %s: %s", directory, strerror(errno));
        return false;
    }
    return true;
}

bool guard_look(struct guard *guard, const char *directory, char *error, uint32_t size)
{
    *guard = NOTHING;
    if (!find_directory(guard, directory, error, size))
        return false;
    guard->mark = openat(guard->directory, "belt.mark", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    guard->lock = openat(guard->directory, "belt.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    /* A copy may lack it: then nobody runs there. */
    if (guard->lock >= 0 && lock_file(guard->lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        name_holder(guard, error, size);
        return false;
    }
    return true;
}

bool guard_change_begin(const struct guard *guard)
{
    return lock_file(guard->backup, LOCK_SH | LOCK_NB) == 0;
}

void guard_change_end(const struct guard *guard)
{
    (void)lock_file(guard->backup, LOCK_UN);
}

bool guard_backup(struct guard *guard, const char *directory, char *error, uint32_t size)
{
    *guard = NOTHING;
    if (!find_directory(guard, directory, error, size))
        return false;
    guard->backup = openat(guard->directory, BACKUP_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (guard->backup >= 0 && lock_file(guard->backup, LOCK_EX) == 0)
        return true;
    /* No broker that knows of backups has been here: none may run at all. */
    guard->lock = openat(guard->directory, "belt.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (guard->lock >= 0 && lock_file(guard->lock, LOCK_SH | LOCK_NB) != 0) {
        name_holder(guard, error, size);
        return false;
    }
    return true;
}

void guard_close(struct guard *guard)
{
    int *const all[] = {&guard->mark, &guard->lock, &guard->directory, &guard->backup};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}
