/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt bench`: a load generator for a user's own cluster, through libbelt as any client.
 *
 * Each input carries the time at which it was drawn, each result carries it back: a latency is the time from
 * drawing an input to taking its result, which in a full window is mostly waiting.
 */
#include "cli/access.h"
#include "cli/admin.h"
#include "cli/echo.h"
#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/histogram.h"
#include "cli/mix.h"
#include "cli/run.h"
#include "cli/say.h"
#include "cli/show_json.h"
#include "cli/signals.h"
#include "cli/units.h"

#include "client/open.h"
#include "local/cluster.h"
#include "proto/heap.h"
#include "proto/text_cut.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A payload begins with the run time (4 bytes), 4 bytes of nothing, and the time at which it was drawn (8). */
#define STAMP_AT 8u
#define STAMPED  16u
#define TAKE_MAX 256u
/* The first tasks start slots, fill caches and let windows grow. */
#define WARM_MS 200u
/* What --lead puts before a mix. */
#define LEAD_US 1u
/* Without --tasks, --duration and --mix. */
#define DURATION_MS 3000u

struct bench {
    const struct bench_values *values;
    struct mix mix, measured; /* asked for, and what the slots measured */
    uint64_t *taken_us;       /* when the result of each task of the mix was taken */
    uint64_t lead;            /* so many short tasks go before the mix; led: they are done */
    bool led;
    belt_pool *pool;
    belt_stream *stream;
    uint8_t *payload;
    size_t size;
    uint64_t tasks; /* to draw; UINT64_MAX: until `end_ns` */
    uint64_t begin_ns, end_ns;
    uint64_t drawn, failed;
    uint64_t done, done_ns; /* results, and when the last was taken */
    uint64_t first_ns;      /* when the first was taken */
    char failure[256];
    struct histogram latency;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The short tasks are done: what is measured begins here. */
static void begin_mix(struct bench *bench, uint64_t now)
{
    bench->led = true;
    bench->begin_ns = now;
    bench->done = bench->failed = bench->first_ns = 0;
    memset(&bench->latency, 0, sizeof(bench->latency));
}

static int draw(void *ctx, belt_input *input)
{
    struct bench *bench = ctx;
    uint64_t now = now_ns();

    if (bench->lead && bench->drawn == bench->lead && bench->done < bench->lead)
        return BELT_INPUT_LATER;
    if (bench->lead && bench->drawn == bench->lead && !bench->led)
        begin_mix(bench, now);
    if (bench->drawn == bench->tasks || now >= bench->end_ns || signals_stop())
        return BELT_INPUT_END;
    if (bench->mix.count) {
        uint32_t us =
            bench->drawn < bench->lead ? LEAD_US : bench->mix.us[(bench->drawn - bench->lead) % bench->mix.count];
        memcpy(bench->payload, &us, sizeof(us));
    }
    if (bench->size >= STAMPED)
        memcpy(bench->payload + STAMP_AT, &now, sizeof(now));
    bench->drawn++;
    input->data = bench->payload;
    input->len = bench->size;
    return BELT_INPUT_READY;
}

static void note(struct bench *bench, const belt_result *result, uint64_t now)
{
    uint64_t stamp;

    bench->done++;
    if (result->code != BELT_OK || result->len != bench->size) {
        if (!bench->failed++)
            text_print(bench->failure, sizeof(bench->failure), "%s",
                       *result->text ? result->text : "its result is not its input");
        return;
    }
    if (result->index >= bench->lead && result->index - bench->lead < bench->measured.count) {
        bench->measured.us[result->index - bench->lead] = (uint32_t)result->service_us;
        bench->taken_us[result->index - bench->lead] = (now - bench->begin_ns) / 1000;
    }
    if (bench->size < STAMPED)
        return;
    memcpy(&stamp, (const uint8_t *)result->data + STAMP_AT, sizeof(stamp));
    histogram_add(&bench->latency, now > stamp ? now - stamp : 0);
}

static int take_all(struct bench *bench)
{
    belt_result *results[TAKE_MAX];
    size_t count;
    int code;

    while ((code = belt_stream_next_many(bench->stream, -1, results, TAKE_MAX, &count)) == BELT_OK) {
        uint64_t now = now_ns();
        if (!bench->first_ns)
            bench->first_ns = now;
        bench->done_ns = now;
        for (size_t i = 0; i < count; i++) {
            note(bench, results[i], now);
            belt_result_free(&results[i]);
        }
    }
    if (code == BELT_END)
        return EXIT_OK;
    if (code == BELT_INTERRUPTED)
        return EXIT_INTERRUPTED;
    say("%s", belt_error_text());
    return exit_of_code(code);
}

static int refuse(const char *text)
{
    say("%s; see 'belt help bench'", text);
    return EXIT_USAGE;
}

static bool is_local(const struct bench_values *values)
{
    return !values->common.broker || !strcmp(values->common.broker, "local");
}

static int open_pool(struct bench *bench)
{
    const struct bench_values *values = bench->values;
    char endpoint[ENDPOINT_MAX];
    belt_pool_options options;
    int code;

    belt_pool_options_init(&options);
    options.slots = (int)values->slots;
    options.connect_timeout_ms = (int64_t)values->common.connect_timeout;
    options.access = values->common.access;
    if (is_local(values))
        code = belt_pool_open_private(&(struct local_work){.functions = echo_functions, .count = ECHO_FUNCTIONS},
                                      &options, &bench->pool);
    else if (access_find_broker(&values->common, false, NULL, endpoint))
        return refuse("--broker is no address");
    else
        code = belt_pool_open(endpoint, &options, &bench->pool);
    if (code == BELT_OK) {
        belt_heap_keep();
        return EXIT_OK;
    }
    say("%s", belt_error_text());
    return exit_of_code(code);
}

/* The slots that serve the bench's function; also tells whether anybody does. */
static int count_slots(struct bench *bench, uint32_t *slots)
{
    const char *function = bench->mix.count ? ECHO_WORK_FUNCTION : ECHO_FUNCTION;
    belt_status *status = NULL;
    struct timespec pause = {.tv_nsec = 10000000};
    uint64_t until = now_ns() + bench->values->common.connect_timeout * 1000000u;

    for (*slots = 0; !*slots && now_ns() < until && !signals_stop();) {
        int code = belt_status_get(bench->pool, BELT_STATUS_QUEUES, function, NULL, ADMIN_ANSWER_MS, &status);
        if (code == BELT_OK && status->count)
            *slots = status->queues[0]->slots;
        else if (code != BELT_OK && code != BELT_GONE && code != BELT_INVALID && code != BELT_NOT_SERVED)
            return admin_failed(code);
        belt_status_free(&status);
        if (!*slots)
            nanosleep(&pause, NULL);
    }
    if (*slots)
        return EXIT_OK;
    say("no worker of this broker serves '%s': start one with 'belt worker --echo'", function);
    return EXIT_REFUSED;
}

static int run_job(struct bench *bench, uint64_t tasks, uint64_t duration_ms)
{
    const struct bench_values *values = bench->values;
    belt_job_options options;
    int code, rc;

    belt_job_options_init(&options);
    options.chunksize = (uint32_t)values->chunksize;
    options.buffersize = values->buffersize;
    options.buffer_bytes = values->buffer_bytes;
    options.durability = values->volatile_job ? BELT_VOLATILE : BELT_DURABLE_IF_KEPT;
    bench->tasks = tasks;
    bench->begin_ns = now_ns();
    bench->end_ns = duration_ms ? bench->begin_ns + duration_ms * 1000000u : UINT64_MAX;
    bench->drawn = bench->failed = bench->done = bench->done_ns = bench->first_ns = 0;
    memset(&bench->latency, 0, sizeof(bench->latency));
    code = (values->ordered ? belt_pool_imap : belt_pool_imap_unordered)(
        bench->pool, bench->mix.count ? ECHO_WORK_FUNCTION : ECHO_FUNCTION, draw, bench, &options, &bench->stream);
    if (code != BELT_OK) {
        say("%s", belt_error_text());
        return exit_of_code(code);
    }
    signals_interrupt(bench->stream);
    rc = take_all(bench);
    signals_interrupt(NULL);
    belt_stream_close(&bench->stream);
    return rc;
}

/* ---- what is printed ---- */

static double seconds_of(const struct bench *bench)
{
    return bench->done_ns > bench->begin_ns ? (double)(bench->done_ns - bench->begin_ns) / 1e9 : 0;
}

/* 0: none came. */
static uint64_t first_us(const struct bench *bench)
{
    return bench->first_ns ? (bench->first_ns - bench->begin_ns) / 1000 : 0;
}

static double cpu_seconds(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static const struct {
    const char *name;
    double share;
} percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};

#define PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

/* Of the run times that were measured: what the machine adds to a task is not the scheduler's. */
static struct mix_times bound_of(const struct bench *bench, uint32_t slots)
{
    uint64_t tasks = bench->done < bench->measured.count ? bench->done : bench->measured.count;

    return mix_greedy(&bench->measured, tasks, slots);
}

/* Of all tasks of the mix; 0: not all were done. */
static double in_order_us(const struct bench *bench)
{
    return bench->done == bench->measured.count ? mix_times_of(bench->taken_us, bench->done).in_order_us : 0;
}

static void print_json(const struct bench *bench, uint32_t slots, double cpu, struct bytes *out)
{
    json_t *object = show_json_object("belt.bench/1"), *latency = json_object();
    double seconds = seconds_of(bench);

    json_object_set_new(object, "slots", json_integer(slots));
    json_object_set_new(object, "size", json_integer((json_int_t)bench->size));
    json_object_set_new(object, "tasks", json_integer((json_int_t)bench->done));
    json_object_set_new(object, "failed", json_integer((json_int_t)bench->failed));
    json_object_set_new(object, "seconds", json_real(seconds));
    json_object_set_new(object, "tasks_per_second", json_real(seconds > 0 ? (double)bench->done / seconds : 0));
    json_object_set_new(object, "client_cpu_seconds", json_real(cpu));
    json_object_set_new(object, "first_result_us", json_integer((json_int_t)first_us(bench)));
    for (size_t i = 0; i < PERCENTILES && bench->latency.count; i++)
        json_object_set_new(latency, percentiles[i].name,
                            json_real((double)histogram_at(&bench->latency, percentiles[i].share) / 1e3));
    json_object_set_new(object, "latency_us", latency);
    if (bench->measured.count) {
        struct mix_times bound = bound_of(bench, slots);
        json_object_set_new(object, "bound_seconds", json_real((double)bound.makespan_us / 1e6));
        json_object_set_new(object, "in_order_seconds", json_real(in_order_us(bench) / 1e6));
        json_object_set_new(object, "bound_in_order_seconds", json_real(bound.in_order_us / 1e6));
    }
    show_json_write(object, out);
}

static void print_text(const struct bench *bench, uint32_t slots, struct bytes *out)
{
    double seconds = seconds_of(bench), rate = seconds > 0 ? (double)bench->done / seconds : 0;
    char text[UNITS_TEXT], bytes[UNITS_TEXT];

    bytes_format(out, "%" PRIu64 " tasks of %s on %u slots in %.3f s: %s/s, ", bench->done,
                 units_show_bytes(bench->size, bytes), slots, seconds, units_show_rate(rate, text));
    bytes_format(out, "%s/s each way\n", units_show_bytes((uint64_t)(rate * (double)bench->size), bytes));
    if (bench->latency.count)
        bytes_text(out, "from drawing an input to taking its result:");
    for (size_t i = 0; i < PERCENTILES && bench->latency.count; i++)
        bytes_format(out, " %s %s", percentiles[i].name,
                     units_show_us(histogram_at(&bench->latency, percentiles[i].share) / 1000, text));
    if (bench->latency.count)
        bytes_text(out, bench->values->buffersize == 1 || bench->mix.count
                            ? "\n"
                            : "\nmost of that is waiting in a full window: --buffersize 1 measures the round trip\n");
    if (bench->done)
        bytes_format(out, "first result after %s\n", units_show_us(first_us(bench), text));
    if (bench->measured.count) {
        struct mix_times times = bound_of(bench, slots);
        double bound = (double)times.makespan_us / 1e6, in_order = in_order_us(bench);
        bytes_format(out, "each task to the slot that is free first: %.3f s, so this run took %.3f of that\n", bound,
                     bound > 0 ? seconds / bound : 0);
        if (in_order > 0 && times.in_order_us > 0)
            bytes_format(out,
                         "a result and all before it were there after %.3f s in the mean, with that schedule after "
                         "%.3f s: %.3f of that\n",
                         in_order / 1e6, times.in_order_us / 1e6, in_order / times.in_order_us);
    }
}

static int report(const struct bench *bench, uint32_t slots, double cpu)
{
    struct bytes out = {0};
    int rc;

    if (bench->values->json)
        print_json(bench, slots, cpu, &out);
    else
        print_text(bench, slots, &out);
    rc = admin_print(&out);
    bytes_free(&out);
    if (!bench->failed)
        return rc;
    say("%" PRIu64 " of %" PRIu64 " tasks failed, the first with: %s", bench->failed, bench->done, bench->failure);
    return EXIT_FAILED;
}

static int measure(struct bench *bench)
{
    const struct bench_values *values = bench->values;
    uint64_t tasks = values->tasks, duration = values->duration;
    uint32_t slots = 0;
    int rc = open_pool(bench);

    if (!tasks && !duration && bench->mix.count)
        tasks = bench->mix.count;
    else if (!tasks && !duration)
        duration = DURATION_MS;
    if (!rc)
        rc = count_slots(bench, &slots);
    if (!rc && values->warm && !bench->mix.count)
        rc = run_job(bench, UINT64_MAX, WARM_MS);
    double cpu = cpu_seconds();
    if (!rc && bench->mix.count && tasks && tasks <= UINT32_MAX) {
        bench->measured.us = calloc(tasks, sizeof(uint32_t));
        bench->taken_us = calloc(tasks, sizeof(uint64_t));
        bench->measured.count = bench->measured.us && bench->taken_us ? (uint32_t)tasks : 0;
        bench->lead = values->lead;
    }
    if (!rc)
        rc = run_job(bench, tasks ? tasks + bench->lead : UINT64_MAX, duration);
    cpu = cpu_seconds() - cpu;
    if (!rc || (rc == EXIT_INTERRUPTED && bench->done)) {
        int printed = report(bench, slots, cpu);
        rc = rc ? rc : printed;
    }
    belt_pool_close(&bench->pool);
    return rc;
}

int run_bench(const struct options *options)
{
    const struct bench_values *values = options->values;
    struct bench *bench = NULL;
    int rc = EXIT_OK;

    if (options->word_count || options->dashes || options->colons)
        return refuse("'bench' takes no words");
    if (!is_local(values) && options_origin(options, "slots") == ORIGIN_FLAG)
        return refuse("--slots sizes a private pool; on a cluster the workers' slots count");
    signals_install();
    bench = calloc(1, sizeof(*bench));
    if (!bench)
        goto memory;
    bench->values = values;
    bench->size = (size_t)values->size;
    if (values->mix && !mix_parse(&bench->mix, values->mix)) {
        rc = refuse("--mix is not COUNTxTIME,… (20x300ms,180x5ms), of up to a million tasks");
        goto out;
    }
    if (bench->mix.count && bench->size < STAMPED)
        bench->size = STAMPED;
    if (bench->mix.count && !values->as_listed)
        mix_shuffle(&bench->mix, values->seed);
    bench->payload = calloc(1, bench->size + 1);
    if (!bench->payload)
        goto memory;
    rc = measure(bench);
    goto out;
memory:
    say("out of memory");
    rc = EXIT_INTERNAL;
out:
    if (bench) {
        mix_free(&bench->mix);
        mix_free(&bench->measured);
        free(bench->payload);
        free(bench->taken_us);
    }
    free(bench);
    return rc;
}
