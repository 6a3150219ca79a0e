/* SPDX-License-Identifier: Apache-2.0
 *
 * Real processes for end-to-end tests: see process.h.
 */
#include "tests/e2e/process.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Under a sanitizer everything takes its time, and memory is the sanitizer's. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 5
#else
#define SLOWER 1
#endif

#ifndef BELT_PROGRAM
#define BELT_PROGRAM "belt"
#endif

struct text {
    char *data;
    size_t len, room;
};

struct process {
    pid_t pid;
    int in, out, err;
    const char *input; /* what is still to be written */
    size_t input_left;
    char *input_copy;
    bool close_when_written;
    struct text out_text, err_text;
    bool reaped;
    int status;
};

long long process_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *process_belt(void)
{
    const char *path = getenv("BELT_PROGRAM");
    return path ? path : BELT_PROGRAM;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void text_add(struct text *text, const char *data, size_t len)
{
    if (text->len + len + 1 > text->room) {
        text->room = (text->len + len + 1) * 2;
        text->data = realloc(text->data, text->room);
        cr_assert_not_null(text->data);
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

static void child_environment(const char *const *env)
{
    for (; env && *env; env++)
        putenv((char *)(uintptr_t)*env);
}

/* Runs in the child, between fork and exec. */
static void child_run(const struct process_options *options, const int fds[3], pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    setpgid(0, 0);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(126);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    child_environment(options->env);
    execvp(options->argv[0], (char *const *)(uintptr_t)options->argv);
    fprintf(stderr, "cannot run %s: %s\n", options->argv[0], strerror(errno));
    _exit(127);
}

static void pipe_pair(int ends[2])
{
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0, "pipe: %s", strerror(errno));
}

static void open_stdin(const struct process_options *options, struct process *process, int *child)
{
    int ends[2];

    if (options->stdin_path || (!options->input && !options->stdin_open)) {
        *child = open(options->stdin_path ? options->stdin_path : "/dev/null", O_RDONLY | O_CLOEXEC);
        cr_assert_geq(*child, 0, "cannot read %s", options->stdin_path);
        return;
    }
    pipe_pair(ends);
    *child = ends[0];
    process->in = ends[1];
    fcntl(process->in, F_SETFL, O_NONBLOCK);
    if (options->input) {
        process->input_left = options->input_len ? options->input_len : strlen(options->input);
        process->input_copy = malloc(process->input_left + 1);
        cr_assert_not_null(process->input_copy);
        memcpy(process->input_copy, options->input, process->input_left);
        process->input = process->input_copy;
        process->close_when_written = !options->stdin_open;
    }
}

static void open_stdout(const struct process_options *options, struct process *process, int *child)
{
    int ends[2];

    if (options->stdout_path) {
        *child = open(options->stdout_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        cr_assert_geq(*child, 0, "cannot write %s", options->stdout_path);
        return;
    }
    pipe_pair(ends);
    *child = ends[1];
    process->out = ends[0];
    if (options->stdout_closed)
        close_fd(&process->out);
}

static void read_some(int *fd, struct text *text)
{
    char bytes[65536];
    ssize_t got = read(*fd, bytes, sizeof(bytes));

    if (got > 0)
        text_add(text, bytes, (size_t)got);
    else if (got == 0 || errno != EINTR)
        close_fd(fd);
}

static void write_some(struct process *process)
{
    ssize_t put = write(process->in, process->input, process->input_left);

    if (put > 0) {
        process->input += put;
        process->input_left -= (size_t)put;
    } else if (errno == EPIPE) {
        process->input_left = 0;
        close_fd(&process->in);
    }
    if (!process->input_left && process->close_when_written)
        close_fd(&process->in);
}

struct process *process_start(const struct process_options *options)
{
    struct process *process = calloc(1, sizeof(*process));
    int child[3], ends[2];
    pid_t parent = getpid();

    cr_assert_not_null(process);
    signal(SIGPIPE, SIG_IGN);
    process->in = process->out = process->err = -1;
    text_add(&process->out_text, "", 0);
    text_add(&process->err_text, "", 0);
    open_stdin(options, process, &child[0]);
    open_stdout(options, process, &child[1]);
    pipe_pair(ends);
    child[2] = ends[1];
    process->err = ends[0];
    fflush(NULL);
    process->pid = fork();
    cr_assert_geq(process->pid, 0, "fork: %s", strerror(errno));
    if (process->pid == 0)
        child_run(options, child, parent);
    setpgid(process->pid, process->pid);
    for (int i = 0; i < 3; i++)
        close(child[i]);
    /* What fits the pipe is there from the start, whenever the test looks again. */
    if (process->input)
        write_some(process);
    return process;
}

struct process *process_spawn(const char *input, const char *const *argv)
{
    return process_start(&(struct process_options){.argv = argv, .input = input});
}

static void reap(struct process *process)
{
    int status;

    if (!process->reaped && waitpid(process->pid, &status, WNOHANG) == process->pid) {
        process->reaped = true;
        process->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
}

/* One round: moves what can be moved, for at most `wait_ms`. */
static void pump(struct process *process, int wait_ms)
{
    struct pollfd fds[3] = {{.fd = process->out, .events = POLLIN},
                            {.fd = process->err, .events = POLLIN},
                            {.fd = process->input_left ? process->in : -1, .events = POLLOUT}};

    if (poll(fds, 3, wait_ms) > 0) {
        if (fds[0].revents)
            read_some(&process->out, &process->out_text);
        if (fds[1].revents)
            read_some(&process->err, &process->err_text);
        if (fds[2].revents)
            write_some(process);
    }
    reap(process);
}

bool process_wait(struct process *process, int timeout_ms)
{
    long long end = process_now_ms() + (long long)timeout_ms * SLOWER;

    while (!process->reaped || process->out >= 0 || process->err >= 0) {
        if (process_now_ms() >= end)
            return false;
        pump(process, process->reaped || process->out >= 0 || process->err >= 0 ? 10 : 1);
    }
    return true;
}

static bool wait_text(struct process *process, const struct text *text, const int *fd, const char *wanted,
                      int timeout_ms)
{
    long long end = process_now_ms() + (long long)timeout_ms * SLOWER;

    while (!memmem(text->data, text->len, wanted, strlen(wanted))) {
        if (*fd < 0 || process_now_ms() >= end)
            return false;
        pump(process, 10);
    }
    return true;
}

bool process_wait_out(struct process *process, const char *text, int timeout_ms)
{
    return wait_text(process, &process->out_text, &process->out, text, timeout_ms);
}

bool process_wait_err(struct process *process, const char *text, int timeout_ms)
{
    return wait_text(process, &process->err_text, &process->err, text, timeout_ms);
}

int process_status(const struct process *process)
{
    cr_assert(process->reaped, "the process still runs");
    return process->status;
}

const char *process_out(const struct process *process)
{
    return process->out_text.data;
}

size_t process_out_len(const struct process *process)
{
    return process->out_text.len;
}

const char *process_err(const struct process *process)
{
    return process->err_text.data;
}

void process_write(struct process *process, const char *text)
{
    cr_assert(process->in >= 0 && !process->input_left, "standard input is not open");
    free(process->input_copy);
    process->input_copy = strdup(text);
    cr_assert_not_null(process->input_copy);
    process->input = process->input_copy;
    process->input_left = strlen(text);
    for (long long end = process_now_ms() + 10000; process->input_left;) {
        cr_assert_lt(process_now_ms(), end, "the process does not read its standard input");
        pump(process, 10);
    }
}

void process_close_stdin(struct process *process)
{
    close_fd(&process->in);
}

void process_close_stdout(struct process *process)
{
    close_fd(&process->out);
}

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

void process_signal(struct process *process, int signal_number)
{
    if (!process->reaped)
        kill(process->pid, signal_number);
}

void process_signal_group(struct process *process, int signal_number)
{
    kill(-process->pid, signal_number);
}

void process_free(struct process *process)
{
    if (!process)
        return;
    kill(-process->pid, SIGKILL);
    if (!process->reaped)
        waitpid(process->pid, NULL, 0);
    close_fd(&process->in);
    close_fd(&process->out);
    close_fd(&process->err);
    free(process->input_copy);
    free(process->out_text.data);
    free(process->err_text.data);
    free(process);
}

long process_rss_kib(const struct process *process)
{
    char path[64], line[256];
    long kib = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)process->pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return SLOWER > 1 && kib > 0 ? 1 : kib;
}

static bool is_port_free(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    bool is_free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return is_free;
}

/* Below the ports that the kernel gives to connections, or one of those would take it before its listener does; at
 * random, since other tests run at the same time. */
int process_free_port(void)
{
    enum { FIRST = 12000, PORTS = 20000 };
    uint16_t dice;

    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(getrandom(&dice, sizeof(dice), 0), (ssize_t)sizeof(dice));
        if (is_port_free(FIRST + dice % PORTS))
            return FIRST + dice % PORTS;
    }
    cr_assert_fail("no port is free");
    return -1;
}

/* 64 KiB is enough for the environment of a test: the mark stands in it whole or not at all. */
static bool holds_mark(const char *pid, const char *mark)
{
    char path[300], bytes[65536];
    size_t len;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    file = fopen(path, "re");
    if (!file)
        return false;
    len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    return len > 0 && memmem(bytes, len, mark, strlen(mark));
}

int process_count_marked(const char *mark)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    int count = 0;

    cr_assert_not_null(proc);
    while ((entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && holds_mark(entry->d_name, mark))
            count++;
    closedir(proc);
    return count;
}

bool process_wait_marked(const char *mark, int count, int timeout_ms)
{
    for (long long end = process_now_ms() + timeout_ms; process_count_marked(mark) > count; poll(NULL, 0, 20))
        if (process_now_ms() >= end)
            return false;
    return true;
}
