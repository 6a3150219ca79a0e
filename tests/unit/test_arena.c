/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks that an agent and a slot share: nothing is used twice at a time, whoever lets go of it last, and a slot that
 * names what is not its own gets nothing.
 */
#include "worker/slot/arena.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define UNITS 70u /* not a whole number of words */
#define HALF  ((size_t)UNITS * ARENA_UNIT)

static struct arena arena;
static struct arena_memory *memory;

static void setup(void)
{
    size_t size = (arena_size(UNITS) + 4095) / 4096 * 4096;

    memory = aligned_alloc(4096, size);
    cr_assert_not_null(memory);
    memset(memory, 0, size);
    arena = (struct arena){0};
    arena_open(&arena, memory, UNITS);
}

static void teardown(void)
{
    arena_close(&arena);
    free(memory);
}

TestSuite(arena, .init = setup, .fini = teardown);

static struct belt_bytes filled(size_t len, int with)
{
    static uint8_t *bytes;

    free(bytes);
    bytes = malloc(len);
    cr_assert_not_null(bytes);
    memset(bytes, with, len);
    return (struct belt_bytes){bytes, len};
}

static size_t lend(uint64_t number, size_t len, int with)
{
    size_t at = SIZE_MAX;

    cr_assert(arena_lend(&arena, number, filled(len, with), &at), "task %llu", (unsigned long long)number);
    return at;
}

static size_t put(size_t len, int with)
{
    size_t at = SIZE_MAX;

    cr_assert(arena_put(memory, filled(len, with), &at));
    return at;
}

/* Whether the half has room for so many bytes; it is left as it was. */
static bool fits(enum arena_half half, size_t len)
{
    struct belt_payload payload;
    size_t at;

    if (half == ARENA_LOWER) {
        bool lent = arena_lend(&arena, 1000000, filled(len, 0), &at);
        arena_unlend(&arena, 999999);
        return lent;
    }
    bool there = arena_put(memory, filled(len, 0), &at);
    if (there) {
        cr_assert(arena_answer(&arena, 1000000, at, len, &payload));
        belt_payload_clear(&payload);
        arena_collect(&arena);
    }
    return there;
}

Test(arena, a_block_is_free_again_when_its_task_is_over)
{
    size_t at = lend(1, HALF, 'a');

    cr_expect_eq(at, 0);
    cr_expect_eq(memory->bytes[HALF - 1], 'a');
    cr_expect_not(fits(ARENA_LOWER, 1));
    arena_settle(&arena, 0);
    cr_expect_not(fits(ARENA_LOWER, 1));
    arena_settle(&arena, 1);
    cr_expect(fits(ARENA_LOWER, HALF));
    cr_expect_not(fits(ARENA_LOWER, HALF + 1));
    cr_expect_not(fits(ARENA_LOWER, 0));
}

Test(arena, what_is_used_again_is_what_was_used_first)
{
    size_t one = lend(1, ARENA_UNIT, 1), two = lend(2, 2 * ARENA_UNIT + 1, 2), three = lend(3, 1, 3);

    cr_expect_eq(two, one + ARENA_UNIT);
    cr_expect_eq(three, two + 3 * ARENA_UNIT);
    arena_settle(&arena, 2);
    cr_expect_eq(lend(4, 4 * ARENA_UNIT, 4), one);
    cr_expect_eq(lend(5, 1, 5), three + ARENA_UNIT);
    cr_expect_eq(memory->bytes[three], 3);
}

Test(arena, tasks_that_are_taken_back_give_their_blocks_back)
{
    lend(3, 20 * ARENA_UNIT, 1);
    lend(5, 20 * ARENA_UNIT, 1);
    lend(6, 20 * ARENA_UNIT, 1);
    arena_unlend(&arena, 6);
    cr_expect_not(fits(ARENA_LOWER, 11 * ARENA_UNIT));
    arena_unlend(&arena, 4);
    cr_expect(fits(ARENA_LOWER, 50 * ARENA_UNIT));
    cr_expect_not(fits(ARENA_LOWER, 51 * ARENA_UNIT));
    lend(5, 50 * ARENA_UNIT, 2);
}

