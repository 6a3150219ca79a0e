/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes that touch each other become one. SQLite writes a transaction page
 * by page, the log with a header of its own before each: dozens of system
 * calls, of which each copies into two pages of the kernel. Here they wait
 * until the next one is not their neighbour, or somebody reads, syncs or asks:
 * whoever looks sees what he would see without.
 *
 * What waits is in no synced transaction, so a process that is killed loses
 * nothing that was promised. A write that turns out to have failed when SQLite
 * has gone on fails the next write or the sync, and with it the transaction or
 * the checkpoint: the answers of other operations SQLite does not always heed.
 */
#include "broker/store/sqlite_private.h"

#include <pthread.h>
#include <string.h>

#define GATHER_NAME "belt-gather"
/* SQLite's own files take less than 128 KiB at once (seekAndWriteFd() cuts a length to 17 bits). */
#define GATHER_BYTES (120 << 10)

struct gather_file {
    sqlite3_file base;
    sqlite3_file *real;
    uint8_t *bytes; /* NULL: nothing ever waits */
    sqlite3_int64 at;
    int len, failed; /* what SQLite was not told yet */
};

static sqlite3_vfs *real_vfs, gather_vfs;

static struct gather_file *file_of(sqlite3_file *file)
{
    return (struct gather_file *)file;
}

/* The bytes of a write that failed are forgotten: SQLite takes the transaction back, or does the checkpoint again. */
static int flush(struct gather_file *self)
{
    if (self->len) {
        int rc = self->real->pMethods->xWrite(self->real, self->bytes, self->len, self->at);
        self->len = 0;
        if (self->failed == SQLITE_OK)
            self->failed = rc;
    }
    return self->failed;
}

/* The failure is told where it is heeded, once. */
static int settle(struct gather_file *self)
{
    int rc = flush(self);

    self->failed = SQLITE_OK;
    return rc;
}

static int gather_close(sqlite3_file *file)
{
    struct gather_file *self = file_of(file);
    int rc = flush(self), closed = self->real->pMethods->xClose(self->real);

    sqlite3_free(self->bytes);
    return rc == SQLITE_OK ? closed : rc;
}

static int gather_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 offset)
{
    struct gather_file *self = file_of(file);
    bool joins = self->len && offset == self->at + self->len && len <= GATHER_BYTES - self->len;
    int rc = joins ? SQLITE_OK : settle(self);

    if (rc != SQLITE_OK)
        return rc;
    if (!self->bytes || len > GATHER_BYTES)
        return self->real->pMethods->xWrite(self->real, from, len, offset);
    if (!self->len)
        self->at = offset;
    memcpy(self->bytes + self->len, from, (size_t)len);
    self->len += len;
    return SQLITE_OK;
}

static int gather_read(sqlite3_file *file, void *to, int len, sqlite3_int64 offset)
{
    struct gather_file *self = file_of(file);
    int rc = flush(self);

    return rc != SQLITE_OK ? rc : self->real->pMethods->xRead(self->real, to, len, offset);
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct gather_file *self = file_of(file);
    int rc = flush(self);

    return rc != SQLITE_OK ? rc : self->real->pMethods->xTruncate(self->real, size);
}

static int gather_sync(sqlite3_file *file, int flags)
{
    struct gather_file *self = file_of(file);
    int rc = settle(self);

    return rc != SQLITE_OK ? rc : self->real->pMethods->xSync(self->real, flags);
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct gather_file *self = file_of(file);
    int rc = flush(self);

    return rc != SQLITE_OK ? rc : self->real->pMethods->xFileSize(self->real, size);
}

static int gather_lock(sqlite3_file *file, int level)
{
    return file_of(file)->real->pMethods->xLock(file_of(file)->real, level);
}

static int gather_unlock(sqlite3_file *file, int level)
{
    struct gather_file *self = file_of(file);
    int rc = flush(self), unlocked = self->real->pMethods->xUnlock(self->real, level);

    return rc == SQLITE_OK ? unlocked : rc;
}

static int gather_reserved(sqlite3_file *file, int *result)
{
    return file_of(file)->real->pMethods->xCheckReservedLock(file_of(file)->real, result);
}

/* None that we use looks at the bytes. */
static int gather_control(sqlite3_file *file, int op, void *arg)
{
    return file_of(file)->real->pMethods->xFileControl(file_of(file)->real, op, arg);
}

static int gather_sector(sqlite3_file *file)
{
    return file_of(file)->real->pMethods->xSectorSize(file_of(file)->real);
}

static int gather_character(sqlite3_file *file)
{
    return file_of(file)->real->pMethods->xDeviceCharacteristics(file_of(file)->real);
}

/* Version 1: no shared memory, which the store does not use. */
static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = gather_close,
                                           .xRead = gather_read,
                                           .xWrite = gather_write,
                                           .xTruncate = gather_truncate,
                                           .xSync = gather_sync,
                                           .xFileSize = gather_size,
                                           .xLock = gather_lock,
                                           .xUnlock = gather_unlock,
                                           .xCheckReservedLock = gather_reserved,
                                           .xFileControl = gather_control,
                                           .xSectorSize = gather_sector,
                                           .xDeviceCharacteristics = gather_character};

static int gather_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct gather_file *self = file_of(file);

    (void)vfs;
    *self = (struct gather_file){.real = (sqlite3_file *)(void *)(self + 1)};
    int rc = real_vfs->xOpen(real_vfs, path, self->real, flags, out_flags);
    if (rc != SQLITE_OK)
        return rc;
    if (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL))
        self->bytes = sqlite3_malloc(GATHER_BYTES);
    self->base.pMethods = &methods;
    return SQLITE_OK;
}

static void install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    gather_vfs = *real_vfs;
    gather_vfs.zName = GATHER_NAME;
    gather_vfs.szOsFile = (int)sizeof(struct gather_file) + real_vfs->szOsFile;
    gather_vfs.xOpen = gather_open;
    sqlite3_vfs_register(&gather_vfs, 0);
}

static void forget(sqlite3 *db, int op)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(db, "main", op, &file) != SQLITE_OK || !file || file->pMethods != &methods)
        return;
    file_of(file)->len = 0;
    file_of(file)->failed = SQLITE_OK;
}

void gather_forget(sqlite3 *db)
{
    forget(db, SQLITE_FCNTL_FILE_POINTER);
    forget(db, SQLITE_FCNTL_JOURNAL_POINTER); /* the log */
}

const char *gather_name(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    return GATHER_NAME;
}
