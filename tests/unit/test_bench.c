/* SPDX-License-Identifier: Apache-2.0
 *
 * What `belt bench` counts with: percentiles, mixes of run times, the bound of a mix.
 */
#include "cli/histogram.h"
#include "cli/mix.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct histogram *uniform(uint64_t from, uint64_t to)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));

    for (uint64_t ns = from; ns <= to; ns++)
        histogram_add(histogram, ns);
    return histogram;
}

Test(histogram, percentiles_are_right_within_a_bucket)
{
    struct histogram *histogram = uniform(1, 100000);

    for (int percent = 1; percent <= 100; percent++) {
        uint64_t wanted = (uint64_t)percent * 1000, got = histogram_at(histogram, percent / 100.0);
        cr_assert(got >= wanted && got <= wanted + wanted / 31 + 1, "p%d: %llu", percent, (unsigned long long)got);
    }
    free(histogram);
}

Test(histogram, extremes)
{
    struct histogram *histogram = calloc(1, sizeof(*histogram));

    cr_assert_eq(histogram_at(histogram, 0.5), 0);
    histogram_add(histogram, 0);
    cr_assert_eq(histogram_at(histogram, 0.5), 0);
    histogram_add(histogram, UINT64_MAX);
    cr_assert_eq(histogram_at(histogram, 1), UINT64_MAX);
    free(histogram);
}

static void mix_is(const char *text, const char *expected)
{
    struct mix mix;
    char got[128] = "";

    cr_assert(mix_parse(&mix, text), "%s", text);
    for (uint32_t i = 0; i < mix.count; i++)
        sprintf(got + strlen(got), "%u ", mix.us[i]);
    cr_assert_str_eq(got, expected);
    mix_free(&mix);
}

Test(mix, counts_and_times)
{
    mix_is("2x5ms,1x300ms", "5000 5000 300000 ");
    mix_is("3x20us", "20 20 20 ");
    mix_is("1x1.5s", "1500000 ");
}

Test(mix, nonsense_is_refused)
{
    static const char *const wrong[] = {"",        "5ms",     "0x5ms",           "2x",   "2x5",    "2x5ms,",   "2x5min",
                                        "-1x5ms",  "2x-5ms",  "1000001x1us",     "1x2h", " 1x5ms", "1x99999s", "x5ms",
                                        "1x0x4us", "1xnanus", "999999x1us,2x1us"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct mix mix;
        cr_assert_not(mix_parse(&mix, wrong[i]), "'%s'", wrong[i]);
        cr_assert_null(mix.us);
    }
}

Test(mix, a_shuffle_keeps_the_tasks_and_follows_its_seed)
{
    struct mix one, two;
    uint64_t sum = 0;

    cr_assert(mix_parse(&one, "50x1us,50x100us") && mix_parse(&two, "50x1us,50x100us"));
    mix_shuffle(&one, 7);
    mix_shuffle(&two, 7);
    cr_assert_arr_eq(one.us, two.us, one.count * sizeof(*one.us));
    for (uint32_t i = 0; i < one.count; i++)
        sum += one.us[i];
    cr_assert_eq(sum, 50 * 101);
    mix_shuffle(&two, 8);
    cr_assert(memcmp(one.us, two.us, one.count * sizeof(*one.us)) != 0);
    mix_free(&one);
    mix_free(&two);
}

Test(mix, the_bound_gives_each_task_to_the_slot_that_is_free_first)
{
    struct mix mix;

    cr_assert(mix_parse(&mix, "2x3us,1x5us,2x1us"));
    /* slots: 3+5 and 3+1+1 */
    cr_assert_eq(mix_greedy(&mix, 5, 2).makespan_us, 8);
    cr_assert_eq(mix_greedy(&mix, 5, 1).makespan_us, 13);
    cr_assert_eq(mix_greedy(&mix, 10, 1).makespan_us, 26, "a second round");
    cr_assert_eq(mix_greedy(&mix, 5, 100).makespan_us, 5);
    mix_free(&mix);
}

Test(mix, a_result_is_there_in_order_when_all_before_it_are)
{
    static const uint64_t ended[] = {4, 2, 3, 9, 5};
    struct mix mix;

    cr_assert_eq(mix_times_of(ended, 5).makespan_us, 9);
    cr_assert_float_eq(mix_times_of(ended, 5).in_order_us, (4 + 4 + 4 + 9 + 9) / 5.0, 1e-9);
    cr_assert_float_eq(mix_times_of(ended, 0).in_order_us, 0, 1e-9);
    cr_assert(mix_parse(&mix, "2x3us,1x5us,2x1us"));
    /* They end at 3, 3, 8, 4 and 5. */
    cr_assert_float_eq(mix_greedy(&mix, 5, 2).in_order_us, (3 + 3 + 8 + 8 + 8) / 5.0, 1e-9);
    mix_free(&mix);
}
