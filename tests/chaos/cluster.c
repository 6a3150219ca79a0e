/* SPDX-License-Identifier: Apache-2.0
 *
 * See cluster.h.
 */
#include "tests/chaos/cluster.h"
#include "tests/chaos/work.h"

#include <arpa/inet.h>
#include <belt/codes.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TASKS_MIN  100u
#define TASKS_MORE 1500u
#define DISK       "size=96m"
/* On a busy machine a process may take so long to come up. */
#define START_MS 2000u

static const char *belt_program, *self_program;

uint64_t cluster_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t cluster_random(struct cluster *cluster, uint64_t below)
{
    cluster->random = work_mix(cluster->random);
    return cluster->random % below;
}

static void violation(struct cluster *cluster, const char *what, const struct cluster_process *process, int detail)
{
    static const char *const names[] = {"broker", "agent", "client", "proxy"};

    cluster->violations++;
    fprintf(stderr, "VIOLATION %s %u: %s (%d)\n", names[process->role], process->number, what, detail);
}

/* ---- starting ---- */

/* In the child. What it says goes to a file of the directory. */
static void become(const struct cluster *cluster, const char *name, const char *const *argv)
{
    char path[128];
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(path, sizeof(path), "%s/%s.log", cluster->dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(fd, 0);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static pid_t spawn(const struct cluster *cluster, const char *name, const char *const *argv)
{
    pid_t pid = fork();

    if (pid == 0)
        become(cluster, name, argv);
    return pid < 0 ? 0 : pid;
}

static void start_broker(struct cluster *cluster)
{
    char clients[32], workers[32];
    const char *argv[] = {belt_program,   "broker",      "--clients", clients,   "--workers", workers,   "--state",
                          cluster->state, "--heartbeat", "200ms",     "--lease", "1s",        "--grace", "20s",
                          "--keep",       "60s",         "--drain",   "1s",      NULL};

    snprintf(clients, sizeof(clients), "127.0.0.1:%u", cluster->clients_port);
    snprintf(workers, sizeof(workers), "127.0.0.1:%u", cluster->workers_port);
    cluster->broker.pid = spawn(cluster, "broker", argv);
}

/* The last agent runs a C function in forked slots, the others keep a coprocess in each. */
static void start_agent(struct cluster *cluster, struct cluster_process *process)
{
    char address[32], coproc[600], name[16];
    const char *worker[] = {belt_program, "worker",       "--broker", address,    "-j2",  "--drain",
                            "1s",         "--kill-after", "200ms",    "--coproc", coproc, NULL};
    const char *in_c[] = {self_program, "agent", address, NULL};

    snprintf(address, sizeof(address), "tcp://127.0.0.1:%u", cluster->port[1]);
    snprintf(coproc, sizeof(coproc), WORK_FUNCTION "=exec %s slot", self_program);
    snprintf(name, sizeof(name), "agent%u", process->number);
    process->pid = spawn(cluster, name, process->number == CLUSTER_AGENTS - 1 ? in_c : worker);
}

static void start_client(struct cluster *cluster, struct cluster_process *process)
{
    char address[32], seed[24], count[24], name[16];
    bool corrupted = process->number == CLUSTER_CLIENTS - 1;
    const char *argv[] = {self_program, "client", address, NULL, seed, count, process->log, NULL};

    if (!process->resumes) {
        process->ordered = cluster_random(cluster, 2) == 0;
        process->seed = cluster_random(cluster, UINT64_MAX);
        process->count = TASKS_MIN + cluster_random(cluster, TASKS_MORE);
        snprintf(process->log, sizeof(process->log), "%s/seen-%llu", cluster->dir, (unsigned long long)cluster->jobs++);
    }
    cluster->resumed += process->resumes;
    process->resumes = false;
    argv[3] = process->ordered ? "ordered" : "unordered";
    snprintf(address, sizeof(address), "tcp://127.0.0.1:%u", cluster->port[corrupted ? 2 : 0]);
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)process->seed);
    snprintf(count, sizeof(count), "%llu", (unsigned long long)process->count);
    snprintf(name, sizeof(name), "client%u", process->number);
    process->pid = spawn(cluster, name, argv);
}

static void start(struct cluster *cluster, struct cluster_process *process)
{
    process->killed = process->draining = false;
    process->continue_ms = 0;
    process->since_ms = cluster_now();
    if (process->role == ROLE_BROKER)
        start_broker(cluster);
    else if (process->role == ROLE_AGENT)
        start_agent(cluster, process);
    else if (process->role == ROLE_CLIENT)
        start_client(cluster, process);
}

