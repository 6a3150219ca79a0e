/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files in memory, with a bound.
 */
#include "cli/file.h"

#include "cli/bytes.h"

#include <errno.h>
#include <unistd.h>

int file_read(int fd, size_t limit, char **data, size_t *len)
{
    struct bytes all = {0};
    char part[16384];
    ssize_t got;
    int rc = 0;

    bytes_add(&all, "", 0);
    while (!rc && (got = read(fd, part, sizeof(part))) != 0) {
        if (got > 0)
            bytes_add(&all, part, (size_t)got);
        else if (errno != EINTR)
            rc = errno;
        if (all.len > limit)
            rc = EFBIG;
    }
    if (!rc && all.failed)
        rc = ENOMEM;
    if (rc) {
        bytes_free(&all);
        return rc;
    }
    *data = all.data;
    *len = all.len;
    return 0;
}
