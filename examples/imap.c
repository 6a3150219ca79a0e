/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines in, results out, in a foreign event loop: poll() watches standard input and the stream's descriptor, and
 * neither side ever waits for the other. Lines are read only while the window has room, so a slow worker or a slow
 * reader of our output stops the reading of our input.
 *
 *     seq 1 10 | imap FUNCTION [tcp://127.0.0.1:7878]
 */
#include <belt/belt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct lines {
    char bytes[65536];
    size_t used;
    bool ended;
};

/* Reads once: called when there is something, so it does not wait. */
static void fill(struct lines *lines)
{
    ssize_t n = read(STDIN_FILENO, lines->bytes + lines->used, sizeof(lines->bytes) - lines->used);

    if (n > 0)
        lines->used += (size_t)n;
    else
        lines->ended = true;
    if (lines->ended && lines->used > 0 && lines->used < sizeof(lines->bytes) && lines->bytes[lines->used - 1] != '\n')
        lines->bytes[lines->used++] = '\n'; /* the last line may lack its end */
}

/* Feeds the whole lines that are here; WINDOW_FULL leaves the rest for later. */
static int feed(struct lines *lines, belt_stream *stream)
{
    int rc = BELT_OK;
    char *start = lines->bytes, *end;

    while (rc == BELT_OK && (end = memchr(start, '\n', lines->used))) {
        rc = belt_stream_feed(stream, start, (size_t)(end - start), 0);
        if (rc != BELT_OK)
            break;
        lines->used -= (size_t)(end + 1 - start);
        start = end + 1;
    }
    memmove(lines->bytes, start, lines->used);
    if (rc == BELT_OK && lines->ended)
        rc = belt_stream_end(stream);
    return rc;
}

/* Takes what is ready. AGAIN: all of it was taken. */
static int take(belt_stream *stream)
{
    belt_result *result;
    int rc;

    while ((rc = belt_stream_next(stream, 0, &result)) == BELT_OK) {
        if (result->code == BELT_OK)
            printf("%.*s\n", (int)result->len, (const char *)result->data);
        else
            fprintf(stderr, "input %llu: %s\n", (unsigned long long)result->index, result->text);
        belt_result_free(&result);
    }
    fflush(stdout);
    return rc;
}

static int loop(belt_stream *stream)
{
    static struct lines lines;
    bool full = false, ended = false;
    int rc = BELT_AGAIN;

    while (rc == BELT_AGAIN) {
        struct pollfd fds[] = {{.fd = belt_stream_fd(stream), .events = POLLIN},
                               {.fd = full || lines.ended ? -1 : STDIN_FILENO, .events = POLLIN}};

        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents != 0)
            fill(&lines);
        rc = take(stream);
        if (rc == BELT_AGAIN && !ended) {
            int fed = feed(&lines, stream);

            full = fed == BELT_WINDOW_FULL;
            ended = fed == BELT_OK && lines.ended;
            if (fed != BELT_OK && !full)
                rc = fed;
        }
    }
    return rc;
}

int main(int argc, char **argv)
{
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    int rc;

    if (argc < 2) {
        fprintf(stderr, "usage: imap FUNCTION [BROKER]\n");
        return 2;
    }
    rc = belt_pool_open(argc > 2 ? argv[2] : "tcp://127.0.0.1:7878", NULL, &pool);
    if (rc == BELT_OK)
        rc = belt_pool_imap(pool, argv[1], NULL, NULL, NULL, &stream);
    if (rc == BELT_OK)
        rc = loop(stream);
    if (rc != BELT_END)
        fprintf(stderr, "imap: %s\n", belt_error_text());
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    return rc == BELT_END ? 0 : 1;
}
