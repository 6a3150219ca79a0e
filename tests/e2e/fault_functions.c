/* SPDX-License-Identifier: Apache-2.0
 *
 * What serves "f" in tests of faults (stage.h): `fault_functions BROKER SLOTS` is an agent with a C function,
 * `fault_functions slot` a coprocess.
 */
#include <belt/belt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes the result to `out` (which holds `len` bytes) and returns its length. */
static size_t f(const char *data, size_t len, char *out)
{
    const char *colon = memchr(data, ':', len);
    unsigned long ms = colon ? strtoul(colon + 1, NULL, 10) : 20;

    if (len == 3 && memcmp(data, "die", 3) == 0)
        kill(getpid(), SIGKILL);
    for (; ms > 0; ms -= ms < 10 ? ms : 10)
        usleep((useconds_t)(ms < 10 ? ms : 10) * 1000);
    if (colon)
        len = (size_t)(colon - data);
    memcpy(out, data, len);
    return len;
}

static int f_in_c(belt_task *task, const void *data, size_t len, void *ctx)
{
    char *text = malloc(2 * len + 2);
    int rc;

    (void)ctx;
    if (!text)
        return belt_task_fail(task, "out of memory");
    memcpy(text, data, len);
    text[len] = '\0';
    rc = belt_task_reply(task, text + len + 1, f(text, len, text + len + 1));
    free(text);
    return rc;
}

static int slot(void)
{
    static char in[4097], out[4096], function[130];
    unsigned attempt;
    size_t argument, len, size;

    printf("belt-slot 1\n");
    fflush(stdout);
    while (scanf("task %*s %129s %u %zu %zu", function, &attempt, &argument, &len) == 4) {
        if (getchar() != '\n' || argument != 0 || len > sizeof(out) || fread(in, 1, len, stdin) != len)
            return 1;
        in[len] = '\0';
        size = f(in, len, out);
        printf("ok %zu\n", size);
        fwrite(out, 1, size, stdout);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    belt_worker_options options;
    int rc;

    if (argc == 2 && strcmp(argv[1], "slot") == 0)
        return slot();
    if (argc != 3)
        return 2;
    belt_worker_options_init(&options);
    options.slots = atoi(argv[2]);
    rc = belt_function_register("f", f_in_c, NULL);
    if (rc == BELT_OK)
        rc = belt_worker_run(argv[1], &options);
    if (rc != BELT_OK)
        fprintf(stderr, "fault_functions: %s\n", belt_error_text());
    return rc == BELT_OK ? 0 : 1;
}
