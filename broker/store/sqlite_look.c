/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a store to look at it and changes nothing: no file is made, written, lengthened or removed, so a copy that may
 * not be written and a file system that is read-only will do.
 *
 * SQLite by itself makes a log beside each database in WAL mode, and writes the log into the database when it closes.
 * Here its files lie on a layer that opens all of them for reading, passes an empty log where there is none, and
 * refuses every write.
 */
#include "broker/store/sqlite_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_NAME "belt-look"

struct look_file {
    sqlite3_file base;
    sqlite3_file *real; /* NULL: a log that is not there */
};

static sqlite3_vfs *real_vfs, look_vfs;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct look_file *)file)->real;
}

static int look_close(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);

    return real ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int look_read(sqlite3_file *file, void *to, int len, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(file);

    if (real)
        return real->pMethods->xRead(real, to, len, offset);
    memset(to, 0, (size_t)len);
    return SQLITE_IOERR_SHORT_READ;
}

static int look_size(sqlite3_file *file, sqlite3_int64 *size)
{
    sqlite3_file *real = real_of(file);

    *size = 0;
    return real ? real->pMethods->xFileSize(real, size) : SQLITE_OK;
}

static int look_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 offset)
{
    (void)file, (void)from, (void)len, (void)offset;
    return SQLITE_READONLY;
}

static int look_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    (void)file, (void)size;
    return SQLITE_READONLY;
}

static int look_sync(sqlite3_file *file, int flags)
{
    (void)file, (void)flags;
    return SQLITE_OK;
}

/* The lock of the directory keeps others out (look_guard). */
static int look_lock(sqlite3_file *file, int level)
{
    (void)file, (void)level;
    return SQLITE_OK;
}

static int look_reserved(sqlite3_file *file, int *result)
{
    (void)file;
    *result = 0;
    return SQLITE_OK;
}

static int look_control(sqlite3_file *file, int op, void *arg)
{
    (void)file, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int look_number(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = look_close,
                                           .xRead = look_read,
                                           .xWrite = look_write,
                                           .xTruncate = look_truncate,
                                           .xSync = look_sync,
                                           .xFileSize = look_size,
                                           .xLock = look_lock,
                                           .xUnlock = look_lock,
                                           .xCheckReservedLock = look_reserved,
                                           .xFileControl = look_control,
                                           .xSectorSize = look_number,
                                           .xDeviceCharacteristics = look_number};

static int look_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct look_file *self = (struct look_file *)file;
    int kind =
        flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_DELETEONCLOSE | SQLITE_OPEN_EXCLUSIVE);
    int exists = 0;

    (void)vfs;
    *self = (struct look_file){.real = (sqlite3_file *)(void *)(self + 1)};
    if (out_flags)
        *out_flags = kind | SQLITE_OPEN_READONLY;
    if (flags & SQLITE_OPEN_WAL && real_vfs->xAccess(real_vfs, path, SQLITE_ACCESS_EXISTS, &exists) == SQLITE_OK &&
        !exists)
        self->real = NULL;
    int rc = self->real ? real_vfs->xOpen(real_vfs, path, self->real, kind | SQLITE_OPEN_READONLY, NULL) : SQLITE_OK;
    if (rc == SQLITE_OK)
        self->base.pMethods = &methods;
    return rc;
}

static int look_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs, (void)path, (void)sync;
    return SQLITE_READONLY;
}

const char *look_name(void)
{
    if (!real_vfs) {
        real_vfs = sqlite3_vfs_find(NULL);
        look_vfs = *real_vfs;
        look_vfs.zName = LOOK_NAME;
        look_vfs.szOsFile = (int)sizeof(struct look_file) + real_vfs->szOsFile;
        look_vfs.xOpen = look_open;
        look_vfs.xDelete = look_delete;
        sqlite3_vfs_register(&look_vfs, 0);
    }
    return LOOK_NAME;
}
