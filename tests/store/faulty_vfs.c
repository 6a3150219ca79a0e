/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that fails on demand (faulty_vfs.h). Each write since the last sync
 * of its file is kept with what it covered: after a cut all of them are
 * undone, and some of their sectors done again.
 */
#include "tests/store/faulty_vfs.h"
#include "tests/store/model.h"

#include <assert.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, FILES = 8 };

/* A write (or a cut to `offset`, when `bytes` is NULL) that is not synced yet. */
struct pending {
    sqlite3_int64 offset, old_size;
    int len;
    uint8_t *bytes, *covered;
    int covered_len;
    struct pending *earlier;
};

struct track {
    char path[512];
    struct pending *latest;
};

struct faulty_file {
    sqlite3_file base;
    struct track *track; /* NULL: a temporary file */
    sqlite3_file *real;
};

static sqlite3_vfs *real_vfs, faulty_vfs;
static struct track tracks[FILES];
static struct faults armed;
static uint64_t operations;
static bool struck, off;

static struct faulty_file *file_of(sqlite3_file *file)
{
    return (struct faulty_file *)file;
}

/* One more operation: its fault, or SQLITE_OK. */
static int operate(void)
{
    if (off)
        return SQLITE_IOERR;
    operations++;
    if (!armed.fail_at || operations < armed.fail_at || operations > armed.fail_at + armed.fail_for)
        return SQLITE_OK;
    struck = true;
    off = armed.cut;
    return armed.cut ? SQLITE_IOERR : armed.code;
}

static void forget(struct track *track)
{
    while (track->latest) {
        struct pending *pending = track->latest;
        track->latest = pending->earlier;
        free(pending->bytes);
        free(pending->covered);
        free(pending);
    }
}

static struct track *track_of(const char *path)
{
    for (int i = 0; path && i < FILES; i++) {
        if (!tracks[i].path[0])
            strncpy(tracks[i].path, path, sizeof(tracks[i].path) - 1);
        if (!strcmp(tracks[i].path, path))
            return &tracks[i];
    }
    assert(!path);
    return NULL;
}

static void *take(size_t len)
{
    void *memory = calloc(1, len + 1);

    if (!memory)
        abort();
    return memory;
}

/* Keeps what a write of `len` bytes (or a cut, when `bytes` is NULL) at `offset` will cover. */
static void remember(struct faulty_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    struct pending *pending;
    sqlite3_int64 size = 0;

    if (!file->track)
        return;
    file->real->pMethods->xFileSize(file->real, &size);
    pending = take(sizeof(*pending));
    *pending = (struct pending){.offset = offset, .old_size = size, .len = len, .earlier = file->track->latest};
    file->track->latest = pending;
    sqlite3_int64 end = bytes && offset + len < size ? offset + len : size;
    if (end > offset) {
        pending->covered_len = (int)(end - offset);
        pending->covered = take((size_t)pending->covered_len);
        file->real->pMethods->xRead(file->real, pending->covered, pending->covered_len, offset);
    }
    if (bytes) {
        pending->bytes = take((size_t)len);
        memcpy(pending->bytes, bytes, (size_t)len);
    }
}

static int faulty_close(sqlite3_file *file)
{
    struct faulty_file *self = file_of(file);
    int rc = self->real->pMethods ? self->real->pMethods->xClose(self->real) : SQLITE_OK;

    sqlite3_free(self->real);
    return rc;
}

static int faulty_read(sqlite3_file *file, void *to, int len, sqlite3_int64 offset)
{
    struct faulty_file *self = file_of(file);

    return off ? SQLITE_IOERR_READ : self->real->pMethods->xRead(self->real, to, len, offset);
}

static int faulty_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 offset)
{
    struct faulty_file *self = file_of(file);
    int rc = operate();

    /* A write that fails may still have begun. */
    if (rc != SQLITE_OK && (rc == SQLITE_FULL || (operations & 1)))
        return rc == SQLITE_IOERR ? SQLITE_IOERR_WRITE : rc;
    int done = rc == SQLITE_OK ? len : len / 2;
    remember(self, from, done, offset);
    int written = self->real->pMethods->xWrite(self->real, from, done, offset);
    return rc == SQLITE_OK ? written : rc;
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct faulty_file *self = file_of(file);
    int rc = operate();

    if (rc != SQLITE_OK)
        return SQLITE_IOERR_TRUNCATE;
    remember(self, NULL, 0, size);
    return self->real->pMethods->xTruncate(self->real, size);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    struct faulty_file *self = file_of(file);
    int rc = operate();

    (void)flags;
    if (rc != SQLITE_OK)
        return SQLITE_IOERR_FSYNC;
    if (self->track)
        forget(self->track);
    return SQLITE_OK;
}

static int faulty_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return file_of(file)->real->pMethods->xFileSize(file_of(file)->real, size);
}

static int faulty_lock(sqlite3_file *file, int level)
{
    return file_of(file)->real->pMethods->xLock(file_of(file)->real, level);
}

