/* SPDX-License-Identifier: Apache-2.0
 *
 *     belt-mixes SEED [COUNT] [-n SLOTS] [-x] [-v]      seeds SEED .. SEED + COUNT - 1
 *
 * The policy of dispatch sizing and recall on virtual time (paced.h). The mixes of bench/run on one slot up to
 * thousands (-n: this size alone; without it up to MANY): the makespan beside that of the greedy list schedule of the
 * same order, which is what a scheduler that does not know run times could do at best. Then fairness (fairness.c). -x
 * stops at the first that fails, -v tells of each run.
 */
#include "fairness.h"

#include "cli/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ULL(x) ((unsigned long long)(x))

/* The mean of all seeds keeps to this, and to the aim on as many slots as bench/run has. */
#define BOUND     1.03
#define AIM       1.015
#define AIM_SLOTS 4u
/* One seed alone may have bad luck: a long task that begins a moment later may begin behind another. */
#define WORST 1.04

/* Many slots with short tasks keep a broker busy with nothing else: what is measured then is its speed. So the tasks of
 * more slots than RATED take longer, and the shortest are fewer. */
#define RATED       250u
#define BRIEF_US    1000u
#define BRIEF_TASKS 100000u

/* What takes seconds is run when it is asked for. */
#define MANY 64u

struct kind {
    const char *name;
    bool shuffled;
    uint32_t parts;
    struct {
        double each; /* tasks of a slot */
        uint32_t us;
    } part[6];
};

/* Of 50 ms there is no whole number for each slot: else the bound would hang on every slot getting just as many,
 * and the one that is ahead of the others by a microsecond must not take one more. */
static const struct kind kinds[] = {
    {"5/300 ms, shuffled", true, 2, {{45, 5000}, {5, 300000}}},
    {"5/300 ms, long ones first", false, 2, {{5, 300000}, {45, 5000}}},
    {"5/300 ms, long ones last", false, 2, {{45, 5000}, {5, 300000}}},
    {"20 us / 50 ms", true, 2, {{5000, 20}, {20.4, 50000}}},
    {"12 ms", false, 1, {{20.75, 12000}}},
    {"heavy tail", true, 6, {{400, 1000}, {100, 2000}, {25, 4000}, {6.25, 8000}, {1.5, 16000}, {0.25, 40000}}},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* The same slots as few large agents and as many small ones. */
static const struct size {
    uint32_t slots, agents[3], shapes;
} sizes[] = {{1, {1}, 1}, {4, {2, 1, 4}, 3}, {64, {8, 4, 16}, 3}, {1000, {50, 100, 1}, 3}, {4000, {250, 100, 1}, 3}};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void mix_make(struct mix *mix, const struct kind *kind, uint32_t slots, uint64_t seed)
{
    char text[256] = "";
    size_t at = 0;
    uint32_t stretch = slots > RATED ? slots / RATED : 1;
    for (uint32_t i = 0; i < kind->parts; i++) {
        bool brief = kind->part[i].us < BRIEF_US;
        double count = kind->part[i].each * slots;
        if (brief && count > BRIEF_TASKS)
            count = BRIEF_TASKS;
        if (!brief && slots > RATED) /* a run takes a second, and a mix has a million at most */
            count /= kind->part[i].each > 100 ? 4 : 2;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%ux%uus", i ? "," : "", count < 1 ? 1 : (uint32_t)count,
                               kind->part[i].us * (brief ? 1 : stretch));
    }
    if (!mix_parse(mix, text))
        abort();
    if (kind->shuffled)
        mix_shuffle(mix, seed);
}

/* How much longer than the bound the run took. */
static double ratio_of(const struct kind *kind, uint64_t seed, uint32_t slots, uint32_t agents, bool verbose)
{
    struct mix mix;
    mix_make(&mix, kind, slots, seed);
    struct paced_job job = {.us = mix.us, .us_count = mix.count, .count = mix.count};
    const struct paced_config config = PACED_CONFIG(seed, agents, slots / agents, 1);
    struct paced *p = paced_new(&config, &job, 1);
    bool ended = paced_run(p, NULL, UINT64_MAX);
    double bound = (double)mix_bound(&mix, mix.count, slots), took = ended ? (double)job.done_us : 1e12;
    struct paced_totals t = paced_totals(p);
    if (verbose)
        printf("  %-26s seed %llu, %u x %u: %.1f ms / %.1f ms = %.4f (%llu messages, %llu recalls, %llu returned, "
               "%llu taken)\n",
               kind->name, ULL(seed), agents, slots / agents, took / 1e3, bound / 1e3, took / bound, ULL(t.messages),
               ULL(t.recalls), ULL(t.returned), ULL(t.taken));
    paced_free(p);
    mix_free(&mix);
    return took / bound;
}

static bool check(const struct kind *kind, const struct size *size, uint64_t seed, uint64_t count, bool verbose)
{
    double sum = 0, worst = 0;
    for (uint64_t i = 0; i < count; i++) {
        double ratio = ratio_of(kind, seed + i, size->slots, size->agents[(seed + i) % size->shapes], verbose);
        sum += ratio;
        worst = ratio > worst ? ratio : worst;
    }
    bool good = sum / (double)count <= (size->slots <= AIM_SLOTS ? AIM : BOUND) && worst <= WORST;
    printf("%s%4u slots, %-26s makespan / greedy: mean %.4f, worst %.4f\n", good ? "" : "FAILED ", size->slots,
           kind->name, sum / (double)count, worst);
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, count = 1, only = 0, failed = 0;
    bool verbose = false, stop = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            verbose = true;
        else if (strcmp(argv[i], "-x") == 0)
            stop = true;
        else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            only = strtoull(argv[++i], NULL, 10);
        else
            count = strtoull(argv[i], NULL, 10);
    }
    if (argc < 2 || count == 0) {
        fprintf(stderr, "usage: belt-mixes SEED [COUNT] [-n SLOTS] [-x] [-v]\n");
        return 2;
    }
    for (size_t s = 0; s < SIZES; s++)
        if (only ? only == sizes[s].slots : sizes[s].slots <= MANY)
            for (size_t k = 0; k < KINDS && !(stop && failed); k++)
                failed += !check(&kinds[k], &sizes[s], seed, count, verbose);
    if (!only && !(stop && failed))
        failed += fairness_check(seed);
    return failed ? 1 : 0;
}
