/* SPDX-License-Identifier: Apache-2.0
 *
 * Rings and pipes between an agent and a slot: no byte is lost, and nobody sleeps through what he waits for.
 */
#include "worker/slot/pipe.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOTAL (24u << 20)

struct end {
    struct slot_pipe pipe;
    size_t step; /* bytes in one piece, up to this; they vary */
};

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

static size_t piece(size_t at, size_t step)
{
    return 1 + (at * 2654435761u) % step;
}

static struct slot_rings *rings_new(void)
{
    struct slot_rings *rings = aligned_alloc(64, sizeof(*rings));

    cr_assert_not_null(rings);
    slot_rings_reset(rings);
    return rings;
}

/* The slot's side: sleeps when it can do nothing. */
static void *write_all(void *argument)
{
    struct end *end = argument;
    uint8_t *bytes = malloc(end->step);

    for (size_t at = 0; at < TOTAL;) {
        size_t len = piece(at, end->step), wrote = 0;
        len = len < TOTAL - at ? len : TOTAL - at;
        for (size_t i = 0; i < len; i++)
            bytes[i] = byte_at(at + i);
        while (wrote < len) {
            size_t n = slot_pipe_write(&end->pipe, bytes + wrote, len - wrote);
            wrote += n;
            if (n == 0 && slot_pipe_tell(&end->pipe) == 0)
                slot_pipe_sleep(&end->pipe);
        }
        at += len;
        if (at % 3 == 0 || at == TOTAL) /* not after each piece */
            slot_pipe_tell(&end->pipe);
    }
    free(bytes);
    return NULL;
}

/* The agent's side: polls the bell, and reads on until there is nothing. Returns how many bytes were right. */
static size_t read_all(struct end *end)
{
    uint8_t *bytes = malloc(end->step);
    size_t at = 0;

    for (bool right = true; right && at < TOTAL;) {
        ssize_t n = slot_pipe_read(&end->pipe, bytes, piece(at, end->step));
        struct pollfd bell = {.fd = end->pipe.bell, .events = POLLIN};
        if (n == 0 || (n < 0 && poll(&bell, 1, 60000) != 1))
            break;
        for (ssize_t i = 0; i < n && right; i++)
            right = bytes[i] == byte_at(at++);
    }
    free(bytes);
    return at;
}

Test(slot_pipe, bytes_come_in_order_however_they_are_cut, .timeout = 120)
{
    static const size_t steps[][2] = {{100, 5000}, {70000, 300}, {300000, 300000}};

    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        struct slot_rings *rings = rings_new();
        int bells[2];
        pthread_t writer;
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, bells), 0);
        struct end slot = {slot_pipe_open(rings, bells[1], false), steps[i][0]};
        struct end agent = {slot_pipe_open(rings, bells[0], true), steps[i][1]};
        cr_assert_eq(pthread_create(&writer, NULL, write_all, &slot), 0);
        cr_expect_eq(read_all(&agent), TOTAL);
        close(bells[0]);
        pthread_join(writer, NULL);
        close(bells[1]);
        free(rings);
    }
}

Test(slot_pipe, what_was_written_before_the_end_is_read)
{
    struct slot_rings *rings = rings_new();
    char text[16];
    int bells[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, bells), 0);
    struct slot_pipe slot = slot_pipe_open(rings, bells[1], false), agent = slot_pipe_open(rings, bells[0], true);
    cr_assert_eq(slot_pipe_read(&agent, text, sizeof(text)), -1);
    cr_assert_eq(slot_pipe_write(&slot, "last words", 10), 10);
    close(bells[1]);
    cr_assert_eq(slot_pipe_read(&agent, text, sizeof(text)), 10);
    cr_assert_eq(slot_pipe_read(&agent, text, sizeof(text)), 0);
    close(bells[0]);
    free(rings);
}

Test(slot_pipe, a_slot_reads_what_is_there_and_then_the_end)
{
    struct slot_rings *rings = rings_new();
    char text[16];
    struct slot_pipe slot = slot_pipe_open(rings, -1, false), agent = slot_pipe_open(rings, -1, true);

    cr_assert_eq(slot_pipe_write(&agent, "task", 4), 4);
    slot_pipe_close(&agent);
    cr_assert_eq(slot_pipe_read(&slot, text, sizeof(text)), 4);
    cr_assert_eq(slot_pipe_read(&slot, text, sizeof(text)), 0);
    free(rings);
}

Test(ring, a_number_that_cannot_be_makes_it_broken)
{
    struct slot_rings *rings = rings_new();
    uint8_t bytes[16];
    int bells[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, bells), 0);
    struct slot_pipe agent = slot_pipe_open(rings, bells[0], true);
    atomic_store(&rings->answers.written, 1ull << 40);
    atomic_store(&rings->tasks.read, 5);
    cr_expect(ring_broken(&rings->answers) && ring_broken(&rings->tasks));
    cr_expect_eq(slot_pipe_read(&agent, bytes, sizeof(bytes)), 0);
    cr_expect_eq(slot_pipe_write(&agent, bytes, sizeof(bytes)), 0);
    close(bells[0]);
    close(bells[1]);
    free(rings);
}
