/* SPDX-License-Identifier: Apache-2.0
 *
 * Belt: a distributed process pool with streaming results.
 *
 * The one public header, for programs that submit work and for programs that do it.
 *
 *   belt_pool *pool;
 *   belt_pool_open(NULL, NULL, &pool);            // private broker, local slots
 *   belt_stream *results;
 *   belt_pool_imap(pool, "analyze", source, ctx, NULL, &results);
 *   belt_result *r;
 *   while (belt_stream_next(results, -1, &r) == BELT_OK) { use(r->data, r->len); belt_result_free(&r); }
 *   belt_stream_close(&results);
 *   belt_pool_close(&pool);
 *
 * Names: belt_noun_verb, where the noun is the type of what the function works on (a pool, a stream, a result, a task;
 * belt_job_* works on a job that is named by its id). A function that only looks has the name of what it gives in place
 * of a verb. A field or argument whose name ends in _ms or _us is a duration in that unit, one that ends in _at a
 * moment in ms since 1970 by the clock of the broker or of the worker's host, and one that ends in _len or _bytes a
 * number of bytes.
 *
 * Return values: BELT_OK (0), or a code of <belt/codes.h>; belt_error_text() explains the
 * last failure of the calling thread in one sentence (what failed, where, what to do). Each function lists all the
 * codes that it may return. Two groups of codes have a name in those lists:
 *
 *   POOL ERRORS   INVALID (no pool or stream was given, or it belongs to another process), CLOSED (the pool is closed),
 *                 INTERRUPTED (by belt_stream_interrupt(), or by a signal, with the option signals_interrupt; only of
 *                 calls that wait), and what the pool's connection has ended with: LOST_BROKER, or, when the broker
 * that came back refuses it, BAD_VERSION, BAD_ROLE, BAD_MESSAGE, LIMIT or NOT_ALLOWED. JOB ERRORS    What the broker
 * has refused or ended the job of a stream with: BAD_OPTION (an option, or the key names a job of another function,
 * with other options or with other inputs), LIMIT, DRAINING, NOT_DURABLE, STORE_FAILED, NOT_ALLOWED (another program
 * feeds, reads or owns the job),
 * TOO_LARGE (the argument), JOB_ENDED (the key's job has fewer inputs), BAD_MESSAGE (the key's job has more inputs),
 * JOB_CANCELLED, UNKNOWN_JOB (the broker has forgotten the job: it was restarted, or nobody came for the job in time),
 * UNKNOWN_READER (another program reads under this reader's name), GONE, NO_MEMORY, LOST_BROKER.
 *
 * Ownership is said in four words: a function *borrows* an argument during the call, *copies* it,
 * *takes* it (T **, set to NULL), or *gives* a new object to the caller, who frees it.
 *
 * Threads: a pool may be used by many threads; a stream by one thread at a time, but for two cases:
 * belt_stream_interrupt() is for any thread, and a stream without a source may be fed (belt_stream_feed() …
 * belt_stream_cancel_task()) by one thread while another reads it. The library runs one I/O thread per pool; code of
 * yours (sources, hooks) never runs on it. A thread that waits for the results of a pool's only stream may do that
 * thread's work meanwhile.
 *
 * Processes: a pool belongs to the process that opened it. In a process that was forked since its calls and those of
 * its streams answer INVALID, closing them frees nothing, and a pool of its own may be opened; results may be read and
 * freed. A program that becomes another one by exec ends its private pools. The library installs no signal handlers,
 * and waits for its own child processes only: a SIGCHLD comes for them too, and a program that waits for any child must
 * let those be that it does not know. All descriptors of the library are close-on-exec. A program may run without the
 * descriptors 0, 1 and 2; what it prints there then may go to whatever gets those numbers, so open /dev/null instead.
 *
 * Closing: a pool may be closed while other threads are inside of its calls: all of these end with CLOSED, and
 * belt_pool_close() waits for them, also for a source that runs. A call that comes later answers CLOSED as well. A
 * stream outlives its pool, answering CLOSED, until belt_stream_close() or belt_stream_detach() frees it. A source may
 * close its pool or its own stream: nothing more is drawn, the call that runs the source answers CLOSED, and closes the
 * pool or stream when it returns. A source that waits for the stream it is drawn for (belt_stream_next,
 * belt_stream_flush) is answered INVALID.
 *
 * Timeouts: a timeout_ms of -1 (any negative number) waits for ever, 0 does not wait.
 *
 * Structs: each struct that a program fills begins with its size and is initialised by its macro,
 *
 *   belt_job_options options = BELT_JOB_OPTIONS_INIT;
 *
 * or later by its init function, which does the same (INVALID when it was not). A field that is not set has its
 * default. All structs may get new fields at their end: those that a program fills, because their size tells which
 * fields it knows; those that the library hands out, because a program meets them behind pointers only. A program that
 * was built with an older header keeps the defaults of what it does not know. One that was built with a newer header
 * may run with this library as long as it leaves unset what this library does not know: BAD_OPTION otherwise. belt_span
 * alone stays as it is for ever, since arrays of it are handed over.
 */
#ifndef BELT_H
#define BELT_H

#include <belt/codes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BELT_API __attribute__((visibility("default")))
#else
#define BELT_API
#endif

/** Every payload is handed over at an address that is a multiple of this, so that what was sent as a number or a struct
 * may be read as one: the input and the argument of a task, and a result. */
#define BELT_ALIGNMENT 16

#define BELT_VERSION       "0.1.0"
#define BELT_VERSION_MAJOR 0
#define BELT_VERSION_MINOR 1
#define BELT_VERSION_PATCH 0

