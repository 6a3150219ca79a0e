/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader's half of a stream: how far it may draw, where failed inputs
 * stand, how its window grows. On virtual time.
 */
#include "client/window.h"

#include <criterion/criterion.h>

#define MIB (1u << 20)

static uint64_t draw_all(struct client_window *window)
{
    uint64_t count = 0;

    for (; client_window_open(window, 0); count++)
        client_window_draw(window, 16);
    return count;
}

Test(window, is_exact_when_a_size_is_given)
{
    struct client_window window;

    client_window_init(&window, BELT_ORDERED, 10, MIB);
    cr_assert_eq(draw_all(&window), 10);
    for (int i = 0; i < 100; i++) {
        cr_assert_not(client_window_open(&window, 0));
        cr_assert_not(client_window_take(&window), "a fixed window has no laps");
        cr_assert_eq(draw_all(&window), 1);
        cr_assert_eq(window.drawn - window.taken, 10);
    }
    client_window_fini(&window);
}

Test(window, is_bounded_in_bytes_by_what_the_broker_granted)
{
    struct client_window window;

    client_window_init(&window, BELT_ORDERED, 1000, 100);
    client_window_draw(&window, 99);
    cr_assert(client_window_open(&window, 0), "one input may overshoot");
    client_window_draw(&window, 99);
    cr_assert_not(client_window_open(&window, 0));
    cr_assert_not(client_window_open(&window, 198));
    cr_assert(client_window_open(&window, 199));
    client_window_fini(&window);
}

Test(window, doubles_when_a_whole_window_is_taken_quickly)
{
    struct client_window window;
    uint64_t now = 1000;

    client_window_init(&window, BELT_ORDERED, 0, MIB);
    cr_assert_eq(window.size, CLIENT_WINDOW_FIRST);
    for (uint64_t expected = 128; expected <= CLIENT_WINDOW_LAST; expected *= 2) {
        while (window.size < expected) {
            draw_all(&window);
            if (client_window_take(&window))
                client_window_lap(&window, now += CLIENT_WINDOW_LAP_MS - 1);
        }
        cr_assert_eq(window.size, expected);
    }
    for (int i = 0; i < 200000; i++)
        cr_assert_not(client_window_take(&window), "it is at its largest: no more laps");
    cr_assert_eq(window.size, CLIENT_WINDOW_LAST);
    client_window_fini(&window);
}

Test(window, stays_when_the_reader_is_slow)
{
    struct client_window window;
    uint64_t now = 1000;

    client_window_init(&window, BELT_UNORDERED, 0, MIB);
    for (int i = 0; i < 1000; i++)
        if (client_window_take(&window))
            client_window_lap(&window, now += CLIENT_WINDOW_LAP_MS);
    cr_assert_eq(window.size, CLIENT_WINDOW_FIRST);
    client_window_fini(&window);
}

Test(window, ordered_failed_inputs_are_due_at_their_place)
{
    struct client_window window;
    uint64_t index;

    client_window_init(&window, BELT_ORDERED, 10, MIB);
    client_window_draw(&window, 1);
    cr_assert(client_window_fail(&window, &index));
    cr_assert_eq(index, 1);
    client_window_draw(&window, 1);
    cr_assert_not(client_window_due(&window, 1));
    cr_assert_eq(client_window_index(&window, 0), 0);
    client_window_take(&window);
    cr_assert(client_window_due(&window, 1));
    client_window_take(&window);
    cr_assert_eq(client_window_index(&window, 1), 2, "the broker's task 1 is the caller's input 2");
    client_window_fini(&window);
}

