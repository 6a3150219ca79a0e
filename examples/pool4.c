/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool of four and ten matches: each result is printed the moment it is due, in the order of the input. No broker
 * has to run: the pool starts a private one and four slots, and both are gone when it is closed.
 */
#include <belt/belt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const matches[] = {"Morphy - Duke Karl",    "Anderssen - Kieseritzky", "Byrne - Fischer",
                                      "Kasparov - Topalov",    "Lasker - Thomas",         "Rotlewi - Rubinstein",
                                      "Steinitz - Bardeleben", "Capablanca - Marshall",   "Tal - Botvinnik",
                                      "Reti - Tartakower"};

/* The work: runs in a slot, a process of its own. */
static int analyze(belt_task *task, const void *data, size_t len, void *ctx)
{
    char text[128];
    int n;

    (void)ctx;
    usleep((unsigned)(len % 7) * 50000u); /* short matches come early, long ones late */
    n = snprintf(text, sizeof(text), "%.*s: %zu letters", (int)len, (const char *)data, len);
    return belt_task_reply(task, text, (size_t)n);
}

/* The input, drawn only as fast as results are taken. */
static int next_match(void *ctx, belt_input *input)
{
    size_t *next = ctx;

    if (*next == sizeof(matches) / sizeof(matches[0]))
        return BELT_INPUT_END;
    input->data = matches[*next];
    input->len = strlen(matches[(*next)++]);
    return BELT_INPUT_READY;
}

int main(void)
{
    belt_pool *pool = NULL;
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    belt_stream *results = NULL;
    belt_result *result;
    size_t next = 0;

    belt_function_register("analyze", analyze, NULL);
    options.slots = 4;
    if (belt_pool_open(NULL, &options, &pool) == BELT_OK)
        belt_pool_imap(pool, "analyze", next_match, &next, NULL, &results);
    while (belt_stream_next(results, -1, &result) == BELT_OK) {
        printf("%2llu  %.*s\n", (unsigned long long)result->index, (int)result->len, (const char *)result->data);
        belt_result_free(&result);
    }
    puts(belt_error_text()); /* the end of the stream, or what went wrong */
    belt_stream_close(&results);
    belt_pool_close(&pool);
    return 0;
}
