/* SPDX-License-Identifier: Apache-2.0
 *
 * Standard error: messages and one status line. See say.h.
 */
#include "cli/say.h"

#include "proto/terminal_text.h"
#include "proto/text_cut.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static char prefix[64] = "belt: ";
static bool status_shown;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void say_as(const char *command)
{
    snprintf(prefix, sizeof(prefix), "belt %s: ", command);
}

/* What cannot be written to standard error cannot be told to anybody: errors are ignored. */
static void write_all(const char *data, size_t len)
{
    while (len) {
        ssize_t put = write(STDERR_FILENO, data, len);
        if (put < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = STDERR_FILENO, .events = POLLOUT};
            poll(&wait, 1, 1000);
        } else if (put < 0 && errno != EINTR)
            return;
        if (put > 0) {
            data += put;
            len -= (size_t)put;
        }
    }
}

static void status_clear(void)
{
    if (status_shown)
        write_all("\r\033[K", 4);
    status_shown = false;
}

void say_hold(void)
{
    pthread_mutex_lock(&lock);
    status_clear();
}

void say_release(void)
{
    pthread_mutex_unlock(&lock);
}

void say_status_clear(void)
{
    say_hold();
    say_release();
}

void say_bytes(const char *data, size_t len)
{
    if (!len)
        return;
    say_hold();
    write_all(data, len);
    say_release();
}

void say(const char *format, ...)
{
    char text[8192], line[sizeof(prefix) + TERMINAL_TEXT_ROOM(sizeof(text))];
    size_t len, head = strlen(prefix);
    va_list args;

    memcpy(line, prefix, head);
    va_start(args, format);
    len = text_format(text, sizeof(text), format, args);
    va_end(args);
    head += terminal_text(line + head, sizeof(line) - head - 1, text, len, 0);
    line[head++] = '\n';
    say_bytes(line, head);
}

void say_status(const char *line)
{
    char text[512];
    size_t len;

    if (!*line) {
        say_status_clear();
        return;
    }
    len = text_print(text, sizeof(text), "\r\033[K%s", line);
    pthread_mutex_lock(&lock);
    write_all(text, len);
    status_shown = true;
    pthread_mutex_unlock(&lock);
}

size_t say_width(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) || size.ws_col < 20)
        return 80;
    return size.ws_col;
}