/** Version of the library that is linked, as "0.1.0". */
BELT_API const char *belt_version(void);
/** "TASK_FAILED" for BELT_TASK_FAILED. */
BELT_API const char *belt_code_name(unsigned code);
/** "the task failed". */
BELT_API const char *belt_code_text(unsigned code);
/** What a caller can do about it. */
BELT_API const char *belt_code_advice(unsigned code);
/** The last failure of this thread, in one sentence. Valid until its next call of libbelt. Never NULL. */
BELT_API const char *belt_error_text(void);

/* ------------------------------------------------------------------ pool */

typedef struct belt_pool belt_pool;

typedef struct belt_task belt_task;
/** A function that slots run: reply with belt_task_reply() or belt_task_fail(), once. Returning without
 *  a reply is an empty result; a nonzero return without a reply is TASK_FAILED. `data` is borrowed during the call, and
 * aligned to BELT_ALIGNMENT. */
typedef int (*belt_function)(belt_task *task, const void *data, size_t len, void *ctx);

/** Begin with BELT_POOL_OPTIONS_INIT. Strings are copied. What is said to be of a private pool has no effect on others.
 */
typedef struct belt_pool_options {
    size_t size;            /* set by BELT_POOL_OPTIONS_INIT */
    int slots;              /* of a private pool: how many; 0: one per processor */
    bool signals_interrupt; /* when a signal handler has run in a thread that waits in a call of this pool, or of a
                               stream of it, the call ends with INTERRUPTED */
    bool inherit_output;   /* of a private pool: what slots write to standard output and standard error goes to those of
                              the program, and results have no log */
    bool external_workers; /* of a private pool: it has no slots of its own, programs that belt_pool_workers() is handed
                              to do the work (belt_worker_run) */
    uint64_t max_tasks_per_slot;  /* of a private pool: a slot is replaced after this many tasks; 0: never */
    int (*slot_init)(void *ctx);  /* of a private pool: runs in each slot before its first task; nonzero, or
                                     belt_slot_fail() in it: the slot cannot start. NULL: nothing runs */
    void (*slot_exit)(void *ctx); /* of a private pool: runs in each slot after its last task. NULL: nothing runs */
    void *slot_ctx;               /* handed to both */
    int64_t connect_timeout_ms; /* belt_pool_open() waits this long for the broker; default 10000, -1: for ever, 0: does
                                   not wait */
    int64_t lost_timeout_ms;    /* calls fail with LOST_BROKER when the broker has been away for this long; default
                                   60000, -1: never, 0: at once */
    const char *name;           /* shown in status; NULL: host:pid */
    uint64_t start_timeout_ms;  /* of a private pool: slot_init may take this long; 0: 10000 */
    int64_t kill_after_ms;      /* of a private pool: a task that is stopped, for whatever reason (a time-out, a cancel,
                                   the end of the pool or of its process), gets SIGTERM, and SIGKILL after this time;
                                   default 2000, 0: SIGKILL at once. Functions can look at belt_task_cancelled()
                                   before: SIGTERM comes to them after half of it. */
    int64_t log_bytes;          /* of a private pool: a result carries so many bytes of the end of what its task wrote
                                   to standard error (`log`); 0 to 262144, default 16384 */
    uint64_t max_payload; /* of a private pool: inputs and results up to so many bytes; 0: 1 GiB, which is the most
                             there can be, or `memory` where that is less */
    uint64_t memory; /* of a private pool: bytes of inputs and results that its broker keeps, at least 1 MiB; 0: half of
                        the machine's memory, or of what the control group of the process may use */
    const char *access; /* of a broker at tcp://: the path of the access file with our keys (belt keys); NULL: that of
                           BELT_ACCESS in the environment, else ~/.config/belt/access, else /etc/belt/access, and when
                           none is there, no keys; "none": no keys */
} belt_pool_options;
#define BELT_POOL_OPTIONS_INIT                                                                                         \
    {sizeof(belt_pool_options),                                                                                        \
     0,                                                                                                                \
     false,                                                                                                            \
     false,                                                                                                            \
     false,                                                                                                            \
     0,                                                                                                                \
     NULL,                                                                                                             \
     NULL,                                                                                                             \
     NULL,                                                                                                             \
     10000,                                                                                                            \
     60000,                                                                                                            \
     NULL,                                                                                                             \
     0,                                                                                                                \
     2000,                                                                                                             \
     16384,                                                                                                            \
     0,                                                                                                                \
     0,                                                                                                                \
     NULL}
static inline void belt_pool_options_init(belt_pool_options *options)
{
    belt_pool_options initial = BELT_POOL_OPTIONS_INIT;
    *options = initial;
}

/**
 * Opens a pool. `broker` is the clients' endpoint of a broker ("tcp://host:7878", "ipc:///run/belt/clients"),
 * or NULL: BELT_BROKER from the environment is not read; a private broker and `slots` local slots are started as child
 * processes, which run the functions registered so far and end with the pool or with this process, however it ends.
 * *Gives* `*pool`. Errors: INVALID (no place for the pool, no address of a broker, an option out of its range, a
 * private pool without functions), BAD_OPTION, NO_BROKER, SYSTEM, NO_MEMORY, INTERRUPTED, and what the broker refuses
 * with: BAD_VERSION, BAD_ROLE, BAD_MESSAGE, LIMIT, NOT_ALLOWED.
 *
 * A private pool may be opened from any thread, by several at once. Its processes are forks of the program: of its
 * threads only the one that opens the pool is there in them, and what other threads had locked at that moment stays
 * locked, so functions that share locks with threads of the program must be given the pool before those threads run.
 * Slots keep the descriptors that the program had open; broker and agent do not use them.
 */
BELT_API int belt_pool_open(const char *broker, const belt_pool_options *options, belt_pool **pool);

/**
 * Closes the pool, stops a private broker and its slots. Jobs that are not detached are cancelled. Streams that are not
 * closed yet answer CLOSED and still have to be closed, before or after. *Takes*. Accepts NULL; another thread's copy
 * of the pointer may be used afterwards, and closed again: it answers CLOSED.
 */
BELT_API void belt_pool_close(belt_pool **pool);

