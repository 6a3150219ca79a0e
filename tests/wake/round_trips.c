/* SPDX-License-Identifier: Apache-2.0
 *
 * Round trips one at a time, on a busy machine if asked: how long each took, and how many sleeps a timer had to end
 * although there was something to do, of which there must be none.
 *
 *   belt-round-trips [COUNT [BUSY-LOOPS [SIGNAL-US [alone]]]]
 *
 * Between its calls the user does nothing, or something else for up to two milliseconds, so that the connection passes
 * from hand to hand; a second thread pings the broker meanwhile, unless the user is `alone`: then nothing but a
 * heartbeat mends a wake-up that is lost. SIGNAL-US: a signal comes so often (0: never). Ends with 1 when a sleep was
 * too long or a result is not the input; SIGTERM or SIGINT ends it sooner. The times are for people.
 *
 * A round trip that takes long on a busy machine need not have lost anything: one of the processes may have been ready
 * to run and without a processor all the time, of which the kernel keeps account (starved.h). Those are counted apart.
 */
#include "client/pool.h"
#include "tests/wake/starved.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS     60000
#define BUSY_MAX    64
#define PAUSE_EVERY 16 /* one of so many round trips comes after a pause */
#define PAUSE_US    2000
#define ASK_US      5000
#define SLOW_MS     400 /* a round trip that takes longer is looked into */
#define LOOK_US     20000

static const unsigned bounds_ms[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 900, 1200, 5000};
#define BUCKETS (sizeof(bounds_ms) / sizeof(*bounds_ms) + 1)

static unsigned long histogram[BUCKETS];
static atomic_bool over;
static volatile sig_atomic_t stop;
static atomic_uint_fast64_t begun_us; /* the round trip that is under way; 0: none */
static unsigned slow, starved;

static void check(int rc, const char *what)
{
    if (rc == BELT_OK)
        return;
    fprintf(stderr, "belt-round-trips: %s: %s\n", what, belt_error_text());
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static int echo(belt_task *task, const void *data, size_t len, void *ctx)
{
    (void)ctx;
    return belt_task_reply(task, data, len);
}

static void *ask(void *argument)
{
    belt_pool *pool = argument;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (!atomic_load(&over)) {
        check(belt_pool_ping(pool, WAIT_MS, NULL), "belt_pool_ping");
        usleep(ASK_US);
    }
    return NULL;
}

/* What the rest of a slow round trip was spent on. */
static void look_into(uint64_t begun)
{
    struct starved_threads before;
    uint64_t since = now_us(), waited;

    starved_look(&before);
    while (atomic_load(&begun_us) == begun && !atomic_load(&over))
        usleep(1000);
    waited = starved_since(&before);
    slow++;
    starved += waited >= (now_us() - since) / 10 * 9;
}

static void *watch(void *argument)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (; !atomic_load(&over); usleep(LOOK_US)) {
        uint64_t begun = atomic_load(&begun_us);

        if (begun != 0 && now_us() - begun > SLOW_MS * 1000u)
            look_into(begun);
    }
    return argument;
}

static void start_busy_loops(unsigned count)
{
    for (unsigned i = 0; i < count && i < BUSY_MAX; i++) {
        pid_t parent = getpid();

        if (fork() != 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            for (volatile unsigned n = 0; n < 10000000; n++)
                ;
        _exit(0);
    }
}

static void on_alarm(int number)
{
    (void)number;
}

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

static void start_signals(unsigned us)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {.it_interval.tv_usec = us, .it_value.tv_usec = us};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void note(uint64_t us)
{
    size_t at = 0;

    while (at < BUCKETS - 1 && us >= bounds_ms[at] * 1000u)
        at++;
    histogram[at]++;
}

static void round_trip(belt_stream *stream, unsigned long number)
{
    belt_result *result = NULL;
    uint64_t begun = now_us();

    atomic_store(&begun_us, begun);
    check(belt_stream_feed(stream, &number, sizeof(number), WAIT_MS), "belt_stream_feed");
    check(belt_stream_next(stream, WAIT_MS, &result), "belt_stream_next");
    atomic_store(&begun_us, 0);
    note(now_us() - begun);
    if (result->len != sizeof(number) || memcmp(result->data, &number, sizeof(number)) != 0) {
        fprintf(stderr, "belt-round-trips: result %lu is not its input\n", number);
        exit(1);
    }
    belt_result_free(&result);
    if (rand() % PAUSE_EVERY == 0)
        usleep((unsigned)rand() % PAUSE_US);
}

/* What the broker has slept through. Its agent says so on standard error. */
static uint64_t broker_overslept(belt_pool *pool)
{
    belt_status *status = NULL;
    uint64_t overslept;

    check(belt_status_get(pool, BELT_STATUS_BROKER, NULL, NULL, WAIT_MS, &status), "belt_status_get");
    overslept = status->broker->overslept;
    belt_status_free(&status);
    return overslept;
}

static void print(unsigned long count, uint64_t overslept)
{
    printf("%lu round trips\n", count);
    for (size_t i = 0; i < BUCKETS; i++)
        if (histogram[i] > 0)
            printf("  %s %5u ms  %lu\n", i < BUCKETS - 1 ? "under" : "from ", bounds_ms[i < BUCKETS - 1 ? i : i - 1],
                   histogram[i]);
    printf("%u took longer than %u ms; in %u of them a process was ready to run and had no processor\n", slow, SLOW_MS,
           starved);
    printf("%llu sleeps of the library or the broker were ended by a timer although there was something to do\n",
           (unsigned long long)overslept);
}

int main(int argc, char **argv)
{
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, done;
    unsigned busy = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0, signals = 0;
    uint64_t overslept;
    belt_pool_options options;
    belt_pool *pool = NULL;
    belt_stream *stream = NULL;
    pthread_t asker, watcher;
    bool alone = argc > 4 && strcmp(argv[4], "alone") == 0;

    if (argc > 3)
        signals = (unsigned)strtoul(argv[3], NULL, 10);
    belt_pool_options_init(&options);
    options.slots = 1;
    check(belt_function_register("echo", echo, NULL), "belt_function_register");
    check(belt_pool_open(NULL, &options, &pool), "belt_pool_open");
    start_busy_loops(busy);
    check(belt_pool_imap(pool, "echo", NULL, NULL, NULL, &stream), "belt_pool_imap");
    if (!alone)
        pthread_create(&asker, NULL, ask, pool);
    pthread_create(&watcher, NULL, watch, NULL);
    if (signals > 0)
        start_signals(signals);
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    for (done = 0; done < count && !stop; done++)
        round_trip(stream, done);
    start_signals(0);
    overslept = atomic_load(&pool->overslept) + broker_overslept(pool);
    atomic_store(&over, true);
    if (!alone)
        pthread_join(asker, NULL);
    pthread_join(watcher, NULL);
    belt_stream_close(&stream);
    belt_pool_close(&pool);
    print(done, overslept);
    return overslept > 0;
}
