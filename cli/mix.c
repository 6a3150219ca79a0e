/* SPDX-License-Identifier: Apache-2.0
 *
 * Mixes of run times (mix.h).
 */
#include "cli/mix.h"

#include <stdlib.h>
#include <string.h>

#define TASK_MOST_US 3600000000.0

static bool unit_of(const char **text, double *us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!strncmp(*text, units[i].name, strlen(units[i].name))) {
            *text += strlen(units[i].name);
            *us *= units[i].us;
            return true;
        }
    return false;
}

/* One COUNTxTIME at *text, which moves behind it. */
static bool parse_part(struct mix *mix, const char **text)
{
    char *end = NULL;
    if (**text < '0' || **text > '9')
        return false;
    unsigned long count = strtoul(*text, &end, 10);
    if (*end != 'x' || count == 0 || count > MIX_MAX - mix->count || end[1] < '0' || end[1] > '9' || end[2] == 'x')
        return false;
    double us = strtod(end + 1, &end);
    *text = end;
    if (!unit_of(text, &us) || us > TASK_MOST_US)
        return false;
    uint32_t *grown = realloc(mix->us, (mix->count + count) * sizeof(*grown));
    if (!grown)
        return false;
    mix->us = grown;
    for (unsigned long i = 0; i < count; i++)
        mix->us[mix->count++] = (uint32_t)us;
    return true;
}

bool mix_parse(struct mix *mix, const char *text)
{
    *mix = (struct mix){0};
    while (parse_part(mix, &text)) {
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            break;
    }
    mix_free(mix);
    return false;
}

void mix_free(struct mix *mix)
{
    free(mix->us);
    *mix = (struct mix){0};
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

void mix_shuffle(struct mix *mix, uint64_t seed)
{
    for (uint32_t i = mix->count; i > 1; i--) {
        uint32_t at = (uint32_t)(next_random(&seed) % i), other = mix->us[i - 1];
        mix->us[i - 1] = mix->us[at];
        mix->us[at] = other;
    }
}

/* The heap's first element is free earliest. */
static void sink(uint64_t *heap, uint32_t count)
{
    uint64_t value = heap[0];
    uint32_t at = 0;

    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1] < heap[child])
            child++;
        if (value <= heap[child])
            break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

/* The next task has ended at `us`; `in_order_us` is a sum until all have. */
static void times_add(struct mix_times *times, uint64_t us)
{
    if (us > times->makespan_us)
        times->makespan_us = us;
    times->in_order_us += (double)times->makespan_us;
}

struct mix_times mix_times_of(const uint64_t *ended_us, uint64_t tasks)
{
    struct mix_times times = {0};

    for (uint64_t i = 0; i < tasks; i++)
        times_add(&times, ended_us[i]);
    times.in_order_us /= tasks ? (double)tasks : 1;
    return times;
}

struct mix_times mix_greedy(const struct mix *mix, uint64_t tasks, uint32_t slots)
{
    uint64_t *heap = calloc(slots ? slots : 1, sizeof(*heap));
    struct mix_times times = {0};

    for (uint64_t i = 0; heap && mix->count && i < tasks; i++) {
        heap[0] += mix->us[i % mix->count];
        times_add(&times, heap[0]);
        sink(heap, slots ? slots : 1);
    }
    times.in_order_us /= tasks ? (double)tasks : 1;
    free(heap);
    return times;
}