Test(arena, an_answer_that_lies_in_its_input_keeps_it)
{
    struct belt_payload whole, part;
    size_t at = lend(7, 100000, 'x');

    cr_assert(arena_answer(&arena, 7, at, 100000, &whole));
    cr_assert(arena_answer(&arena, 7, at + 10, 99990, &part));
    arena_settle(&arena, 7);
    cr_expect_eq(whole.data, memory->bytes + at);
    cr_expect_eq(part.data, memory->bytes + at + 10);
    cr_expect(part.len == 99990 && part.data[part.len - 1] == 'x');
    belt_payload_clear(&whole);
    cr_expect_not(fits(ARENA_LOWER, HALF), "the part is still needed");
    belt_payload_clear(&part);
    cr_expect(fits(ARENA_LOWER, HALF));
}

Test(arena, an_answer_is_kept_until_it_is_given_back)
{
    struct belt_payload first, second;
    size_t one = put(HALF - ARENA_UNIT, 'p'), two = put(5, 'q');

    cr_expect_eq(one, HALF);
    cr_expect_eq(two, 2 * HALF - ARENA_UNIT);
    cr_expect_not(fits(ARENA_UPPER, 1));
    cr_assert(arena_answer(&arena, 1, one, HALF - ARENA_UNIT, &first));
    cr_assert(arena_answer(&arena, 2, two, 5, &second));
    cr_expect(second.len == 5 && second.data[4] == 'q');
    belt_payload_clear(&first);
    arena_collect(&arena);
    cr_expect(fits(ARENA_UPPER, HALF - ARENA_UNIT));
    cr_expect_not(fits(ARENA_UPPER, HALF));
    belt_payload_clear(&second);
    arena_collect(&arena);
    cr_expect(fits(ARENA_UPPER, HALF));
}

