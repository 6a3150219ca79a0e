/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers 0, 1 and 2. See standard_fds.h.
 */
#include "proto/standard_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int standard_fd_above(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    close(fd);
    errno = error;
    return up;
}

void standard_fds_fill(void)
{
    int fd;

    do /* the lowest free one is what open() gives */
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

int standard_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0) {
        ends[0] = ends[1] = -1;
        return -1;
    }
    ends[0] = standard_fd_above(ends[0]);
    ends[1] = standard_fd_above(ends[1]);
    return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}