/** Of a private pool with external_workers: the address that belt_worker_run() is given. Valid until the pool is
 * closed. NULL of another pool. */
BELT_API const char *belt_pool_workers(const belt_pool *pool);
/**
 * Of a private pool with external_workers: a descriptor that reads end of file when the pool is closed or its process
 * has ended, however it ended. Hand it to the process that calls belt_worker_run() (option lifeline_fd), so that this
 * ends with the pool. It belongs to the pool and is close-on-exec: what is to survive an exec is a duplicate. -1 of
 * another pool.
 */
BELT_API int belt_pool_lifeline(const belt_pool *pool);

/**
 * Registers a function for private pools and belt_worker_run(), before either; again under the same name: in place of
 * the former. *Copies* the name, which has 1 to 128 letters, digits, '.', '_' and '-', and begins with neither '.' nor
 * '-'. Errors: INVALID, LIMIT (too many functions), NO_MEMORY.
 */
BELT_API int belt_function_register(const char *name, belt_function function, void *ctx);

/* --------------------------------------------------------------- results */

/** One result. Everything in it is valid until belt_result_free(). */
typedef struct belt_result {
    uint64_t index;      /* place of the task in its job: 0, 1, 2, … */
    unsigned code;       /* BELT_OK, or why there is no good result */
    const void *data;    /* payload, aligned to BELT_ALIGNMENT, never NULL; a failed task may have one too */
    size_t len;          /* of the payload, in bytes */
    const char *text;    /* of the error; "" when code is BELT_OK */
    const char *log;     /* what the task wrote to standard error (a C function: and to standard output); may hold any
                            bytes. Of more than `log_bytes` of its pool or worker the end, from the start of a line on,
                            behind a first line that says how much is missing: "[NUMBER bytes of standard error are
                            left out]" */
    size_t log_len;      /* of the log, in bytes */
    unsigned attempt;    /* which run of the task this is, from 1; 0: it never ran */
    uint64_t service_us; /* measured run time; 0: it never ran */
    const char *host;    /* where it ran, with the option detail; else "" */
    uint64_t started_at; /* when it began, ms since 1970 by its host's clock, with the option detail; else 0 */
    int exit_status;     /* of a command; -1: none */
    int term_signal;     /* number of the signal that ended a command or slot; 0: none */
    uint64_t number;     /* place in its stream, the same for every reader of this mode: for belt_stream_ack() */
} belt_result;

/** *Takes*. Accepts NULL. */
BELT_API void belt_result_free(belt_result **result);

/* --------------------------------------------------------------- streams */

/** Bytes and how many they are. */
typedef struct belt_span {
    const void *data;
    size_t len;
} belt_span;

/** What a source fills; the library makes it and sets all of it to zero before each call. */
typedef struct belt_input {
    const void *data;
    size_t len;             /* in bytes */
    const belt_span *parts; /* in place of `data`: the input is these bytes, one behind the other; NULL: none */
    size_t part_count;
} belt_input;

/** What a source returns. Any other number is as BELT_INPUT_FAILED. */
enum belt_input_state {
    BELT_INPUT_END = 0,     /* there are no more inputs */
    BELT_INPUT_READY = 1,   /* `*input` is the next one */
    BELT_INPUT_FAILED = -1, /* this input failed: its place in the stream gets SOURCE_FAILED, with `input->data` as its
                               text if not NULL, and the stream goes on */
    BELT_INPUT_LATER = -2   /* there is none yet: the source is called again at the next call of the library */
};

/**
 * Produces the next input into `*input` (borrowed until the next call), and returns one of enum belt_input_state. Runs
 * only inside calls of the user's own thread.
 */
typedef int (*belt_source)(void *ctx, belt_input *input);

/** Whether a job is on the broker's disk. */
typedef enum belt_durability {
    BELT_DURABLE_IF_KEPT = 0, /* when the broker keeps jobs (it has a state directory) */
    BELT_DURABLE = 1,         /* or the job is refused: NOT_DURABLE */
    BELT_VOLATILE = 2         /* not kept */
} belt_durability;

/** Begin with BELT_JOB_OPTIONS_INIT. */
typedef struct belt_job_options {
    size_t size;           /* set by BELT_JOB_OPTIONS_INIT */
    uint32_t chunksize;    /* tasks per dispatch; 0: sized by measured run time */
    uint64_t buffersize;   /* window in items: inputs drawn whose results were not taken yet; 0: grows with the measured
                              rate */
    uint64_t buffer_bytes; /* window in bytes of input; 0: 64 MiB */
    uint32_t retries;      /* more runs for a task that fails or times out; 0: none */
    uint32_t max_attempts; /* runs of a task whose slot dies; 0: 3 */
    uint64_t timeout_ms;   /* of one run; 0: none */
    int priority;          /* -100 .. 100, higher first */
    bool detail;           /* results name host and start time */
    bool detached;         /* the job outlives its client */
    belt_durability durability;
    const char *key; /* the same key again is the same job; NULL: a new job. With another function, argument, number
                        of retries or attempts, time-out, start or deadline, with other final_statuses, with other
                        inputs than the job has, or with detail or a durability that it lacks: BAD_OPTION; fewer
                        inputs: BAD_MESSAGE; more: JOB_ENDED. No result is given before the inputs that the job has
                        were drawn or fed again and found the same. A second stream of one pool with the key of
                        another that is open: INVALID. Copied */
    const void *argument; /* shared by all tasks of the job (belt_task_argument), up to the payload limit; it travels
                             with each batch of tasks. NULL: none. Copied */
    size_t argument_len;  /* in bytes; 0: none */
    int64_t backoff_ms;   /* pause before a task's next run, doubled with each up to 30 s; 0: 100, -1: none */
    uint64_t after_ms;    /* no task runs before this time has passed; 0: at once */
    uint64_t deadline_ms; /* tasks without a result when this time has passed are stopped: TASK_EXPIRED; 0: never */
    const char *final_statuses; /* exit statuses of a command that are not tried again: "2,64-78"; NULL: none. Copied */
    uint64_t keep_ms; /* a job that nobody feeds or reads is given up after this; 0: after the broker's --keep, or its
                         --grace when it is not detached */
    bool acknowledge; /* a result counts as taken when belt_stream_ack() says so, not when belt_stream_next() gives it.
                         With a key and `detached`: the same call with the same input, after a crash, goes on after
                         what was acknowledged */
    bool take_over;   /* with a key: the job becomes this stream's although another client that is connected feeds or
                         reads it, which gets NOT_ALLOWED or UNKNOWN_READER then; false: this one gets NOT_ALLOWED */
    int64_t remember_ms; /* of a job with a key: for this long after it was read to its end the key stands for it, and
                            the same call again gives END at once; 0: an hour, -1: the key is free at once */
    uint64_t after_at;   /* no task runs before this moment, ms since 1970 by the broker's clock; 0: see after_ms */
    uint64_t share; /* 1: at a broker with keys other owners may see the job and read its results, each with readers
                       of its own; 0: only the owner of this pool's key and administrators */
} belt_job_options;
/* clang-format off */
#define BELT_JOB_OPTIONS_INIT {sizeof(belt_job_options), 0, 0, 0, 0, 0, 0, 0, false, false, BELT_DURABLE_IF_KEPT, \
                               NULL, NULL, 0, 0, 0, 0, NULL, 0, false, false, 0, 0, 0}
