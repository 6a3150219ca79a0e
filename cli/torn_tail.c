/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a file that is continued. See torn_tail.h.
 */
#include "cli/torn_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART 4096

static ssize_t read_at(int fd, void *data, size_t len, off_t at)
{
    ssize_t got;

    do
        got = pread(fd, data, len, at);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Behind the last separator. */
static off_t whole_lines(int fd, off_t size, char separator)
{
    char part[PART];

    while (size > 0) {
        size_t len = size < PART ? (size_t)size : PART;
        ssize_t got = read_at(fd, part, len, size - (off_t)len);
        if (got != (ssize_t)len) {
            errno = got < 0 ? errno : EIO;
            return -1;
        }
        const char *last = memrchr(part, separator, len);
        size -= (off_t)len;
        if (last)
            return size + (last - part) + 1;
    }
    return 0;
}

/* From length to length. */
static off_t whole_frames(int fd, off_t size)
{
    unsigned char head[4];
    off_t at = 0;

    while (size - at >= (off_t)sizeof(head)) {
        ssize_t got = read_at(fd, head, sizeof(head), at);
        if (got != sizeof(head)) {
            errno = got < 0 ? errno : EIO;
            return -1;
        }
        off_t len = (off_t)((uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3]);
        if (len > size - at - (off_t)sizeof(head))
            break;
        at += (off_t)sizeof(head) + len;
    }
    return at;
}

off_t torn_tail_whole(int fd, off_t size, enum records_mode mode)
{
    if (mode == RECORDS_FRAMED)
        return whole_frames(fd, size);
    return whole_lines(fd, size, mode == RECORDS_NUL ? '\0' : '\n');
}

/* Whether what is about to be written begins with the fragment: nothing is lost then when that goes. */
static bool begins(int fd, const struct torn_tail *tail, off_t whole, off_t size)
{
    char part[PART];

    if (size - whole > (off_t)tail->next_len)
        return false;
    for (off_t at = whole; at < size;) {
        size_t len = size - at < PART ? (size_t)(size - at) : PART;
        ssize_t got = read_at(fd, part, len, at);
        if (got <= 0 || memcmp(part, tail->next + (at - whole), (size_t)got) != 0)
            return false;
        at += got;
    }
    return true;
}

static int take_off(int fd, off_t whole)
{
    return ftruncate(fd, whole) || lseek(fd, whole, SEEK_SET) < 0 ? errno : 0;
}

static int end_line(int fd, enum records_mode mode)
{
    if (mode == RECORDS_FRAMED)
        return EILSEQ;
    return write(fd, mode == RECORDS_NUL ? "\0" : "\n", 1) == 1 ? 0 : errno;
}

/* A descriptor may be for writing only: the file is opened again to be read. -1: it cannot be known how it ends. */
static int open_to_read(int fd)
{
    char path[48];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool at_end(int fd, off_t *size)
{
    struct stat info;

    if (fstat(fd, &info) || !S_ISREG(info.st_mode) || info.st_size == 0)
        return false;
    *size = info.st_size;
    return fcntl(fd, F_GETFL) & O_APPEND || lseek(fd, 0, SEEK_CUR) == info.st_size;
}

int torn_tail_mend(int fd, const struct torn_tail *tail, off_t *cut)
{
    off_t size, whole;
    int reader, rc = 0;

    *cut = 0;
    if (!at_end(fd, &size) || (reader = open_to_read(fd)) < 0)
        return 0;
    whole = torn_tail_whole(reader, size, tail->mode);
    if (whole < 0)
        rc = errno;
    else if (whole < size && (tail->ours || begins(reader, tail, whole, size))) {
        rc = take_off(fd, whole);
        *cut = rc ? 0 : size - whole;
    } else if (whole < size)
        rc = end_line(fd, tail->mode);
    close(reader);
    return rc;
}