Test(arena, a_slot_may_name_its_own_alone)
{
    struct belt_payload payload = {0}, kept;
    size_t other = lend(1, ARENA_UNIT, 1), at = lend(2, 40000, 2), mine = put(50000, 3);

    cr_assert(arena_answer(&arena, 1, mine, 50000, &kept));
    const struct {
        size_t at, len;
    } bad[] = {
        {other, ARENA_UNIT},
        {at, 40001},
        {at - 1, 10},
        {at + 40000, 1},
        {at, 0},
        {at + 2 * ARENA_UNIT, 1},
        {HALF - 1, 1},
        {HALF - 1, 2},
        {mine, 1},
        {mine + ARENA_UNIT, 1},
        {mine, 50000},
        {mine + 3 * ARENA_UNIT + 1, 1},
        {2 * HALF, 1},
        {2 * HALF - ARENA_UNIT, ARENA_UNIT + 1},
        {0, 2 * HALF},
        {HALF, HALF},
        {HALF, SIZE_MAX},
        {SIZE_MAX, 1},
        {SIZE_MAX, SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_expect_not(arena_answer(&arena, 2, bad[i].at, bad[i].len, &payload), "%zu", i);
    cr_expect_not(arena_answer(&arena, 3, at, 40000, &payload), "a task that was lent nothing");
    cr_expect(arena_answer(&arena, 2, at, 40000, &payload));
    belt_payload_clear(&payload);
    belt_payload_clear(&kept);
    memset(memory->taken, 0xff, sizeof(memory->taken)); /* whatever it scribbles: the agent keeps its own account */
    cr_expect(arena_answer(&arena, 2, HALF + (UNITS - 1) * ARENA_UNIT, ARENA_UNIT, &payload));
    belt_payload_clear(&payload);
}

Test(arena, the_next_process_has_what_holds_no_result)
{
    struct belt_payload echoed, answer, again;
    size_t at = lend(1, 30 * ARENA_UNIT, 'e');

    lend(2, 30 * ARENA_UNIT, 'f');
    cr_assert(arena_answer(&arena, 1, at, 30 * ARENA_UNIT, &echoed));
    size_t named = put(20 * ARENA_UNIT, 'n');
    put(50 * ARENA_UNIT, 'u'); /* it died before it said so */
    cr_assert(arena_answer(&arena, 1, named, 20 * ARENA_UNIT, &answer));
    arena_close(&arena);
    arena_open(&arena, memory, UNITS);
    cr_expect(fits(ARENA_LOWER, 40 * ARENA_UNIT));
    cr_expect_not(fits(ARENA_LOWER, 41 * ARENA_UNIT));
    cr_expect(fits(ARENA_UPPER, 50 * ARENA_UNIT));
    cr_expect_not(fits(ARENA_UPPER, 51 * ARENA_UNIT));
    cr_expect_not(arena_answer(&arena, 1, at, 10, &again), "the old one's task");
    cr_expect(echoed.data[echoed.len - 1] == 'e' && answer.data[answer.len - 1] == 'n');
    belt_payload_clear(&echoed);
    belt_payload_clear(&answer);
    arena_collect(&arena);
    cr_expect(fits(ARENA_LOWER, HALF) && fits(ARENA_UPPER, HALF));
}

Test(arena, memory_is_spare_when_it_was_not_used_for_a_while)
{
    struct belt_payload payload;

    cr_expect_not(arena_spare(&arena, ARENA_LOWER), "never used");
    lend(1, 10, 1);
    cr_expect_not(arena_spare(&arena, ARENA_LOWER));
    cr_expect_not(arena_spare(&arena, ARENA_LOWER), "it is lent");
    arena_settle(&arena, 1);
    cr_expect(arena_spare(&arena, ARENA_LOWER));
    cr_expect_not(arena_spare(&arena, ARENA_LOWER), "once");
    size_t at = put(10, 1);
    cr_assert(arena_answer(&arena, 1, at, 10, &payload));
    belt_payload_clear(&payload);
    cr_expect_not(arena_spare(&arena, ARENA_UPPER), "just now");
    at = put(10, 1);
    cr_expect_not(arena_spare(&arena, ARENA_UPPER), "the slot has taken some");
    cr_assert(arena_answer(&arena, 1, at, 10, &payload));
    belt_payload_clear(&payload);
    cr_expect_not(arena_spare(&arena, ARENA_UPPER));
    cr_expect(arena_spare(&arena, ARENA_UPPER));
}

Test(arena, without_memory_there_is_no_room)
{
    struct belt_payload payload;
    size_t at;

    arena_open(&arena, NULL, UNITS);
    cr_expect_not(arena_lend(&arena, 1, filled(10, 1), &at));
    cr_expect_not(arena_answer(&arena, 1, 0, 10, &payload));
    cr_expect_not(arena_spare(&arena, ARENA_LOWER) || arena_spare(&arena, ARENA_UPPER));
}

Test(arena, many_slots_have_less_each)
{
    cr_expect_eq(arena_units(1), 64 * ARENA_WORDS);
    cr_expect_eq(arena_units(4) * ARENA_UNIT, 16u << 20);
    cr_expect_lt(arena_units(32), arena_units(4));
    cr_expect_geq(arena_units(4096) * ARENA_UNIT, 1u << 20, "for one large payload at least");
    cr_expect_geq(arena_units(0), arena_units(1));
    cr_expect_eq(arena_size(arena_units(7)) % 4096, 0);
}

/* ---- references that go on another thread ---- */

#define ROUNDS 5000
#define AHEAD  16

static struct belt_payload sent[AHEAD];
static atomic_uint sent_count, freed_count;

/* Looks at each result once more, as a socket that sends it, and lets go. */
static void *let_go(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (atomic_load(&sent_count) == i)
            sched_yield();
        struct belt_payload *payload = &sent[i % AHEAD];
        cr_assert(payload->data[0] == (uint8_t)i && payload->data[payload->len - 1] == (uint8_t)i, "round %u", i);
        belt_payload_clear(payload);
        atomic_store(&freed_count, i + 1);
    }
    return argument;
}

Test(arena, nothing_is_used_twice_when_another_thread_lets_go, .timeout = 60)
{
    pthread_t thread;
    unsigned lent = 0, own = 0;

    pthread_create(&thread, NULL, let_go, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t len = 1 + i * 2654435761u % (12 * ARENA_UNIT), at;
        struct belt_bytes bytes = filled(len, (uint8_t)i);
        while (i - atomic_load(&freed_count) >= AHEAD)
            sched_yield();
        bool echo = i % 3 == 0 && arena_lend(&arena, i, bytes, &at);
        while (!echo && !arena_put(memory, bytes, &at)) {
            arena_collect(&arena);
            sched_yield();
        }
        cr_assert(arena_answer(&arena, i, at, len, &sent[i % AHEAD]), "round %u", i);
        arena_settle(&arena, i);
        lent += echo;
        own += !echo;
        atomic_store(&sent_count, i + 1);
    }
    pthread_join(thread, NULL);
    arena_collect(&arena);
    cr_expect(lent > ROUNDS / 10 && own > ROUNDS / 10);
    cr_expect(fits(ARENA_LOWER, HALF) && fits(ARENA_UPPER, HALF));
}
