/* SPDX-License-Identifier: Apache-2.0
 *
 * The joblog as a file: a new one, or what an interrupted run left.
 */
#include "cli/map_joblog.h"

#include "cli/exit.h"
#include "cli/file.h"
#include "cli/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool put(int fd, const char *text)
{
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool mend(int fd, const char *data, size_t len)
{
    size_t whole = joblog_whole(data, len);

    if (whole < len && ftruncate(fd, (off_t)whole))
        return false;
    return whole || put(fd, JOBLOG_HEADER);
}

/* A run that was killed may have left half a line, whose task runs again: it goes, so that the log stays one. */
static int resume(int fd, const struct map_values *values, struct joblog_skip *skip)
{
    char *data = NULL, error[128];
    size_t len = 0;
    int failed = file_read(fd, SIZE_MAX / 2, &data, &len), rc = 0;

    if (failed) {
        say("cannot read the joblog %s: %s", values->joblog, strerror(failed));
        return EXIT_IO;
    }
    if (joblog_read(data, len, values->resume_failed, skip, error, sizeof(error))) {
        say("the joblog %s cannot be resumed: %s; move it away to start anew", values->joblog, error);
        rc = EXIT_IO;
    } else if (!mend(fd, data, len)) {
        say("cannot write the joblog %s: %s", values->joblog, strerror(errno));
        rc = EXIT_IO;
    }
    free(data);
    return rc;
}

int map_joblog_open(const struct map_values *values, struct joblog_skip *skip)
{
    bool again = values->resume || values->resume_failed;
    int fd = open(values->joblog, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (again ? 0 : O_TRUNC), 0666);
    int rc = EXIT_IO;

    if (fd < 0 || (!again && !put(fd, JOBLOG_HEADER)))
        say("cannot write the joblog %s: %s", values->joblog, strerror(errno));
    else
        rc = again ? resume(fd, values, skip) : 0;
    if (rc && fd >= 0)
        close(fd);
    return rc ? -rc : fd;
}
