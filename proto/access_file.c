/* SPDX-License-Identifier: Apache-2.0
 *
 * See access_file.h.
 */
#include "proto/access_file.h"
#include "proto/shortage.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void belt_secret_free(char *data, size_t len)
{
    if (data)
        explicit_bzero(data, len);
    free(data);
}

/* Fills `data` up to the end of the file. 0, or an errno; EFBIG when there is more than `most`. */
static int read_all(int fd, char *data, size_t most, size_t *len)
{
    *len = 0;
    for (;;) {
        ssize_t got = read(fd, data + *len, most + 1 - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        *len += (size_t)got;
        if (*len > most)
            return EFBIG;
        if (got == 0)
            return 0;
    }
}

static int check_secret(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return EINVAL;
    return status.st_mode & (S_IRWXG | S_IRWXO) ? EPERM : 0;
}

int belt_secret_read(const char *path, size_t most, char **data, size_t *len)
{
    *data = NULL;
    *len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno;
    int err = check_secret(fd);
    if (err == 0 && !(*data = malloc(most + 2)))
        err = ENOMEM;
    if (err == 0)
        err = read_all(fd, *data, most, len);
    if (err == 0) {
        (*data)[*len] = '\0';
    } else {
        belt_secret_free(*data, *data ? *len : 0);
        *data = NULL;
    }
    close(fd);
    return err;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t put = write(fd, data, len);
        if (put < 0 && errno != EINTR)
            return errno;
        if (put > 0) {
            data += put;
            len -= (size_t)put;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static int sync_directory(const char *path)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof(directory), "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0';
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return err;
}

int belt_secret_write(const char *path, const char *data, size_t len, bool replace)
{
    char temporary[PATH_MAX];
    int made = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (made >= (int)sizeof(temporary))
        return ENAMETOOLONG;
    int fd = mkostemp(temporary, O_CLOEXEC); /* which gives it mode 0600 */
    if (fd < 0)
        return errno;
    int err = write_all(fd, data, len);
    close(fd);
    if (err == 0 && replace)
        err = rename(temporary, path) == 0 ? 0 : errno;
    else if (err == 0) /* a second name, which does not replace another file */
        err = link(temporary, path) == 0 ? 0 : errno;
    if (err != 0 || !replace)
        unlink(temporary);
    return err ? err : sync_directory(path);
}

bool belt_access_home(const char *name, char *path, size_t room)
{
    const char *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
    int len = 0;
    if (xdg && *xdg)
        len = snprintf(path, room, "%s/belt/%s", xdg, name);
    else if (home && *home)
        len = snprintf(path, room, "%s/.config/belt/%s", home, name);
    return len > 0 && (size_t)len < room;
}

static enum belt_access_found bad(const char *path, int err, char *error, size_t size)
{
    const char *shortage = belt_shortage_advice(err);
    if (shortage)
        text_print(error, size, "cannot read the access file %s: %s: %s", path, strerror(err), shortage);
    else if (err == EPERM)
        text_print(error, size,
                   "the access file %s can be read or written by others: make it yours alone (chmod 600 %s)", path,
                   path);
    else if (err == EFBIG || err == EINVAL)
        text_print(error, size, "the access file %s is no access file: it is %s", path,
                   err == EFBIG ? "larger than 16 KiB" : "not a regular file");
    else
        text_print(
            error, size,
            "cannot read the access file %s: %s; check the path and its permissions, or name another with --access "
            "or BELT_ACCESS ('none': no keys)",
            path, strerror(err));
    errno = err;
    return BELT_ACCESS_BAD;
}

/* One that nobody asked for may be missing, or be somebody else's. */
static enum belt_access_found load(const char *path, bool named, struct belt_access *access, char *used, size_t room,
                                   char *error, size_t size)
{
    char *data = NULL, what[256];
    size_t len = 0;
    int err = belt_secret_read(path, BELT_ACCESS_BYTES, &data, &len);
    bool hidden = err == EACCES && (strcmp(path, BELT_ACCESS_SYSTEM) == 0 || faccessat(AT_FDCWD, path, F_OK, 0) != 0);
    if (!named && (err == ENOENT || err == ENOTDIR || hidden))
        return BELT_ACCESS_MISSING;
    if (err)
        return bad(path, err, error, size);
    bool good = belt_access_parse(access, data, len, what, sizeof(what));
    belt_secret_free(data, len);
    if (!good) {
        text_print(error, size, "the access file %s is not valid: %s; ask for a new one (belt keys new)", path, what);
        errno = EINVAL;
        return BELT_ACCESS_BAD;
    }
    if (used)
        snprintf(used, room, "%s", path);
    return BELT_ACCESS_FOUND;
}

enum belt_access_found belt_access_load(const char *path, struct belt_access *access, char *used, size_t room,
                                        char *error, size_t size)
{
    const char *environment = getenv("BELT_ACCESS");
    char home[PATH_MAX];
    enum belt_access_found found = BELT_ACCESS_MISSING;
    belt_access_wipe(access);
    if (!path && environment && *environment)
        path = environment;
    if (path && strcmp(path, BELT_ACCESS_NONE) == 0)
        return BELT_ACCESS_MISSING;
    if (path)
        return load(path, true, access, used, room, error, size);
    if (belt_access_home("access", home, sizeof(home)))
        found = load(home, false, access, used, room, error, size);
    if (found == BELT_ACCESS_MISSING)
        found = load(BELT_ACCESS_SYSTEM, false, access, used, room, error, size);
    return found;
}