static int listen_on(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        perror("belt-chaos: listen");
    *port = ntohs(address.sin_port);
    return fd;
}

static bool start_proxy(struct cluster *cluster, unsigned i)
{
    struct cluster_process *process = &cluster->proxies[i];
    int pair[2], listener = listen_on(&cluster->port[i]);

    if (listener < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    process->pid = fork();
    if (process->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned other = 0; other < i; other++)
            close(cluster->control[other]);
        close(pair[0]);
        proxy_run(listener, i == 1 ? cluster->workers_port : cluster->clients_port, pair[1]);
        _exit(0);
    }
    close(listener);
    close(pair[1]);
    cluster->control[i] = pair[0];
    return process->pid > 0;
}

/* In a mount namespace of our own: whatever happens to us, no mount is left. */
static bool make_disk(struct cluster *cluster)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("belt-chaos", cluster->state, "tmpfs", 0, DISK) == 0;
}

static void number(struct cluster_process *process, enum cluster_role role, unsigned i)
{
    *process = (struct cluster_process){.role = role, .number = i};
}

bool cluster_start(struct cluster *cluster, const char *belt, const char *self, uint64_t seed)
{
    int fd;

    memset(cluster, 0, sizeof(*cluster));
    cluster->random = seed;
    belt_program = belt;
    self_program = self;
    strcpy(cluster->dir, "/tmp/belt-chaos-XXXXXX");
    if (!mkdtemp(cluster->dir)) {
        perror("belt-chaos: a directory in /tmp");
        return false;
    }
    snprintf(cluster->state, sizeof(cluster->state), "%s/state", cluster->dir);
    mkdir(cluster->state, 0700);
    cluster->disk = make_disk(cluster);
    if (!cluster->disk)
        fprintf(stderr, "belt-chaos: no mounts are permitted here: the disk is never full in this run\n");
    setenv("BELT_CONFIG", "/dev/null", 1);
    setenv("BELT_CHECK_BOOKS", "1", 1);
    setenv("BELT_CHAOS", cluster->dir, 1); /* marks all that descends from us */
    for (uint16_t *port = &cluster->clients_port; port <= &cluster->workers_port; port++) {
        fd = listen_on(port);
        close(fd);
    }
    number(&cluster->broker, ROLE_BROKER, 0);
    for (unsigned i = 0; i < CLUSTER_AGENTS; i++)
        number(&cluster->agents[i], ROLE_AGENT, i);
    for (unsigned i = 0; i < CLUSTER_CLIENTS; i++)
        number(&cluster->clients[i], ROLE_CLIENT, i);
    for (unsigned i = 0; i < CLUSTER_PROXIES; i++) {
        number(&cluster->proxies[i], ROLE_PROXY, i);
        if (!start_proxy(cluster, i))
            return false;
    }
    return true;
}

/* ---- ends ---- */

static void client_over(struct cluster *cluster, struct cluster_process *process, int status)
{
    struct checker_counts counts = {0};
    bool corrupted = process->number == CLUSTER_CLIENTS - 1, ok;
    int code;

    if (corrupted) {
        unlink(process->log);
        return;
    }
    if (WORK_RESUMES(process->seed) &&
        (process->killed || (WIFEXITED(status) && WEXITSTATUS(status) == WORK_EXIT_REFUSED))) {
        process->resumes = true;
        return;
    }
    ok = checker_read(process->log, process->ordered, process->seed, process->count, &counts, &code);
    if (!ok) {
        violation(cluster, "what it saw is wrong", process, code);
    } else if (!process->killed && (code == BELT_STORE_FAILED || code == BELT_DRAINING) && counts.results == 0) {
        cluster->refused++;
        counts.failed = 0;
    } else if (!process->killed && (code != BELT_END || status != 0)) {
        violation(cluster, "its stream failed with code", process, code);
        ok = false;
    }
    for (unsigned i = 0; i < sizeof(counts) / sizeof(uint64_t); i++)
        ((uint64_t *)&cluster->seen)[i] += ((uint64_t *)&counts)[i];
    if (ok)
        unlink(process->log);
}

static void over(struct cluster *cluster, struct cluster_process *process, int status)
{
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    process->pid = 0;
    process->continue_ms = 0;
    if (process->role == ROLE_CLIENT)
        client_over(cluster, process, status);
    else if (process->role == ROLE_PROXY)
        violation(cluster, "the proxy ended", process, status);
    else if (process->draining && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM &&
             cluster_now() < process->since_ms + START_MS)
        well = true; /* it had not come to minding its signals */
    else if (!process->killed && (!process->draining || !well))
        violation(cluster, "it ended by itself, or not well: wait status", process, status);
    if (process->start_ms < cluster_now())
        process->start_ms = cluster_now() + cluster_random(cluster, 300);
}