/* clang-format on */
static inline void belt_job_options_init(belt_job_options *options)
{
    belt_job_options initial = BELT_JOB_OPTIONS_INIT;
    *options = initial;
}

/** A job of this pool and the reader of its results. */
typedef struct belt_stream belt_stream;

/**
 * Starts a job whose input is drawn lazily from `source`, or, with `source` NULL, handed in by belt_stream_feed().
 * Results come in the order of the input (imap) or the moment they are done (imap_unordered).
 * At most the window is drawn ahead of what belt_stream_next() has returned. Returns without waiting
 * for a worker: while no worker serves the function the job waits (`notice` of belt_stream_progress). On a private pool
 * a function that was not registered before it was opened is an error at once, since nobody can ever serve it.
 * What the broker says about the job comes out of belt_stream_next(). *Gives* `*stream`. Errors: INVALID, NOT_SERVED,
 * TOO_LARGE (argument), BAD_OPTION (an option that this library does not know), NO_MEMORY, POOL ERRORS.
 */
BELT_API int belt_pool_imap(belt_pool *pool, const char *function, belt_source source, void *ctx,
                            const belt_job_options *options, belt_stream **stream);
BELT_API int belt_pool_imap_unordered(belt_pool *pool, const char *function, belt_source source, void *ctx,
                                      const belt_job_options *options, belt_stream **stream);

/**
 * Hands in one input (*copies*). Waits up to `timeout_ms` for room in the window, then WINDOW_FULL: take a result
 * first (a thread that feeds without taking would wait for ever, so do not wait with -1 in the thread that reads).
 * Errors: WINDOW_FULL, TOO_LARGE, JOB_ENDED (after belt_stream_end()), INVALID (the stream has a source, or reads a job
 * that others feed), NO_MEMORY, POOL ERRORS, JOB ERRORS.
 */
BELT_API int belt_stream_feed(belt_stream *stream, const void *data, size_t len, int64_t timeout_ms);
/** The same of an input that lies in `count` parts, which become one, one behind the other. */
BELT_API int belt_stream_feed_parts(belt_stream *stream, const belt_span *parts, size_t count, int64_t timeout_ms);
/** In place of an input: its index gets SOURCE_FAILED with this text (*copies*; NULL: the code's own). Errors: as
 * belt_stream_feed(), and INVALID for a job that is only handed in. */
BELT_API int belt_stream_feed_error(belt_stream *stream, const char *text, int64_t timeout_ms);
/** No more input. Errors: INVALID (the stream has a source, or reads a job that others feed), CLOSED. */
BELT_API int belt_stream_end(belt_stream *stream);

/**
 * The next result: BELT_OK *gives* `*result`, whose code tells the task's own outcome. END: all results were given.
 * AGAIN: nothing within `timeout_ms`. Taking a result is what opens the window. Draws from the source before it
 * waits, and not while there is a result to give: a source that blocks holds back no finished result.
 * Errors: END, AGAIN, INVALID (the stream gives no results, or this is its own
 * source), NO_MEMORY, POOL ERRORS, JOB ERRORS.
 */
BELT_API int belt_stream_next(belt_stream *stream, int64_t timeout_ms, belt_result **result);
/** Up to `max` results at once: waits for the first only. `*count` is how many were given. Errors: as
 * belt_stream_next(), and INVALID when `max` is 0. */
BELT_API int belt_stream_next_many(belt_stream *stream, int64_t timeout_ms, belt_result **results, size_t max,
                                   size_t *count);

/** Draws from the source as far as the window allows, and gives nothing: the first inputs are on their way before
 * somebody asks for a result. Does not wait. Errors: INVALID (the stream has no source, or this is it), NO_MEMORY,
 * BAD_OPTION and SOURCE_FAILED, TOO_LARGE of a job that is handed in, POOL ERRORS, JOB ERRORS. */
BELT_API int belt_stream_draw(belt_stream *stream);

/** A descriptor that is readable while belt_stream_next(…, 0, …) would not answer AGAIN (level-triggered), and when a
 * call of it would draw more from a source that blocks; in an event loop it had better answer BELT_INPUT_LATER. Owned
 * by the stream: never read, written or closed by the caller. -1 when it cannot be made. */
BELT_API int belt_stream_fd(belt_stream *stream);

