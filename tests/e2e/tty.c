/* SPDX-License-Identifier: Apache-2.0
 *
 * See tty.h.
 */
#include "tests/e2e/tty.h"
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20)

struct tty {
    pid_t pid;
    int master, status;
    pthread_t
        reader; /* reads all the time: nobody may wait for room on a terminal while the test does something else */
    pthread_mutex_t lock; /* of what follows */
    bool left;            /* nobody has the terminal open any more */
    size_t len;
    char text[TEXT_MAX + 1];
};

static _Noreturn void run(const char *name, const char *const *argv, const char *const *env)
{
    struct winsize size = {.ws_row = 50, .ws_col = 250};
    struct termios raw;
    int fd, null = open("/dev/null", O_RDONLY);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    fd = open(name, O_RDWR);
    if (fd < 0 || null < 0 || tcgetattr(fd, &raw) != 0)
        _exit(126);
    raw.c_oflag &= ~(tcflag_t)OPOST; /* what is written arrives as it is */
    tcsetattr(fd, TCSANOW, &raw);
    ioctl(fd, TIOCSWINSZ, &size);
    ioctl(fd, TIOCSCTTY, 0);
    dup2(null, 0);
    dup2(fd, 1);
    dup2(fd, 2);
    close_range(3, ~0u, 0);
    putenv((char[]){"NO_COLOR=1"});
    putenv((char[]){"BELT_CONFIG=/dev/null"});
    for (; env && *env; env++)
        putenv((char *)(uintptr_t)*env);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void *read_all(void *ctx)
{
    struct tty *tty = ctx;
    struct pollfd fd = {.fd = tty->master, .events = POLLIN};
    char part[4096];

    for (;;) {
        ssize_t n = poll(&fd, 1, -1) > 0 && fd.revents & POLLIN ? read(tty->master, part, sizeof(part)) : 0;
        if (n > 0) {
            size_t room = TEXT_MAX - tty->len, kept = (size_t)n < room ? (size_t)n : room;
            pthread_mutex_lock(&tty->lock);
            memcpy(tty->text + tty->len, part, kept);
            tty->len += kept;
            pthread_mutex_unlock(&tty->lock);
        } else if (fd.revents & (POLLHUP | POLLERR)) { /* from here on poll() answers so at once, for ever */
            break;
        }
    }
    pthread_mutex_lock(&tty->lock);
    tty->left = true;
    pthread_mutex_unlock(&tty->lock);
    return NULL;
}

struct tty *tty_start(const char *const *argv, const char *const *env)
{
    struct tty *tty = calloc(1, sizeof(*tty));
    char name[64];

    cr_assert_not_null(tty);
    tty->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    cr_assert(tty->master >= 0 && grantpt(tty->master) == 0 && unlockpt(tty->master) == 0 &&
              ptsname_r(tty->master, name, sizeof(name)) == 0);
    /* Open here, too, until the child has it: a terminal that nobody has open reads as one that all have left. */
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(slave, 0);
    int ready[2];
    cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
    tty->pid = fork();
    cr_assert_geq(tty->pid, 0);
    if (tty->pid == 0)
        run(name, argv, env);
    close(ready[1]);
    char byte;
    (void)!read(ready[0], &byte, 1); /* ends when the child has become the program, or ended */
    close(ready[0]);
    close(slave);
    pthread_mutex_init(&tty->lock, NULL);
    cr_assert_eq(pthread_create(&tty->reader, NULL, read_all, tty), 0);
    return tty;
}

/* Whether `text` is there (NULL: whether all have left) within the time; false also when they have left without. */
static bool await(struct tty *tty, const char *text, int timeout_ms)
{
    long long until = process_now_ms() + timeout_ms;

    for (;;) {
        pthread_mutex_lock(&tty->lock);
        bool found = text ? memmem(tty->text, tty->len, text, strlen(text)) != NULL : tty->left, left = tty->left;
        pthread_mutex_unlock(&tty->lock);
        if (found || left || process_now_ms() > until)
            return found;
        usleep(5000);
    }
}

bool tty_wait(struct tty *tty, const char *text, int timeout_ms)
{
    return await(tty, text, timeout_ms);
}

void tty_signal(struct tty *tty, int signal)
{
    kill(tty->pid, signal);
}

const char *tty_end(struct tty *tty, int timeout_ms)
{
    int status;

    if (!await(tty, NULL, timeout_ms) || waitpid(tty->pid, &status, 0) != tty->pid)
        return NULL;
    tty->pid = 0;
    tty->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    for (size_t i = 0; i < tty->len; i++) /* so that it is found as any other control character */
        if (tty->text[i] == '\0')
            tty->text[i] = '\001';
    return tty->text;
}

int tty_status(const struct tty *tty)
{
    return tty->status;
}

void tty_free(struct tty *tty)
{
    if (tty->pid > 0) {
        kill(tty->pid, SIGKILL);
        waitpid(tty->pid, NULL, 0);
    }
    pthread_join(tty->reader, NULL);
    pthread_mutex_destroy(&tty->lock);
    close(tty->master);
    free(tty);
}

/* The length of the character at `at`, 0: it is none; written down from the table of RFC 3629, and not the program's
 * own. */
static size_t utf8(const unsigned char *at, uint32_t *point)
{
    static const struct {
        unsigned char mask, lead, more;
        uint32_t least;
    } rows[] = {{0x80, 0x00, 0, 0}, {0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};

    for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
        if ((at[0] & rows[r].mask) != rows[r].lead)
            continue;
        *point = at[0] & (unsigned char)~rows[r].mask;
        for (size_t i = 1; i <= rows[r].more; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            *point = *point << 6 | (at[i] & 0x3fu);
        }
        bool good = *point >= rows[r].least && *point <= 0x10ffff && (*point < 0xd800 || *point > 0xdfff);
        return good ? rows[r].more + 1u : 0;
    }
    return 0;
}

static bool turns(uint32_t point)
{
    return point == 0x061c || point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

const char *tty_unfit(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        uint32_t point = 0;
        size_t len = utf8(at, &point);
        if (len == 0 || (point < 0x20 && point != '\n' && point != '\t') || (point >= 0x7f && point <= 0x9f) ||
            turns(point))
            return (const char *)at;
        at += len;
    }
    return NULL;
}
