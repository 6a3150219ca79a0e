/* SPDX-License-Identifier: Apache-2.0
 *
 *     belt-mixes SEED [COUNT] [-n SLOTS] [-w] [-x] [-v] [-t]      seeds SEED .. SEED + COUNT - 1
 *
 * The policy of dispatch sizing and recall on virtual time (paced.h). The mixes of bench/run on one slot up to
 * thousands (-n: this size alone; without it up to MANY): the makespan and the mean arrival in order beside those of
 * the greedy list schedule of the same order, which is what a scheduler that does not know run times could do at best.
 * Each mix by itself, and after a shift of run times: behind short tasks of the same job, and as a new job of a
 * function that had short tasks before (-w: the shifts alone). Then fairness (fairness.c). -x stops at the first that
 * fails, -v tells of each run, -t of each decision of the broker (`belt broker --trace`).
 */
#include "tests/mixes/fairness.h"

#include "cli/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ULL(x) ((unsigned long long)(x))

/* What came before the mix. */
enum shift { SHIFT_NONE, SHIFT_IN_JOB, SHIFT_NEW_JOB, SHIFTS };
static const char *const shift_names[SHIFTS] = {"", ", after short ones", ", new job after short ones"};
#define SHORT_US    1u
#define SHORT_TASKS 200u
/* When the second job begins: the first has ended long ago. */
#define NEW_JOB_US 200000u

/* Bounds of makespan and arrival in order over the greedy schedule: of the mean of all seeds, and of the worst one,
 * which may have bad luck: a long task that begins a moment later may begin behind another. */
struct bounds {
    double mean, worst, order_mean, order_worst;
};

/* As many slots as bench/run has, and more of them. */
#define FEW_SLOTS 4u
static const struct bounds few = {1.015, 1.04, 1.03, 1.04}, few_shifted = {1.015, 1.03, 1.04, 1.10},
                           many = {1.03, 1.04, 1.05, 1.10}, thousands = {1.03, 1.06, 1.32, 1.41};

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

struct ratios {
    double makespan, order;
};

/* Of 50 ms there is no whole number for each slot: else the bound would hang on every slot getting just as many,
 * and the one that is ahead of the others by a microsecond must not take one more. */
static const struct kind kinds[] = {
    {"5/300 ms, shuffled", true, 2, {{45, 5000}, {5, 300000}}},
    {"5/300 ms, long ones first", false, 2, {{5, 300000}, {45, 5000}}},
    {"5/300 ms, long ones last", false, 2, {{45, 5000}, {5, 300000}}},
    {"5/300 ms, long ones in a row", false, 3, {{22.5, 5000}, {5, 300000}, {22.5, 5000}}},
    {"20 us / 50 ms", true, 2, {{5000, 20}, {20.4, 50000}}},
    {"12 ms", false, 1, {{20.75, 12000}}},
    {"heavy tail", true, 6, {{400, 1000}, {100, 2000}, {25, 4000}, {6.25, 8000}, {1.5, 16000}, {0.25, 40000}}},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* The same slots as few large agents and as many small ones. */
static const struct size {
    uint32_t slots, agents[3], shapes;
} sizes[] = {{1, {1}, 1}, {4, {2, 1, 4}, 3}, {64, {8, 4, 16}, 3}, {1000, {50, 100, 1}, 3}, {4000, {250, 100, 1}, 3}};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct options {
    uint64_t seed, count, only; /* only: this many slots; 0: all sizes up to MANY */
    bool shifted, verbose, trace, stop;
};

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
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%ux%uus", i ? "," : "", count < 1 ? 1 : (uint32_t)count,
                               kind->part[i].us * (brief ? 1 : stretch));
    }
    if (!mix_parse(mix, text))
        abort();
    if (kind->shuffled)
        mix_shuffle(mix, seed);
}

/* The same behind short tasks. */
static void mix_prepend(struct mix *mix)
{
    uint32_t *us = malloc((SHORT_TASKS + mix->count) * sizeof(*us));
    if (!us)
        abort();
    for (uint32_t i = 0; i < SHORT_TASKS; i++)
        us[i] = SHORT_US;
    memcpy(us + SHORT_TASKS, mix->us, mix->count * sizeof(*us));
    free(mix->us);
    mix->us = us;
    mix->count += SHORT_TASKS;
}

/* One run: when each task of the mix was done, from when they were handed in. False: it does not end. */
static bool run(const struct paced_config *config, struct mix *mix, enum shift shift, uint64_t *us,
                struct paced_totals *totals)
{
    static const uint32_t short_us = SHORT_US;
    uint32_t before = shift == SHIFT_IN_JOB ? SHORT_TASKS : 0, count = mix->count;
    if (before)
        mix_prepend(mix);
    struct paced_job jobs[2] = {
        {.us = mix->us, .us_count = mix->count, .count = mix->count, .alone = before, .arrived_us = us},
        {.us = &short_us, .us_count = 1, .count = SHORT_TASKS}};
    if (shift == SHIFT_NEW_JOB)
        jobs[0].start_us = NEW_JOB_US;
    struct paced *p = paced_new(config, jobs, shift == SHIFT_NEW_JOB ? 2 : 1);
    bool ended = paced_run(p, NULL, UINT64_MAX);
    uint64_t begin = before ? jobs[0].rest_us : jobs[0].start_us;
    for (uint32_t i = 0; ended && i < count; i++)
        us[i] = us[before + i] - begin;
    *totals = paced_totals(p);
    paced_free(p);
    return ended;
}