/** Begin with BELT_PROGRESS_INIT. Counts of inputs and results since the stream was opened. */
typedef struct belt_progress {
    size_t size;       /* set by BELT_PROGRESS_INIT */
    uint64_t drawn;    /* inputs taken from the source or fed */
    uint64_t accepted; /* inputs that the broker has acknowledged */
    uint64_t done;     /* results received with BELT_OK */
    uint64_t failed;   /* results received with another code */
    uint64_t taken;    /* results given to the caller */
    uint64_t window;   /* size of the window, in items */
    bool ended;        /* the input is at its end: drawn is the total */
    unsigned notice;   /* BELT_NO_WORKER while nobody serves the function, else BELT_OK */
} belt_progress;
#define BELT_PROGRESS_INIT {sizeof(belt_progress), 0, 0, 0, 0, 0, 0, false, 0}
/** Fills `*progress`, also of a stream whose pool is closed. Errors: INVALID (it was not begun with BELT_PROGRESS_INIT,
 * or the stream belongs to another process: all is 0 then). */
BELT_API int belt_stream_progress(const belt_stream *stream, belt_progress *progress);
/** Id of the job on the broker; 0 while it is not opened yet, or, of a stream that reads, its subscription is not. */
BELT_API uint64_t belt_stream_job(const belt_stream *stream);

/** Begins nothing more: tasks that have not begun get the result TASK_CANCELLED, those that run go on, and the stream
 *  goes to its end. Does not wait. Errors: INVALID, CLOSED. */
BELT_API int belt_stream_halt(belt_stream *stream);
/** Stops the job: running tasks are stopped, no result is given after this returns. Waits up to `timeout_ms` for the
 * broker's word. Errors: AGAIN (it did not come in time; the job is cancelled all the same), POOL ERRORS, JOB ERRORS
 * but JOB_CANCELLED, which is a success. */
BELT_API int belt_stream_cancel(belt_stream *stream, int64_t timeout_ms);
/** One input is not wanted any more: unless its result is there already, that becomes TASK_CANCELLED, when it has not
 * begun at once, and else when it was stopped. `index` is its place in the job, from 0, of inputs that were drawn or
 * fed. Does not wait. Errors: INVALID (there is no such input yet, or the stream reads a job that others feed), CLOSED,
 * NO_MEMORY. */
BELT_API int belt_stream_cancel_task(belt_stream *stream, uint64_t index);
/** Makes a call that waits for this stream in another thread, or the next one that would, return INTERRUPTED.
 * Async-signal-safe. */
BELT_API void belt_stream_interrupt(belt_stream *stream);
/** Cancels what is not finished and frees. *Takes*. Accepts NULL. */
BELT_API void belt_stream_close(belt_stream **stream);

/* ----------------------------------------------- jobs that outlive a client */

/**
 * Hands in a job whose results are read elsewhere or later (belt_pool_subscribe, `belt results`). Draws `source` to its
 * end, never far ahead of what the broker has accepted, and returns once it has accepted everything: for a durable job
 * it is on disk then. `*job` is its id. The job is detached; with a key that the broker knows it is the job of old, and
 * only what is missing is handed in, so a submit that was killed is repeated with the same key and input. On failure a
 * job without a key is cancelled, one with a key stays as far as it came. Errors:
 * SOURCE_FAILED (an input that failed ends the call), TOO_LARGE, NOT_SERVED, BAD_OPTION, CLOSED, NO_MEMORY, POOL
 * ERRORS, JOB ERRORS.
 */
BELT_API int belt_pool_submit(belt_pool *pool, const char *function, belt_source source, void *ctx,
                              const belt_job_options *options, uint64_t *job);
/**
 * The same step by step: belt_stream_feed() and belt_stream_end() (`source` NULL), belt_stream_flush(),
 * belt_stream_job(), belt_stream_detach(). Such a stream gives no results. *Gives* `*stream`; belt_stream_close()
 * before the end is accepted cancels the job. Errors: as belt_pool_imap().
 */
BELT_API int belt_pool_submit_open(belt_pool *pool, const char *function, belt_source source, void *ctx,
                                   const belt_job_options *options, belt_stream **stream);
/**
 * Waits until the broker has accepted all that was handed in and, after its end, the end; draws a submitted job's
 * source meanwhile (a source that says "nothing yet" is asked again at the next call). Errors: AGAIN,
 * INVALID (the stream takes no input, or this is its own source), SOURCE_FAILED, TOO_LARGE, NO_MEMORY,
 * POOL ERRORS, JOB ERRORS.
 */
BELT_API int belt_stream_flush(belt_stream *stream, int64_t timeout_ms);

/** A cursor: where this reader's acknowledgements stand; for a new reader the first result from which all is kept. */
#define BELT_FROM_ACKNOWLEDGED UINT64_MAX

/** Begin with BELT_READER_OPTIONS_INIT. */
typedef struct belt_reader_options {
    size_t size;         /* set by BELT_READER_OPTIONS_INIT */
    bool unordered;      /* as they finish, not in order. A reader keeps the mode in which it came first: in another one
                            BAD_OPTION */
    bool acknowledge;    /* a result counts as taken when belt_stream_ack() says so, not when belt_stream_next() gives
                            it */
    bool take_over;      /* although another client that is connected reads under this name, which gets UNKNOWN_READER
                            then; false: this one is refused, NOT_ALLOWED */
    uint64_t buffersize; /* results on their way that were not taken yet; 0: grows with the measured rate */
    uint64_t buffer_bytes; /* the same in bytes; 0: 64 MiB */
} belt_reader_options;
#define BELT_READER_OPTIONS_INIT {sizeof(belt_reader_options), false, false, false, 0, 0}
static inline void belt_reader_options_init(belt_reader_options *options)
{
    belt_reader_options initial = BELT_READER_OPTIONS_INIT;
    *options = initial;
}

