/* SPDX-License-Identifier: Apache-2.0
 *
 * Directories and files of the store's tests (place.h).
 */
#include "tests/store/place.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void place_make(char *path, size_t size)
{
    const char *base = getenv("TMPDIR");

    snprintf(path, size, "%s/belt-store-XXXXXX", base ? base : "/tmp");
    cr_assert(mkdtemp(path), "%s: %s", path, strerror(errno));
}

void place_remove(const char *path)
{
    DIR *directory = opendir(path);

    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));)
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    (void)rmdir(path);
}

struct store *place_open(const char *directory)
{
    char error[512] = "";
    struct store *store = store_sqlite_open(directory, error, sizeof(error));

    cr_assert(store, "%s", error);
    return store;
}

const char *place_refusal(const char *directory)
{
    static char error[512];

    error[0] = 0;
    struct store *store = store_sqlite_open(directory, error, sizeof(error));
    cr_assert_null(store, "it was opened");
    cr_assert(error[0]);
    return error;
}

uint8_t *place_read(const char *directory, const char *name, size_t *len)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    struct stat status;
    cr_assert_eq(fstat(fileno(file), &status), 0);
    *len = (size_t)status.st_size;
    uint8_t *bytes = malloc(*len + 1);
    cr_assert(bytes);
    cr_assert_eq(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

void place_write(const char *directory, const char *name, const uint8_t *bytes, size_t len)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    cr_assert(file, "%s: %s", path, strerror(errno));
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}
