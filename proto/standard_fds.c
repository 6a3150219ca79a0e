/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers 0, 1 and 2. See standard_fds.h.
 */
#include "proto/standard_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int spawn_above_standard(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    close(fd);
    errno = error;
    return up;
}

void spawn_fill_standard(void)
{
    int fd;

    do /* the lowest free one is what open() gives */
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}