/**
 * Reads a job by its id, under a name of the caller's choice: belt_stream_next(), belt_stream_next_many(),
 * belt_stream_fd() as for other streams. Each name has a cursor of its own, kept by the broker with the job: whoever
 * subscribes again under the name goes on after the last result that was acknowledged. `cursor`:
 * BELT_FROM_ACKNOWLEDGED, or the `number` of the next result wanted, not below what was acknowledged. A result is kept
 * until every reader that has ever come has taken it; a complete job that is read to its end is forgotten soon after.
 * *Gives* `*stream`; closing it leaves job and cursor where they are. Errors
 * here: INVALID, BAD_OPTION, NO_MEMORY, POOL ERRORS; of belt_stream_next(), with the others of JOB ERRORS: UNKNOWN_JOB,
 * GONE (the cursor is below what is kept), LIMIT (readers), NOT_ALLOWED (another client reads under this
 * name), UNKNOWN_READER (another one has taken it over), BAD_OPTION (the name is that of a reader in the other mode),
 * JOB_CANCELLED.
 */
BELT_API int belt_pool_subscribe(belt_pool *pool, uint64_t job, const char *reader, uint64_t cursor,
                                 const belt_reader_options *options, belt_stream **stream);
/**
 * All results up to and including the one with this `number` are processed: they will not come again. Only with the
 * option `acknowledge`; the reader must do it at least once per window, or no more results come. What was
 * acknowledged but not told to the broker yet is told by belt_stream_next() when it waits, belt_stream_close(), and
 * belt_pool_close(). Errors: INVALID (without the option, or that result was not given yet), CLOSED.
 */
BELT_API int belt_stream_ack(belt_stream *stream, uint64_t number);
/**
 * After END: waits until the broker has the last acknowledgement, for a durable job on its disk. Then no result comes
 * again, whatever happens to the broker. Only with the option `acknowledge`, when all was acknowledged. Errors: AGAIN,
 * INVALID (not at the end, without the option, or in its own source), POOL ERRORS, JOB ERRORS.
 */
BELT_API int belt_stream_ack_flush(belt_stream *stream, int64_t timeout_ms);
/** Lets go of a stream without cancelling: a detached job goes on, its reader's cursor stays. What was fed and not
 * flushed may be lost when the pool closes. *Takes*. Accepts NULL. */
BELT_API void belt_stream_detach(belt_stream **stream);

/* --------------------------------------------------------- whole calls */

/**
 * Maps over `count` inputs (*borrows*) and waits for all results, in order of the input: `*results` is *given*, an
 * array of `count` results that belt_results_free() frees. Fails only as a whole; a failed task is a result. Errors:
 * AGAIN (not all results were there within `timeout_ms`; the job is cancelled then), INVALID, NOT_SERVED, TOO_LARGE,
 * BAD_OPTION, NO_MEMORY, POOL ERRORS, JOB ERRORS.
 */
BELT_API int belt_pool_map(belt_pool *pool, const char *function, const belt_span *inputs, size_t count,
                           const belt_job_options *options, int64_t timeout_ms, belt_result ***results);
/** The array of belt_pool_map() and all results in it. *Takes*. Accepts NULL. */
BELT_API void belt_results_free(belt_result ***results, size_t count);

/** One task, waited for. *Gives* `*result`. Errors: AGAIN (no result within `timeout_ms`; the task is cancelled then),
 * and as belt_pool_map(). */
BELT_API int belt_pool_apply(belt_pool *pool, const char *function, const void *data, size_t len,
                             const belt_job_options *options, int64_t timeout_ms, belt_result **result);

/**
 * One task, not waited for: *gives* a stream of one result (belt_stream_next, belt_stream_fd, belt_stream_close serve
 * it). *Copies* `data`. A hundred thousand may be open at once: an open call takes some hundred bytes besides its input
 * and result. Calls of one function with the same options are tasks of one job, which belt_stream_job() names;
 * belt_stream_cancel() and belt_stream_close() stop the task of their own call alone. A call with a key, `detached`,
 * `acknowledge`, a start or a deadline has a job of its own. Errors: INVALID, NOT_SERVED, TOO_LARGE, BAD_OPTION,
 * NO_MEMORY, POOL ERRORS.
 */
BELT_API int belt_pool_apply_async(belt_pool *pool, const char *function, const void *data, size_t len,
                                   const belt_job_options *options, belt_stream **call);

/* ------------------------------------------------------- administration */

/** What is asked for. */
typedef enum belt_status_kind {
    BELT_STATUS_QUEUES = 1,
    BELT_STATUS_WORKERS = 2,
    BELT_STATUS_JOBS = 3,
    BELT_STATUS_BROKER = 4,
    BELT_STATUS_READERS = 5
} belt_status_kind;

/** Tasks that wait for a worker or run, of one function. Counts are since the broker began. */
typedef struct belt_queue_status {
    const char *function;
    uint64_t waiting, running;      /* tasks, at this moment */
    uint64_t done, failed, retried; /* results, failed results, and further runs */
    unsigned workers, slots, jobs;  /* that serve it; that have tasks of it */
    double rate;                    /* results per second, over the last seconds */
    uint64_t service_us;            /* estimated run time of a task; 0: not known */
    uint64_t oldest_ms;             /* age of the longest waiting task; 0: none waits */
} belt_queue_status;

/** One `belt worker` or belt_worker_run(). Counts are since it connected. */
typedef struct belt_worker_status {
    const char *name;
    const char *functions;       /* joined by commas */
    unsigned slots;              /* tasks that it runs at a time */
    unsigned running, queued;    /* tasks that run there; that were sent there and have not begun */
    uint64_t done, failed, lost; /* results, failed results, and tasks whose slot died */
    uint64_t connected_ms;       /* since it connected */
    uint64_t silent_ms;          /* since it was heard */
    bool leaving;                /* it finishes what runs and takes nothing new */
    bool stalled;                /* it speaks, and does not answer for the tasks that it holds, as far as can be seen */
    uint64_t quiet_ms;           /* since it answered for a task last; 0: it holds none */
    uint64_t overdue;            /* tasks that were taken back from it, long after their time-out */
} belt_worker_status;