Test(window, unordered_indexes_skip_failed_inputs)
{
    /* f: failed in the source, t: a task */
    static const char script[] = "fttffftfttttffftfffftttttftfff";
    struct client_window window;
    uint64_t index, expected[64], tasks = 0;

    client_window_init(&window, BELT_UNORDERED, 100, MIB);
    for (uint64_t i = 0; script[i] != '\0'; i++) {
        if (script[i] == 't') {
            expected[tasks++] = i;
            client_window_draw(&window, 1);
        } else {
            cr_assert(client_window_fail(&window, &index));
            cr_assert_eq(index, i);
            cr_assert(client_window_due(&window, index), "unordered: at once");
        }
    }
    for (uint64_t i = tasks; i-- > 0;)
        cr_assert_eq(client_window_index(&window, i), expected[i]);
    cr_assert_eq(window.drawn, sizeof(script) - 1);
    client_window_fini(&window);
}

Test(window, failed_inputs_count_in_the_window)
{
    struct client_window window;
    uint64_t index;

    client_window_init(&window, BELT_ORDERED, 2, MIB);
    cr_assert(client_window_fail(&window, &index));
    cr_assert(client_window_fail(&window, &index));
    cr_assert_not(client_window_open(&window, 0), "a source that only fails is not drawn for ever");
    client_window_take(&window);
    cr_assert(client_window_open(&window, 0));
    client_window_fini(&window);
}

Test(window, is_over_when_the_input_ended_and_all_was_taken)
{
    struct client_window window;

    client_window_init(&window, BELT_ORDERED, 4, MIB);
    cr_assert_not(client_window_over(&window));
    client_window_draw(&window, 1);
    window.ended = true;
    cr_assert_not(client_window_open(&window, 0));
    cr_assert_not(client_window_over(&window));
    client_window_take(&window);
    cr_assert(client_window_over(&window));
    client_window_fini(&window);
}

Test(window, of_a_job_that_is_handed_in_moves_with_what_is_accepted)
{
    struct client_window window;

    client_window_init(&window, BELT_ORDERED, 2, MIB);
    client_window_draw(&window, 1);
    client_window_draw(&window, 1);
    cr_assert_not(client_window_open(&window, 0));
    client_window_accept(&window, 1);
    cr_assert(client_window_open(&window, 0));
    client_window_draw(&window, 1);
    cr_assert_not(client_window_open(&window, 0));
    client_window_accept(&window, 0);
    cr_assert_eq(window.taken, 1);
    client_window_accept(&window, 9); /* the key's job has more than we drew */
    cr_assert(client_window_open(&window, 0));
    client_window_fini(&window);
}

/* Draws as `what` says: 't' a task, 'f' an input that fails. */
static void draw_these(struct client_window *window, const char *what)
{
    uint64_t index;

    for (; *what != '\0'; what++) {
        if (*what == 't')
            client_window_draw(window, 1);
        else
            cr_assert(client_window_fail(window, &index));
    }
}

Test(window, the_task_of_an_input_is_found_beside_inputs_that_failed)
{
    static const char drawn[] = "fttfftft";
    static const uint64_t tasks[] = {9, 0, 1, 9, 9, 2, 9, 3};
    struct client_window window;
    uint64_t task;

    client_window_init(&window, BELT_UNORDERED, 99, MIB);
    draw_these(&window, drawn);
    for (uint64_t i = 0; i < 8; i++) {
        bool is_task = client_window_task(&window, i, 0, &task);

        cr_assert_eq(is_task, drawn[i] == 't', "%llu", (unsigned long long)i);
        cr_assert(!is_task || (task == tasks[i] && client_window_index(&window, task) == i));
    }
    client_window_fini(&window);

    client_window_init(&window, BELT_ORDERED, 99, MIB);
    draw_these(&window, drawn);
    cr_assert(client_window_task(&window, 1, 3, &task) && task == 0);
    cr_assert(client_window_task(&window, 5, 1, &task) && task == 2);
    cr_assert(client_window_task(&window, 7, 0, &task) && task == 3);
    client_window_take(&window);
    client_window_take(&window);
    cr_assert_not(client_window_task(&window, 1, 3, &task), "its result was given");
    cr_assert(client_window_task(&window, 2, 3, &task) && task == 1);
    client_window_fini(&window);
}
