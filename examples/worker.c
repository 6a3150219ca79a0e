/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker with two functions: "reverse" answers with its payload turned around, "count" counts for so many
 * seconds and tells how far it is. Run a broker (`belt broker`), then
 *
 *     worker [tcp://127.0.0.1:7879]
 *     seq 1 10 | belt map --broker tcp://127.0.0.1:7878 reverse
 */
#include <belt/belt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int reverse(belt_task *task, const void *data, size_t len, void *ctx)
{
    const char *from = data;
    char *to = malloc(len + 1);
    int rc;

    (void)ctx;
    if (!to)
        return belt_task_fail(task, "out of memory");
    for (size_t i = 0; i < len; i++)
        to[i] = from[len - 1 - i];
    rc = belt_task_reply(task, to, len);
    free(to);
    return rc;
}

static int count(belt_task *task, const void *data, size_t len, void *ctx)
{
    char text[32] = "";
    unsigned long seconds;

    (void)ctx;
    memcpy(text, data, len < sizeof(text) ? len : sizeof(text) - 1);
    seconds = strtoul(text, NULL, 10);
    if (seconds == 0)
        return belt_task_fail(task, "the input is not a number of seconds");
    for (unsigned long i = 0; i < seconds && !belt_task_cancelled(task); i++) {
        belt_task_progress(task, i, seconds);
        sleep(1);
    }
    return belt_task_reply(task, text, strlen(text));
}

int main(int argc, char **argv)
{
    int rc;

    belt_function_register("reverse", reverse, NULL);
    belt_function_register("count", count, NULL);
    rc = belt_worker_run(argc > 1 ? argv[1] : "tcp://127.0.0.1:7879", NULL);
    if (rc != BELT_OK)
        fprintf(stderr, "worker: %s\n", belt_error_text());
    return rc == BELT_OK ? 0 : 1;
}