typedef struct belt_job_status {
    uint64_t job;    /* its id */
    const char *key; /* "" without one */
    const char *function;
    const char *owner; /* the program that opened it */
    const char *state; /* "open", "ended", "complete", "cancelled" */
    int priority;
    uint64_t total;                 /* tasks so far */
    uint64_t waiting, running;      /* tasks, at this moment */
    uint64_t done, failed, retried; /* results, failed results, and further runs */
    uint64_t unread;                /* results that are there and that no reader has acknowledged */
    uint64_t age_ms;                /* since it was opened */
    unsigned readers;
    unsigned progress_permille;  /* of the running tasks, as they tell it by belt_task_progress() */
    const char *why;             /* why it does not move; "" when it does */
    bool past;                   /* it is over and forgotten, but for this line of the broker's history */
    uint64_t opened_at, over_at; /* ms since 1970 by the broker's clock; 0: not known, or not over yet */
} belt_job_status;

typedef struct belt_reader_status {
    uint64_t job;       /* its id */
    const char *reader; /* its name */
    bool unordered;     /* its mode */
    bool connected;
    uint64_t acknowledged; /* results */
    uint64_t unread;       /* results that are there and that it has not acknowledged */
} belt_reader_status;

/** Counts are since the broker began. */
typedef struct belt_broker_status {
    const char *name, *version;
    uint64_t epoch;            /* the number of this life of the broker */
    uint64_t uptime_ms;        /* since it began */
    uint64_t bytes, budget;    /* payload bytes that it keeps, and how many it may keep */
    unsigned clients, workers; /* that are connected */
    unsigned slots, jobs;
    uint64_t accepted;      /* tasks */
    uint64_t done, failed;  /* results, failed results */
    uint64_t retried;       /* further runs of a task */
    uint64_t stale;         /* results that came too late to count */
    bool draining;          /* it takes no new work */
    uint64_t past;          /* jobs that are over and remembered */
    uint64_t failed_kept;   /* failed tasks that are kept with their inputs */
    uint64_t failed_let_go; /* failed tasks that were dropped to stay within the broker's bounds */
    uint64_t overslept;  /* messages that it should have been woken for, and was not: more than 0 is a fault of Belt */
    uint64_t refused;    /* requests of peers */
    uint64_t overdue;    /* tasks that were taken back: no worker answered for them in their time-out */
    unsigned stalled;    /* workers that do not answer for their tasks, as far as can be seen, … */
    uint64_t stalled_ms; /* … and the longest time for which one has not */
} belt_broker_status;

/** What the broker answers. The library makes it, and the row `i` of `count` is behind the pointer `jobs[i]`. */
typedef struct belt_status {
    belt_status_kind what; /* which of the pointers is not NULL */
    size_t count;          /* rows */
    const belt_queue_status *const *queues;
    const belt_worker_status *const *workers;
    const belt_job_status *const *jobs;
    const belt_broker_status *broker;
    const belt_reader_status *const *readers;
    uint64_t total; /* rows that there are, which with a limit may be more than `count` */
} belt_status;

/** States of a job, to be joined by |. */
enum belt_job_states {
    BELT_STATE_OPEN = 1,     /* takes more input */
    BELT_STATE_ENDED = 2,    /* has all its input, and not all its results */
    BELT_STATE_COMPLETE = 4, /* has all its results */
    BELT_STATE_CANCELLED = 8
};

/** Which rows are wanted. Begin with BELT_STATUS_OPTIONS_INIT. */
typedef struct belt_status_options {
    size_t size;                  /* set by BELT_STATUS_OPTIONS_INIT */
    uint64_t limit;               /* rows at the most; 0: all */
    unsigned states;              /* of jobs: some of enum belt_job_states; 0: any */
    const char *function, *owner; /* of jobs; NULL: any */
} belt_status_options;
#define BELT_STATUS_OPTIONS_INIT {sizeof(belt_status_options), 0, 0, NULL, NULL}
static inline void belt_status_options_init(belt_status_options *options)
{
    belt_status_options initial = BELT_STATUS_OPTIONS_INIT;
    *options = initial;
}

/**
 * Asks the broker, page after page; each of these waits up to `timeout_ms`. `name` picks one queue, worker or job (also
 * the readers of one job); NULL: all. Digits, or '#' and digits, are the id of a job and nothing else; any other name
 * is a key, and so is what follows "key:". For a key the living job comes first, then those that are past. Jobs are
 * sorted by id, those that live first; the others by name. `options` (*borrows*) may be NULL. *Gives* `*status`.
 * Errors: AGAIN, INVALID (an empty name names nothing), BAD_OPTION, BAD_MESSAGE, NO_MEMORY, POOL ERRORS.
 */
BELT_API int belt_status_get(belt_pool *pool, belt_status_kind what, const char *name,
                             const belt_status_options *options, int64_t timeout_ms, belt_status **status);
/** *Takes*. Accepts NULL. */
BELT_API void belt_status_free(belt_status **status);
/** Cancels any job by its id. Errors: UNKNOWN_JOB, JOB_ENDED (it is complete: its results stay), NOT_ALLOWED,
 * STORE_FAILED, AGAIN, POOL ERRORS. */
BELT_API int belt_job_cancel(belt_pool *pool, uint64_t job, int64_t timeout_ms);
/** The same, and a complete job's results are dropped as if they had been read; of one that is past the line in the
 * history goes. Errors: UNKNOWN_JOB, NOT_ALLOWED, STORE_FAILED, AGAIN, POOL ERRORS. */