static int faulty_unlock(sqlite3_file *file, int level)
{
    return file_of(file)->real->pMethods->xUnlock(file_of(file)->real, level);
}

static int faulty_reserved(sqlite3_file *file, int *result)
{
    return file_of(file)->real->pMethods->xCheckReservedLock(file_of(file)->real, result);
}

static int faulty_control(sqlite3_file *file, int op, void *arg)
{
    /* Nothing that writes beside xWrite. */
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE || op == SQLITE_FCNTL_MMAP_SIZE)
        return SQLITE_NOTFOUND;
    return file_of(file)->real->pMethods->xFileControl(file_of(file)->real, op, arg);
}

static int faulty_sector(sqlite3_file *file)
{
    return file_of(file)->real->pMethods->xSectorSize(file_of(file)->real);
}

static int faulty_character(sqlite3_file *file)
{
    return file_of(file)->real->pMethods->xDeviceCharacteristics(file_of(file)->real);
}

/* Version 1: no shared memory. The store must not need it. */
static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = faulty_close,
                                           .xRead = faulty_read,
                                           .xWrite = faulty_write,
                                           .xTruncate = faulty_truncate,
                                           .xSync = faulty_sync,
                                           .xFileSize = faulty_size,
                                           .xLock = faulty_lock,
                                           .xUnlock = faulty_unlock,
                                           .xCheckReservedLock = faulty_reserved,
                                           .xFileControl = faulty_control,
                                           .xSectorSize = faulty_sector,
                                           .xDeviceCharacteristics = faulty_character};

static int faulty_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct faulty_file *self = file_of(file);

    (void)vfs;
    *self = (struct faulty_file){.track = track_of(path), .real = sqlite3_malloc(real_vfs->szOsFile)};
    if (!self->real)
        return SQLITE_NOMEM;
    memset(self->real, 0, (size_t)real_vfs->szOsFile);
    int rc = off ? SQLITE_CANTOPEN : real_vfs->xOpen(real_vfs, path, self->real, flags, out_flags);
    if (rc != SQLITE_OK) {
        sqlite3_free(self->real);
        return rc;
    }
    self->base.pMethods = &methods;
    return SQLITE_OK;
}

static int faulty_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    int rc = operate();
    if (rc != SQLITE_OK)
        return SQLITE_IOERR_DELETE;
    forget(track_of(path));
    return real_vfs->xDelete(real_vfs, path, sync);
}

void faulty_install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    faulty_vfs = *real_vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.szOsFile = sizeof(struct faulty_file);
    faulty_vfs.xOpen = faulty_open;
    faulty_vfs.xDelete = faulty_delete;
    sqlite3_vfs_register(&faulty_vfs, 1);
}

void faulty_arm(struct faults faults)
{
    armed = faults;
    operations = 0;
    struck = false;
}

uint64_t faulty_operations(void)
{
    return operations;
}

bool faulty_struck(void)
{
    return struck;
}

static void put_back(int fd, const struct pending *pending)
{
    int rc = ftruncate(fd, pending->old_size);

    if (pending->covered)
        rc |= pwrite(fd, pending->covered, (size_t)pending->covered_len, pending->offset) != pending->covered_len;
    if (rc != 0)
        abort();
}

/* Each sector of the write by itself: on disk or not. */
static void do_again(int fd, const struct pending *pending, uint64_t *random, uint64_t luck)
{
    if (!pending->bytes) {
        if (model_random(random) % 100 < luck && ftruncate(fd, pending->offset) != 0)
            abort();
        return;
    }
    bool whole = model_random(random) % 4 != 0, there = model_random(random) % 100 < luck;
    for (int at = 0; at < pending->len; at += SECTOR) {
        int len = pending->len - at < SECTOR ? pending->len - at : SECTOR;
        if (whole ? !there : model_random(random) % 100 >= luck)
            continue;
        if (pwrite(fd, pending->bytes + at, (size_t)len, pending->offset + at) != len)
            abort();
    }
}

static void settle(struct track *track, uint64_t *random)
{
    struct pending *in_order = NULL;
    int fd = open(track->path, O_RDWR | O_CLOEXEC);
    uint64_t luck = model_random(random) % 101;

    for (struct pending *pending = track->latest, *earlier; fd >= 0 && pending; pending = earlier) {
        put_back(fd, pending);
        earlier = pending->earlier;
        pending->earlier = in_order;
        in_order = pending;
    }
    if (fd >= 0)
        track->latest = in_order;
    for (struct pending *pending = in_order; pending; pending = pending->earlier)
        do_again(fd, pending, random, luck);
    if (fd >= 0)
        close(fd);
    forget(track);
}

void faulty_restart(uint64_t seed)
{
    for (int i = 0; i < FILES; i++)
        if (tracks[i].path[0]) {
            settle(&tracks[i], &seed);
            tracks[i].path[0] = 0;
        }
    armed = (struct faults){0};
    off = false;
}