/* How much longer than the greedy schedule it takes. */
static struct ratios ratios_of(const struct kind *kind, const struct paced_config *config, enum shift shift,
                               bool verbose)
{
    struct mix mix;
    uint32_t slots = config->agents * config->slots;
    mix_make(&mix, kind, slots, config->seed);
    uint32_t count = mix.count;
    struct mix_times greedy = mix_greedy(&mix, count, slots);
    uint64_t *us = calloc(count + SHORT_TASKS, sizeof(*us));
    struct paced_totals t;
    if (!us)
        abort();
    struct ratios ratios = {1e9, 1e9};
    if (run(config, &mix, shift, us, &t)) {
        struct mix_times took = mix_times_of(us, count);
        ratios = (struct ratios){(double)took.makespan_us / (double)greedy.makespan_us,
                                 took.in_order_us / greedy.in_order_us};
    }
    if (verbose)
        printf("  %s%s, seed %llu, %u x %u: %.4f of %.1f ms, in order %.4f of %.1f ms (%llu messages, %llu recalls, "
               "%llu returned, %llu taken)\n",
               kind->name, shift_names[shift], ULL(config->seed), config->agents, config->slots, ratios.makespan,
               (double)greedy.makespan_us / 1e3, ratios.order, greedy.in_order_us / 1e3, ULL(t.messages),
               ULL(t.recalls), ULL(t.returned), ULL(t.taken));
    free(us);
    mix_free(&mix);
    return ratios;
}

static void add(struct ratios *sum, struct ratios *worst, struct ratios one)
{
    sum->makespan += one.makespan;
    sum->order += one.order;
    worst->makespan = one.makespan > worst->makespan ? one.makespan : worst->makespan;
    worst->order = one.order > worst->order ? one.order : worst->order;
}

static bool check(const struct kind *kind, const struct size *size, enum shift shift, const struct options *options)
{
    const struct bounds *bounds = size->slots > MANY        ? &thousands
                                  : size->slots > FEW_SLOTS ? &many
                                  : shift                   ? &few_shifted
                                                            : &few;
    struct ratios sum = {0}, worst = {0};
    char name[80];
    for (uint64_t seed = options->seed; seed < options->seed + options->count; seed++) {
        uint32_t agents = size->agents[seed % size->shapes];
        struct paced_config config = PACED_CONFIG(seed, agents, size->slots / agents, 1);
        config.trace = options->trace;
        add(&sum, &worst, ratios_of(kind, &config, shift, options->verbose));
    }
    sum.makespan /= (double)options->count;
    sum.order /= (double)options->count;
    bool in_time = sum.makespan <= bounds->mean && worst.makespan <= bounds->worst;
    bool in_order = sum.order <= bounds->order_mean && worst.order <= bounds->order_worst;
    snprintf(name, sizeof(name), "%s%s", kind->name, shift_names[shift]);
    printf("%s%4u slots, %-54s over greedy, mean, worst: makespan %.4f %.4f%s in order %.4f %.4f%s\n",
           in_time && in_order ? "" : "FAILED ", size->slots, name, sum.makespan, worst.makespan,
           in_time ? "," : " (!),", sum.order, worst.order, in_order ? "" : " (!)");
    fflush(stdout);
    return in_time && in_order;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    *options = (struct options){.seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, .count = 1};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            options->verbose = true;
        else if (strcmp(argv[i], "-t") == 0)
            options->trace = true;
        else if (strcmp(argv[i], "-x") == 0)
            options->stop = true;
        else if (strcmp(argv[i], "-w") == 0)
            options->shifted = true;
        else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            options->only = strtoull(argv[++i], NULL, 10);
        else
            options->count = strtoull(argv[i], NULL, 10);
    }
    return argc > 1 && options->count > 0;
}

/* All mixes on so many slots. */
static uint64_t check_size(const struct size *size, const struct options *options, uint64_t failed)
{
    for (enum shift shift = options->shifted ? SHIFT_IN_JOB : SHIFT_NONE; shift < SHIFTS; shift++)
        for (size_t k = 0; k < KINDS && !(options->stop && failed); k++)
            failed += !check(&kinds[k], size, shift, options);
    return failed;
}

int main(int argc, char **argv)
{
    struct options options;
    uint64_t failed = 0;
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr, "usage: belt-mixes SEED [COUNT] [-n SLOTS] [-w] [-x] [-v] [-t]\n");
        return 2;
    }
    for (size_t s = 0; s < SIZES; s++)
        if (options.only ? options.only == sizes[s].slots : sizes[s].slots <= MANY)
            failed = check_size(&sizes[s], &options, failed);
    if (!options.only && !options.shifted && !(options.stop && failed))
        failed += fairness_check(options.seed);
    return failed ? 1 : 0;
}