BELT_API int belt_job_forget(belt_pool *pool, uint64_t job, int64_t timeout_ms);
/** Removes a reader of a job, whoever reads as it: what it alone held back is released. For the program that opened the
 * job, and for administrators. Errors: UNKNOWN_JOB, UNKNOWN_READER, NOT_ALLOWED, AGAIN, INVALID, POOL ERRORS. */
BELT_API int belt_reader_remove(belt_pool *pool, uint64_t job, const char *reader, int64_t timeout_ms);
/** Round trip to the broker in µs. Errors: AGAIN, NO_MEMORY, POOL ERRORS. */
BELT_API int belt_pool_ping(belt_pool *pool, int64_t timeout_ms, uint64_t *us);

/* -------------------------------------------------------------- workers */

/** Begin with BELT_WORKER_OPTIONS_INIT. Strings are copied. */
typedef struct belt_worker_options {
    size_t size;      /* set by BELT_WORKER_OPTIONS_INIT */
    const char *name; /* shown in status; NULL: host:pid */
    int slots;        /* tasks at a time; 0: one per processor */
    int lifeline_fd;  /* the worker stops at once, with its tasks, when this descriptor reads end of file
                         (belt_pool_lifeline); 0: none */
    bool only_worker; /* no other worker could serve instead: when no slot can start, tasks get SLOT_FAILED instead of
                         going to others */
    bool quiet;       /* writes warnings only to standard error */
    bool inherit_output; /* what slots write to standard output and standard error goes to those of this process, and
                            results have no log */
    uint64_t max_tasks_per_slot;  /* a slot is replaced after this many tasks; 0: never */
    int (*slot_init)(void *ctx);  /* runs in each slot before its first task; nonzero, or belt_slot_fail() in it: the
                                     slot cannot start. NULL: nothing runs */
    void (*slot_exit)(void *ctx); /* runs in each slot after its last task. NULL: nothing runs */
    void *slot_ctx;               /* handed to both */
    uint64_t drain_ms;            /* after SIGTERM running tasks may finish for this long; 0: 10000 */
    uint64_t start_timeout_ms; /* slot_init may take this long, then the slot is killed and started again; 0: 10000 */
    int64_t kill_after_ms;     /* as in belt_pool_options: default 2000, 0: SIGKILL at once */
    int64_t log_bytes;         /* as in belt_pool_options: default 16384 */
    const char *access;        /* as in belt_pool_options */
} belt_worker_options;
#define BELT_WORKER_OPTIONS_INIT                                                                                       \
    {sizeof(belt_worker_options), NULL, 0, 0, false, false, false, 0, NULL, NULL, NULL, 0, 0, 2000, 16384, NULL}
static inline void belt_worker_options_init(belt_worker_options *options)
{
    belt_worker_options initial = BELT_WORKER_OPTIONS_INIT;
    *options = initial;
}

/**
 * Serves the registered functions to the broker at `broker` (its workers' endpoint, "tcp://host:7879") until SIGTERM
 * or SIGINT. Forks its slots first: call it before the program starts threads. Errors: INVALID (no address, no
 * function, an option out of its range), BAD_OPTION, NO_MEMORY, SYSTEM, and what the broker refuses with: BAD_VERSION,
 * BAD_ROLE, BAD_MESSAGE, LIMIT, NOT_ALLOWED.
 */
BELT_API int belt_worker_run(const char *broker, const belt_worker_options *options);

/** The result (*copies*; one that lies in the task's input may be sent from there: leave the input as it is). Once per
 * task. Errors: INVALID (second reply, or a process that the function forked), RESULT_TOO_LARGE (which is then
 * the task's result), NO_MEMORY. */
BELT_API int belt_task_reply(belt_task *task, const void *data, size_t len);
/** The same of a result that lies in `count` parts, which become one, one behind the other. Errors: as
 * belt_task_reply(), and INVALID (a part of no address). */
BELT_API int belt_task_reply_parts(belt_task *task, const belt_span *parts, size_t count);
/** The task failed, for a reason that a person can read (*copies*). Errors: INVALID (second reply, or a process that
 * the function forked), NO_MEMORY. */
BELT_API int belt_task_fail(belt_task *task, const char *text);
/** The same, and no retry will help: the result is TASK_REFUSED whatever the job's retries. Errors: as
 * belt_task_fail(). */
BELT_API int belt_task_fail_final(belt_task *task, const char *text);
/** As belt_task_fail(), with a payload (*copies*), which the result has beside its text: an exception that a program
 * can read, for one. It counts and is tried again like any failure. Errors: as belt_task_fail(), and RESULT_TOO_LARGE:
 * the payload is over the limit, and the task has failed with its text alone. */
BELT_API int belt_task_fail_data(belt_task *task, const char *text, const void *data, size_t len);
/**
 * Called by slot_init(): this slot cannot serve, for this reason (*copies*), whatever slot_init() returns. Where no
 * other slot runs, the tasks of a private pool get SLOT_FAILED with this text, and belt_worker_run() leaves them to
 * other workers; starting is tried again from time to time. Errors: INVALID (not within slot_init(), or the second
 * time), NO_MEMORY.
 */
BELT_API int belt_slot_fail(const char *text);
/** How far a long task is, in units of its own; shown by `belt jobs`. Cheap: call it as often as you like. */
BELT_API void belt_task_progress(belt_task *task, uint64_t done, uint64_t total);
/** True when the result is not wanted any more: return soon, the slot is stopped by force after a grace. */
BELT_API bool belt_task_cancelled(const belt_task *task);
/** Place of the task in its job: 0, 1, 2, … */
BELT_API uint64_t belt_task_index(const belt_task *task);
/** Which run of the task this is, from 1. */
BELT_API unsigned belt_task_attempt(const belt_task *task);
/** What all tasks of the job share (option `argument`), aligned to BELT_ALIGNMENT. Valid during the call. */
BELT_API const void *belt_task_argument(const belt_task *task, size_t *len);

#ifdef __cplusplus
}
#endif

#endif