static void tend(struct cluster *cluster, struct cluster_process *process)
{
    uint64_t now = cluster_now();
    int status;

    if (process->pid > 0 && waitpid(process->pid, &status, WNOHANG) == process->pid)
        over(cluster, process, status);
    if (process->pid > 0 && process->continue_ms != 0 && now >= process->continue_ms) {
        kill(process->pid, SIGCONT);
        process->continue_ms = 0;
    }
    if (process->pid == 0 && process->role != ROLE_PROXY && now >= process->start_ms &&
        !(process->role == ROLE_CLIENT && cluster->no_more_jobs && !process->resumes))
        start(cluster, process);
}

void cluster_tick(struct cluster *cluster)
{
    tend(cluster, &cluster->broker);
    for (unsigned i = 0; i < CLUSTER_AGENTS; i++)
        tend(cluster, &cluster->agents[i]);
    for (unsigned i = 0; i < CLUSTER_CLIENTS; i++)
        tend(cluster, &cluster->clients[i]);
    for (unsigned i = 0; i < CLUSTER_PROXIES; i++)
        tend(cluster, &cluster->proxies[i]);
}

unsigned cluster_streams(const struct cluster *cluster)
{
    unsigned count = 0;

    for (unsigned i = 0; i < CLUSTER_CLIENTS - 1; i++)
        count += cluster->clients[i].pid > 0 || cluster->clients[i].resumes;
    return count;
}

/* ---- faults ---- */

void cluster_kill(struct cluster *cluster, struct cluster_process *process, int signal_number, uint64_t pause_ms)
{
    (void)cluster;
    if (process->pid <= 0)
        return;
    process->start_ms = cluster_now() + pause_ms;
    if (signal_number == SIGKILL)
        process->killed = true;
    else
        process->draining = true;
    kill(process->pid, signal_number);
    if (process->continue_ms != 0) {
        process->continue_ms = 0;
        kill(process->pid, SIGCONT);
    }
}

void cluster_stop(struct cluster_process *process, uint64_t ms)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGSTOP);
    process->continue_ms = cluster_now() + ms;
}

static pid_t parent_of(const char *pid)
{
    char path[300], state;
    int parent = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*d (%*[^)]) %c %d", &state, &parent) != 2 || state == 'Z')
        parent = 0;
    fclose(file);
    return parent;
}

/* Up to `max` children of `parent`. */
static unsigned children_of(pid_t parent, pid_t *pids, unsigned max)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    unsigned count = 0;

    while (proc && count < max && (entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && parent_of(entry->d_name) == parent)
            pids[count++] = atoi(entry->d_name);
    if (proc)
        closedir(proc);
    return count;
}

static void name_of(pid_t pid, char name[32])
{
    char path[64];
    FILE *file;

    name[0] = '\0';
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    file = fopen(path, "re");
    if (file && !fgets(name, 32, file))
        name[0] = '\0';
    if (file)
        fclose(file);
}

/* Coprocesses are children of the agent, slots of C functions those of its keeper. */
pid_t cluster_slot(struct cluster *cluster, bool keeper)
{
    pid_t children[16], slots[32];
    struct cluster_process *agent = &cluster->agents[cluster_random(cluster, CLUSTER_AGENTS)];
    unsigned count = agent->pid > 0 ? children_of(agent->pid, children, 16) : 0, found = 0;
    char own[32], name[32];

    name_of(agent->pid, own);
    for (unsigned i = 0; i < count; i++) {
        name_of(children[i], name);
        if (strcmp(name, own) == 0) {
            continue; /* it was forked just now: what will it be? */
        } else if (strcmp(name, "belt-keeper\n") != 0) {
            slots[found++] = children[i];
        } else if (keeper) {
            agent->killed = true; /* an agent without its keeper ends, and says so */
            return children[i];
        } else {
            found += children_of(children[i], slots + found, 16);
        }
    }
    return found > 0 && !keeper ? slots[cluster_random(cluster, found)] : 0;
}

void cluster_order(struct cluster *cluster, unsigned proxy, enum proxy_fault fault, uint64_t bytes, uint64_t ms)
{
    struct proxy_order order = {
        .fault = fault, .random = cluster_random(cluster, UINT64_MAX), .bytes = bytes, .ms = ms};

    if (send(cluster->control[proxy], &order, sizeof(order), MSG_NOSIGNAL) != (ssize_t)sizeof(order))
        violation(cluster, "the proxy takes no orders", &cluster->proxies[proxy], errno);
}

