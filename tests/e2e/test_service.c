/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker as a service: what it tells the service manager, and the unit that is installed with it.
 */
#include "tests/e2e/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BOUND_MS  60000
#define ARGV(...) ((const char *const[]){process_belt(), __VA_ARGS__, NULL})

static char directory[] = "/tmp/belt-service-XXXXXX";
static char clients[64], workers[64];

static void make_directory(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(clients, sizeof(clients), "ipc://%s/clients", directory);
    snprintf(workers, sizeof(workers), "ipc://%s/workers", directory);
}

static void remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(service, .init = make_directory, .fini = remove_directory, .timeout = 240);

/* The manager's socket; `name` is the path, or @NAME for one that is in no directory. */
static int manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, name, strlen(name));
    if (*name == '@')
        address.sun_path[0] = '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0, "%s: %s", name, strerror(errno));
    return fd;
}

static void told(int fd, const char *wanted)
{
    char text[128] = "";
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&ready, 1, BOUND_MS), 1, "nothing was said, not %s", wanted);
    cr_assert_gt(recv(fd, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, wanted);
}

static void runs_under(const char *name)
{
    char variable[160];
    int fd = manager(name);
    snprintf(variable, sizeof(variable), "NOTIFY_SOCKET=%s", name);
    struct process *broker = process_start(
        &(struct process_options){.argv = ARGV("broker", "-q", "--clients", clients, "--workers", workers),
                                  .env = (const char *const[]){variable, NULL},
                                  .input = ""});
    told(fd, "READY=1");
    /* It listens: a connection is made without trying again. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", clients + strlen("ipc://"));
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0, "%s", strerror(errno));
    close(client);
    process_signal(broker, SIGTERM);
    told(fd, "STOPPING=1");
    cr_assert(process_wait(broker, BOUND_MS));
    cr_assert_eq(process_status(broker), 0, "%s", process_err(broker));
    process_free(broker);
    close(fd);
}

Test(service, the_manager_is_told_when_the_broker_listens_and_ends)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/notify", directory);
    runs_under(path);
    snprintf(path, sizeof(path), "@%s", directory);
    runs_under(path);
}

/* The pool's broker is no service, and whoever runs `belt map` as one is not told by it. */
Test(service, a_private_pool_tells_nothing)
{
    char path[64], variable[160];
    snprintf(path, sizeof(path), "%s/notify", directory);
    snprintf(variable, sizeof(variable), "NOTIFY_SOCKET=%s", path);
    int fd = manager(path);
    struct process *map = process_start(&(struct process_options){
        .argv = ARGV("map", "-j1", "--", "echo", "{}"), .env = (const char *const[]){variable, NULL}, .input = "a\n"});
    cr_assert(process_wait(map, BOUND_MS));
    cr_assert_str_eq(process_out(map), "a\n", "%s", process_err(map));
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&ready, 1, 0), 0, "it said something");
    process_free(map);
    close(fd);
}

/* With this build's program in the place of the installed one, and without the manual, which may not be installed. */
Test(service, systemd_takes_the_unit)
{
    char command[1024];
    snprintf(
        command, sizeof(command),
        "command -v systemd-analyze >/dev/null || exit 77; sed -e 's|/usr/local/bin/belt|%s|' -e /^Documentation/d "
        "'%s' >%s/belt-broker.service && systemd-analyze verify %s/belt-broker.service 2>&1 | "
        "grep belt-broker || :",
        process_belt(), BELT_UNIT, directory, directory);
    struct process *verify = process_spawn("", (const char *const[]){"sh", "-c", command, NULL});
    cr_assert(process_wait(verify, BOUND_MS));
    int status = process_status(verify);
    char said[512];
    snprintf(said, sizeof(said), "%s%s", process_out(verify), process_err(verify));
    process_free(verify);
    if (status == 77)
        cr_skip_test("there is no systemd-analyze here");
    cr_assert_eq(status, 0, "%s", said);
    cr_assert_str_eq(said, "");
}
