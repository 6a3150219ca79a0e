/* SPDX-License-Identifier: Apache-2.0
 *
 * The reserve: a file that does nothing but take room, so that a disk which is
 * full for everybody else still has some for us. It is given up when a
 * transaction finds no room, and taken again when there is enough. Knows
 * nothing of SQLite.
 *
 * What keeps the sum right: whatever can be on its way into the store when the
 * disk turns out to be full (what the log may hold, the committer's queue, one
 * turn of the broker) has less bytes than the reserve. So all of that gets its
 * place, and what is left is for transactions that make room.
 */
#include "broker/store/sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE_NAME "belt.reserve"
/* The queue and the log of a busy broker fit several times. */
#define RESERVE_MOST ((uint64_t)128 << 20)
/* Some dozen of the smallest transactions. */
#define RESERVE_LEAST ((uint64_t)1 << 20)
/* A small disk is there for jobs, too. */
#define RESERVE_SHARE 8u

uint64_t reserve_size(const struct guard *guard)
{
    struct statvfs disk;

    if (fstatvfs(guard->directory, &disk) != 0)
        return RESERVE_LEAST;
    uint64_t part = (uint64_t)disk.f_blocks * disk.f_frsize / RESERVE_SHARE;
    part -= part % SQLITE_STORE_PAGE;
    return part > RESERVE_MOST ? RESERVE_MOST : part < RESERVE_LEAST ? RESERVE_LEAST : part;
}

static bool is_allocated(int fd, uint64_t bytes)
{
    struct stat status;

    return fstat(fd, &status) == 0 && (uint64_t)status.st_size == bytes && (uint64_t)status.st_blocks * 512 >= bytes;
}

static bool allocate(int fd, uint64_t bytes)
{
    int rc;

    do
        rc = posix_fallocate(fd, 0, (off_t)bytes);
    while (rc == EINTR);
    return rc == 0;
}

bool reserve_take(const struct guard *guard, uint64_t bytes)
{
    int fd = openat(guard->directory, RESERVE_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return false;
    /* Half as much again must be free, or the next transaction would give it up again. */
    bool taken = is_allocated(fd, bytes) || (allocate(fd, bytes + bytes / 2) && ftruncate(fd, (off_t)bytes) == 0);
    if (!taken)
        (void)unlinkat(guard->directory, RESERVE_NAME, 0);
    close(fd);
    return taken;
}

uint64_t reserve_found(const struct guard *guard)
{
    struct stat status;

    return fstatat(guard->directory, RESERVE_NAME, &status, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)status.st_size : 0;
}

bool reserve_give_up(const struct guard *guard)
{
    return unlinkat(guard->directory, RESERVE_NAME, 0) == 0;
}