bool cluster_fill(struct cluster *cluster, bool full)
{
    static const char zeros[65536];
    char path[80];
    int fd;

    if (!cluster->disk)
        return false;
    snprintf(path, sizeof(path), "%s/filler", cluster->state);
    if (!full)
        return unlink(path) == 0;
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && write(fd, zeros, sizeof(zeros)) > 0)
        ;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static rlim_t open_descriptors(pid_t pid)
{
    char path[64];
    rlim_t count = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

void cluster_descriptors(struct cluster *cluster, bool exhausted)
{
    pid_t pid = cluster->broker.pid;
    struct rlimit limit;

    if (pid <= 0 || (exhausted && cluster_now() < cluster->broker.since_ms + START_MS) ||
        prlimit(pid, RLIMIT_NOFILE, NULL, &limit) != 0)
        return;
    limit.rlim_cur = exhausted ? open_descriptors(pid) - 2 : limit.rlim_max;
    prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}

/* ---- the end ---- */

int cluster_run(struct cluster *cluster, const char *const *arguments)
{
    const char *argv[16] = {belt_program};
    int status = -1;
    pid_t pid;

    for (int i = 0; i < 14 && arguments[i]; i++)
        argv[i + 1] = arguments[i];
    pid = spawn(cluster, "commands", argv);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A slot that crashes costs no result, so nobody would notice. */
static void check_logs(struct cluster *cluster)
{
    char command[200];

    snprintf(command, sizeof(command), "grep -hE 'Sanitizer:|runtime error:|Assertion|slept through' %s/*.log >&2",
             cluster->dir);
    if (system(command) == 0) {
        cluster->violations++;
        fprintf(stderr, "VIOLATION a process says so in its log\n");
    }
}

void cluster_finish(struct cluster *cluster)
{
    uint64_t end = cluster_now() + 20000;
    int code;

    for (unsigned i = 0; i < CLUSTER_CLIENTS; i++)
        cluster_kill(cluster, &cluster->clients[i], SIGKILL, 0);
    cluster_kill(cluster, &cluster->broker, SIGTERM, UINT64_MAX / 2);
    while (cluster->broker.pid > 0 && cluster_now() < end) {
        tend(cluster, &cluster->broker);
        usleep(10000);
    }
    if (cluster->broker.pid > 0)
        violation(cluster, "it does not end on SIGTERM", &cluster->broker, 0);
    code = cluster_run(cluster, (const char *const[]){"store", "check", "--state", cluster->state, NULL});
    if (code != 0)
        violation(cluster, "its store is damaged: 'belt store check' exits with", &cluster->broker, code);
    check_logs(cluster);
}

static void kill_marked(const char *dir)
{
    char mark[80], path[300], bytes[65536];
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    snprintf(mark, sizeof(mark), "BELT_CHAOS=%s", dir);
    while (proc && (entry = readdir(proc))) {
        FILE *file;
        size_t len;

        snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
        if (atoi(entry->d_name) <= 0 || atoi(entry->d_name) == getpid() || !(file = fopen(path, "re")))
            continue;
        len = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        if (memmem(bytes, len, mark, strlen(mark)))
            kill(atoi(entry->d_name), SIGKILL);
    }
    if (proc)
        closedir(proc);
}

static void remove_directory(const char *dir)
{
    DIR *entries = opendir(dir);
    struct dirent *entry;
    char path[400];

    while (entries && (entry = readdir(entries))) {
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(path) != 0)
            remove_directory(path);
    }
    if (entries)
        closedir(entries);
    rmdir(dir);
}

static void end_process(struct cluster_process *process)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    process->pid = 0;
}

void cluster_end(struct cluster *cluster)
{
    end_process(&cluster->broker);
    for (unsigned i = 0; i < CLUSTER_CLIENTS; i++)
        end_process(&cluster->clients[i]);
    for (unsigned i = 0; i < CLUSTER_AGENTS; i++)
        end_process(&cluster->agents[i]);
    for (unsigned i = 0; i < CLUSTER_PROXIES; i++)
        end_process(&cluster->proxies[i]);
    kill_marked(cluster->dir);
    if (cluster->violations > 0)
        fprintf(stderr, "belt-chaos: what everybody said is in %s\n", cluster->dir);
    if (cluster->disk)
        umount2(cluster->state, MNT_DETACH);
    if (cluster->violations == 0)
        remove_directory(cluster->dir);
}
