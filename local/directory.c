/* SPDX-License-Identifier: Apache-2.0
 *
 * Directories of private brokers. See directory.h.
 */
#include "local/directory.h"

#include "proto/error.h"
#include "proto/standard_fds.h"
#include "proto/shortage.h"

#include <belt/belt.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX    "belt-"
#define DRAWN     6u /* letters that mkdtemp() draws */
#define LOCK      "owner"
#define PATH_TAIL "/belt-XXXXXX/clients"
/* Another program may clear a directory in the moment before it is locked; not so often. */
#define TRIES 16
/* So many names of a temporary directory are looked at: one that is fuller is cleared by somebody else's rules. */
#define NAMES_MAX 65536u

static const char *const files[] = {"clients", "workers", LOCK};

static bool is_usable(const char *path)
{
    struct stat status;

    return path && path[0] == '/' && strlen(path) + strlen(PATH_TAIL) <= LOCAL_DIRECTORY_MAX &&
           stat(path, &status) == 0 && S_ISDIR(status.st_mode) && access(path, W_OK | X_OK) == 0;
}

static bool is_our_name(const char *name)
{
    size_t len = strlen(PREFIX);

    if (strncmp(name, PREFIX, len) != 0 || strlen(name) != len + DRAWN)
        return false;
    for (const char *at = name + len; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at))
            return false;
    return true;
}

/* Of this user alone, and made by local_directory_make(): it holds the file. The lock, or -1: it belongs to somebody.
 */
static int lock_leftover(int directory)
{
    struct stat status;
    int lock;

    if (fstat(directory, &status) != 0 || status.st_uid != geteuid() || (status.st_mode & 07777) != S_IRWXU)
        return -1;
    lock = openat(directory, LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
        return lock;
    if (lock >= 0)
        close(lock);
    return -1;
}

static void clear_leftover(int parent, const char *name)
{
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int lock = directory >= 0 ? lock_leftover(directory) : -1;

    if (lock >= 0) {
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
            unlinkat(directory, files[i], 0);
        unlinkat(parent, name, AT_REMOVEDIR);
        close(lock);
    }
    if (directory >= 0)
        close(directory);
}

static void clear_leftovers(const char *path)
{
    DIR *parent = opendir(path);
    struct dirent *entry;

    if (!parent)
        return;
    for (unsigned i = 0; i < NAMES_MAX && (entry = readdir(parent)); i++)
        if (is_our_name(entry->d_name))
            clear_leftover(dirfd(parent), entry->d_name);
    closedir(parent);
}

/* The new directory's lock; -1 with errno: EAGAIN when somebody took the directory for a leftover. */
static int lock_new(const char *directory)
{
    char path[LOCAL_DIRECTORY_MAX + sizeof(LOCK) + 1];
    struct stat status;
    int lock;

    snprintf(path, sizeof(path), "%s/" LOCK, directory);
    lock = standard_fd_above(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (lock < 0) {
        if (errno == ENOENT)
            errno = EAGAIN;
        return -1;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) == 0 && fstat(lock, &status) == 0 && status.st_nlink > 0)
        return lock;
    close(lock);
    errno = EAGAIN;
    return -1;
}

static int make_in(const char *parent, char *path)
{
    clear_leftovers(parent);
    for (unsigned i = 0; i < TRIES; i++) {
        int lock;

        snprintf(path, LOCAL_DIRECTORY_MAX + 1, "%s/" PREFIX "XXXXXX", parent);
        if (!mkdtemp(path)) /* 0700 */
            return -1;
        lock = lock_new(path);
        if (lock >= 0)
            return lock;
        if (errno != EAGAIN) {
            int saved = errno;

            local_directory_remove(path);
            errno = saved;
            return -1;
        }
    }
    return -1;
}

int local_directory_make(char *path, int *lock)
{
    const char *candidates[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        if (!is_usable(candidates[i]))
            continue;
        *lock = make_in(candidates[i], path);
        if (*lock >= 0)
            return BELT_OK;
    }
    path[0] = '\0';
    return belt_error_set(BELT_SYSTEM,
                          "cannot make a directory for the private broker in XDG_RUNTIME_DIR, TMPDIR or /tmp: %s",
                          belt_shortage_text(errno));
}

void local_directory_remove(const char *directory)
{
    char path[LOCAL_DIRECTORY_MAX + 16];

    if (directory[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        unlink(path);
    }
    rmdir(directory);
}
