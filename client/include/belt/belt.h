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
 * Return values: BELT_OK (0), or a code of <belt/codes.h>; belt_error_text() explains the
 * last failure of the calling thread in one sentence (what failed, where, what to do).
 *
 * Ownership is said in four words: a function *borrows* an argument during the call, *copies* it,
 * *takes* it (T **, set to NULL), or *gives* a new object to the caller, who frees it.
 *
 * Threads: a pool may be used by many threads; a stream by one thread at a time. The library
 * runs one I/O thread per pool; code of yours (sources, hooks) never runs on it. A thread that waits for the results
 * of a pool's only stream may do that thread's work meanwhile.
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
 * Times are in ms; -1 waits for ever, 0 does not wait. Sizes are in bytes.
 *
 * Options: each struct is filled by its init function (INVALID when it was not), which notes its size. A program that
 * was built with an older header keeps the defaults of what it does not know. One that was built with a newer header
 * may run with this library as long as it leaves unset what this library does not know: BAD_OPTION otherwise.
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

/** Fill with belt_pool_options_init(). Strings are copied. */
typedef struct belt_pool_options {
    size_t size;                 /* set by init: lets the struct grow */
    int slots;                   /* of a private pool; 0: one per processor */
    uint64_t max_tasks_per_slot; /* of a private pool: a slot is replaced after so many; 0: never */
    int (*slot_init)(void *ctx); /* of a private pool: runs in each slot before its first task */
    void (*slot_exit)(void *ctx);
    void *slot_ctx;
    int64_t connect_timeout_ms; /* open() fails with NO_BROKER after this; default 10000 */
    int64_t lost_timeout_ms;    /* calls fail with LOST_BROKER when the broker stays away this long; default 60000, -1:
                                   never */
    const char *name;           /* shown in status; default host:pid */
    uint64_t start_timeout_ms;  /* of a private pool: slot_init may take this long; 0: 10000 */
    /** Of a private pool: a task that is stopped, for whatever reason (a time-out, a cancel, the end of the pool or of
     *  its process), gets SIGTERM, and SIGKILL after so long; default 2000, 0: at once. Functions can look at
     *  belt_task_cancelled() before: SIGTERM comes to them after half of it. */
    int64_t kill_after_ms;
} belt_pool_options;
BELT_API void belt_pool_options_init(belt_pool_options *options);

/**
 * Opens a pool. `broker` is the clients' endpoint of a broker ("tcp://host:7878", "ipc:///run/belt/clients"),
 * or NULL: BELT_BROKER from the environment is not read; a private broker and `slots` local slots are started as child
 * processes, which run the functions registered so far and end with the pool or with this process, however it ends.
 * *Gives* `*pool`. Errors: NO_BROKER, INVALID, BAD_VERSION, BAD_ROLE, SYSTEM, NO_MEMORY, BAD_OPTION.
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

/** Registers a function for private pools and belt_worker_run(), before either. Copies the name. Errors: INVALID,
 * LIMIT. */
BELT_API int belt_function_register(const char *name, belt_function function, void *ctx);

/* --------------------------------------------------------------- results */

/** One result. Everything in it is valid until belt_result_free(). */
typedef struct belt_result {
    uint64_t index;   /* place of the task in its job */
    unsigned code;    /* BELT_OK, or why there is no good result */
    const void *data; /* payload, aligned to BELT_ALIGNMENT; a failed task may have one too */
    size_t len;
    const char *text; /* of the error; "" when code is BELT_OK */
    const char *log;  /* tail of what the task wrote to standard error; may hold any bytes */
    size_t log_len;
    unsigned attempt;    /* which run this is, from 1; 0: it never ran */
    uint64_t service_us; /* measured run time */
    const char *host;    /* with the option detail; else "" */
    uint64_t started_ms; /* with detail: wall clock, ms since 1970; else 0 */
    int exit_status;     /* of a command; -1: none */
    int term_signal;     /* of a command or slot; 0: none */
    uint64_t number;     /* place in its stream, the same for every reader of this mode: for belt_stream_ack() */
} belt_result;

/** *Takes*. Accepts NULL. */
BELT_API void belt_result_free(belt_result **result);

/* --------------------------------------------------------------- streams */

/** Some input: bytes that a source hands out, or an element of an array. */
typedef struct belt_input {
    const void *data;
    size_t len;
} belt_input;

/**
 * Produces the next input into `*input` (borrowed until the next call). Returns 1: there is one; 0: the end; -1: this
 * input failed (its place in the stream gets SOURCE_FAILED, with `input->data` as its text if not NULL), the stream
 * goes on; -2: nothing yet (called again at the next call of the library). Runs only inside calls of the user's own
 * thread.
 */
typedef int (*belt_source)(void *ctx, belt_input *input);

/** Whether a job is on the broker's disk. */
typedef enum belt_durability {
    BELT_DURABLE_IF_KEPT = 0, /* when the broker keeps jobs (it has a state directory) */
    BELT_DURABLE = 1,         /* or the job is refused: NOT_DURABLE */
    BELT_VOLATILE = 2         /* not kept */
} belt_durability;

/** Fill with belt_job_options_init(). */
typedef struct belt_job_options {
    size_t size;
    uint32_t chunksize;    /* tasks per dispatch; 0: sized by measured run time */
    uint64_t buffersize;   /* window in items: inputs drawn whose results were not taken yet; 0: grows with the measured
                              rate */
    uint64_t buffer_bytes; /* window in bytes; 0: 64 MiB */
    uint32_t retries;      /* more runs for a task that fails or times out; default 0 */
    uint32_t max_attempts; /* runs of a task whose slot dies; 0: 3 */
    uint64_t timeout_ms;   /* of one run; 0: none */
    int priority;          /* -100 .. 100, higher first */
    bool detail;           /* results name host and start time */
    bool detached;         /* the job outlives its client */
    belt_durability durability;
    const char *key;      /* the same key again is the same job; NULL: a new job. With another function, argument,
                             retries, max_attempts, timeout_ms or final_statuses: BAD_OPTION. Copied */
    const void *argument; /* shared by all tasks of the job (belt_task_argument). Copied */
    size_t argument_len;
    int64_t backoff_ms;         /* pause before a task's next run, doubled with each up to 30 s; 0: 100, -1: none */
    uint64_t after_ms;          /* no task runs before so long from now; 0: at once */
    uint64_t deadline_ms;       /* tasks without a result so long from now are stopped: TASK_EXPIRED; 0: never */
    const char *final_statuses; /* exit statuses of a command that are not tried again: "2,64-78"; NULL: none. Copied */
    uint64_t keep_ms; /* a detached job that nobody feeds or reads is given up after this; 0: the broker's --keep */
    bool acknowledge; /* a result counts as taken when belt_stream_ack() says so, not when belt_stream_next() gives it.
                         With a key and `detached`: the same call with the same input, after a crash, goes on after what
                         was acknowledged */
    int64_t remember_ms; /* of a job with a key: so long after it was read to its end the key stands for it, and the
                            same call again gives END at once; 0: an hour, -1: the key is free at once */
    uint64_t after_at;   /* no task runs before this moment, ms since 1970 by the broker's clock; 0: see after_ms */
} belt_job_options;
BELT_API void belt_job_options_init(belt_job_options *options);

/** A job of this pool and the reader of its results. */
typedef struct belt_stream belt_stream;

/**
 * Starts a job whose input is drawn lazily from `source`, or, with `source` NULL, handed in by belt_stream_feed().
 * Results come in the order of the input (imap) or the moment they are done (imap_unordered).
 * At most the window is drawn ahead of what belt_stream_next() has returned. Returns without waiting
 * for a worker: while no worker serves the function the job waits (`notice` of belt_stream_progress). On a private pool
 * a function that was not registered before it was opened is an error at once, since nobody can ever serve it.
 * *Gives* `*stream`. Errors: INVALID, NOT_SERVED, TOO_LARGE (argument), CLOSED, NO_BROKER, LOST_BROKER, BAD_OPTION,
 * LIMIT, DRAINING.
 */
BELT_API int belt_pool_imap(belt_pool *pool, const char *function, belt_source source, void *ctx,
                            const belt_job_options *options, belt_stream **stream);
BELT_API int belt_pool_imap_unordered(belt_pool *pool, const char *function, belt_source source, void *ctx,
                                      const belt_job_options *options, belt_stream **stream);

/**
 * Hands in one input (*copies*). Waits up to `timeout_ms` for room in the window, then WINDOW_FULL: take a result
 * first (a thread that feeds without taking would wait for ever, so do not wait with -1 in the thread that reads).
 * Errors: WINDOW_FULL, TOO_LARGE, CLOSED, JOB_ENDED, JOB_CANCELLED, LOST_BROKER, INVALID (the stream has a source).
 */
BELT_API int belt_stream_feed(belt_stream *stream, const void *data, size_t len, int64_t timeout_ms);
/** In place of an input: its index gets SOURCE_FAILED with this text. */
BELT_API int belt_stream_feed_error(belt_stream *stream, const char *text, int64_t timeout_ms);
/** No more input. */
BELT_API int belt_stream_end(belt_stream *stream);

/**
 * The next result: BELT_OK *gives* `*result`, whose code tells the task's own outcome. END: all results were given.
 * AGAIN: nothing within `timeout_ms`. Taking a result is what opens the window. Draws from the source meanwhile.
 * Errors: JOB_CANCELLED, LOST_BROKER, INTERRUPTED (belt_stream_interrupt), CLOSED, and what the broker refused the job
 * with.
 */
BELT_API int belt_stream_next(belt_stream *stream, int64_t timeout_ms, belt_result **result);
/** Up to `max` results at once: waits for the first only. `*count` is how many were given. */
BELT_API int belt_stream_next_many(belt_stream *stream, int64_t timeout_ms, belt_result **results, size_t max,
                                   size_t *count);

/** A descriptor that is readable while belt_stream_next(…, 0, …) would not answer AGAIN (level-triggered), and when a
 * call of it would draw more from the source. Owned by the stream: never read, written or closed by the caller. -1 when
 * it cannot be made. */
BELT_API int belt_stream_fd(belt_stream *stream);

typedef struct belt_progress {
    uint64_t drawn;    /* inputs taken from the source or fed */
    uint64_t accepted; /* acknowledged by the broker */
    uint64_t done;     /* results received with BELT_OK */
    uint64_t failed;   /* results received with another code */
    uint64_t taken;    /* results given to the caller */
    uint64_t window;   /* in items, now */
    bool ended;        /* the input is at its end: drawn is the total */
    unsigned notice;   /* BELT_NO_WORKER while nobody serves the function, else BELT_OK */
} belt_progress;
BELT_API void belt_stream_progress(const belt_stream *stream, belt_progress *progress);
/** Id of the job on the broker; 0 while it is not opened yet. */
BELT_API uint64_t belt_stream_job(const belt_stream *stream);

/** Begins nothing more: tasks that have not begun get the result TASK_CANCELLED, those that run go on, and the stream
 *  goes to its end. Does not wait. */
BELT_API int belt_stream_halt(belt_stream *stream);
/** Stops the job: running tasks are stopped, no result is given after this returns. Waits up to `timeout_ms` for the
 * broker's word. */
BELT_API int belt_stream_cancel(belt_stream *stream, int64_t timeout_ms);
/** Makes a belt_stream_next() that waits in another thread, or the next one, return INTERRUPTED. Async-signal-safe. */
BELT_API void belt_stream_interrupt(belt_stream *stream);
/** Cancels what is not finished and frees. *Takes*. Accepts NULL. */
BELT_API void belt_stream_close(belt_stream **stream);

/* ----------------------------------------------- jobs that outlive a client */

/**
 * Hands in a job whose results are read elsewhere or later (belt_pool_subscribe, `belt results`). Draws `source` to its
 * end, never far ahead of what the broker has accepted, and returns once it has accepted everything: for a durable job
 * it is on disk then. `*job` is its id. The job is detached; with a key that the broker knows it is the job of old, and
 * only what is missing is handed in, so a submit that was killed is repeated with the same key and input. On failure a
 * job without a key is cancelled, one with a key stays as far as it came. Errors: INVALID, SOURCE_FAILED, TOO_LARGE,
 * BAD_OPTION, LIMIT, DRAINING, NOT_DURABLE, NOT_ALLOWED (somebody else feeds it), JOB_ENDED (the key's job has fewer
 * inputs), BAD_MESSAGE (it has more), STORE_FAILED, LOST_BROKER.
 */
BELT_API int belt_pool_submit(belt_pool *pool, const char *function, belt_source source, void *ctx,
                              const belt_job_options *options, uint64_t *job);
/**
 * The same step by step: belt_stream_feed() and belt_stream_end() (`source` NULL), belt_stream_flush(),
 * belt_stream_job(), belt_stream_detach(). Such a stream gives no results. *Gives* `*stream`; belt_stream_close()
 * before the end is accepted cancels the job.
 */
BELT_API int belt_pool_submit_open(belt_pool *pool, const char *function, belt_source source, void *ctx,
                                   const belt_job_options *options, belt_stream **stream);
/**
 * Waits until the broker has accepted all that was handed in and, after its end, the end; draws a submitted job's
 * source meanwhile (a source that says "nothing yet" is asked again at the next call). Errors: AGAIN, INTERRUPTED, and
 * as belt_pool_submit().
 */
BELT_API int belt_stream_flush(belt_stream *stream, int64_t timeout_ms);

/** A cursor: where this reader's acknowledgements stand; for a new reader the first result from which all is kept. */
#define BELT_FROM_ACKNOWLEDGED UINT64_MAX

/** Fill with belt_reader_options_init(). */
typedef struct belt_reader_options {
    size_t size;
    bool unordered;        /* as they finish, not in order; a reader keeps the mode in which it came first */
    uint64_t buffersize;   /* results on their way that were not taken yet; 0: grows with the measured rate */
    uint64_t buffer_bytes; /* 0: 64 MiB */
    bool
        acknowledge; /* a result counts as taken when belt_stream_ack() says so, not when belt_stream_next() gives it */
} belt_reader_options;
BELT_API void belt_reader_options_init(belt_reader_options *options);

/**
 * Reads a job by its id, under a name of the caller's choice: belt_stream_next(), belt_stream_next_many(),
 * belt_stream_fd() as for other streams. Each name has a cursor of its own, kept by the broker with the job: whoever
 * subscribes again under the name goes on after the last result that was acknowledged. `cursor`:
 * BELT_FROM_ACKNOWLEDGED, or the `number` of the next result wanted, not below what was acknowledged. A result is kept
 * until every reader that has ever come has taken it; a complete job that is read to its end is forgotten soon after.
 * *Gives* `*stream`; closing it leaves job and cursor where they are. Errors here: INVALID, LOST_BROKER; of
 * belt_stream_next(): UNKNOWN_JOB, GONE (the cursor is below what is kept), LIMIT (readers), UNKNOWN_READER (another
 * process subscribed under this name), JOB_CANCELLED.
 */
BELT_API int belt_pool_subscribe(belt_pool *pool, uint64_t job, const char *reader, uint64_t cursor,
                                 const belt_reader_options *options, belt_stream **stream);
/**
 * All results up to and including the one with this `number` are processed: they will not come again. Only with the
 * option `acknowledge`; the reader must do it at least once per window, or no more results come. What was
 * acknowledged but not told to the broker yet is told by belt_stream_next() when it waits, belt_stream_close(), and
 * belt_pool_close().
 */
BELT_API int belt_stream_ack(belt_stream *stream, uint64_t number);
/**
 * After END: waits until the broker has the last acknowledgement, for a durable job on its disk. Then no result comes
 * again, whatever happens to the broker. Only with the option `acknowledge`, when all was acknowledged. Errors: AGAIN,
 * INTERRUPTED, CLOSED, INVALID, LOST_BROKER.
 */
BELT_API int belt_stream_ack_flush(belt_stream *stream, int64_t timeout_ms);
/** Lets go of a stream without cancelling: a detached job goes on, its reader's cursor stays. What was fed and not
 * flushed may be lost when the pool closes. *Takes*. Accepts NULL. */
BELT_API void belt_stream_detach(belt_stream **stream);

/* --------------------------------------------------------- whole calls */

/**
 * Maps over `count` inputs (*borrows*) and waits for all results, in order of the input: `*results` is *given*, an
 * array of `count` results that belt_results_free() frees. Fails only as a whole (codes of belt_pool_imap and
 * belt_stream_next); a failed task is a result. AGAIN: not all results were there within `timeout_ms`; the job is
 * cancelled then.
 */
BELT_API int belt_pool_map(belt_pool *pool, const char *function, const belt_input *inputs, size_t count,
                           const belt_job_options *options, int64_t timeout_ms, belt_result ***results);
BELT_API void belt_results_free(belt_result ***results, size_t count);

/** One task, waited for. *Gives* `*result`. AGAIN: no result within `timeout_ms`; the task is cancelled then. */
BELT_API int belt_pool_apply(belt_pool *pool, const char *function, const void *data, size_t len,
                             const belt_job_options *options, int64_t timeout_ms, belt_result **result);

/** One task, not waited for: *gives* a stream of one result (belt_stream_next, belt_stream_fd, belt_stream_close serve
 * it). *Copies* `data`. */
BELT_API int belt_pool_apply_async(belt_pool *pool, const char *function, const void *data, size_t len,
                                   const belt_job_options *options, belt_stream **call);

/* ------------------------------------------------------- administration */

/** What is asked for. */
typedef enum belt_what {
    BELT_QUEUES = 1,
    BELT_WORKERS = 2,
    BELT_JOBS = 3,
    BELT_BROKER = 4,
    BELT_READERS = 5
} belt_what;

typedef struct belt_queue_status {
    const char *function;
    uint64_t waiting, running, done, failed, retried;
    unsigned workers, slots, jobs;
    double rate;         /* results per second, over the last seconds */
    uint64_t service_us; /* estimated run time of a task */
    uint64_t oldest_ms;  /* age of the longest waiting task */
} belt_queue_status;

typedef struct belt_worker_status {
    const char *name, *functions;
    unsigned slots, running, queued;
    uint64_t done, failed, lost, connected_ms, silent_ms;
    bool leaving;
} belt_worker_status;

typedef struct belt_job_status {
    uint64_t job;
    const char *key, *function, *owner;
    const char *state; /* "open", "ended", "complete", "cancelled" */
    int priority;
    uint64_t total, waiting, running, done, failed, retried, unread, age_ms;
    unsigned readers, progress_permille;
    const char *why;             /* why it does not move; "" when it does */
    bool past;                   /* it is over and forgotten, but for this line of the broker's history */
    uint64_t opened_at, over_at; /* ms since 1970; 0: not known, or not over yet */
} belt_job_status;

typedef struct belt_reader_status {
    uint64_t job;
    const char *reader;
    bool unordered, connected;
    uint64_t acknowledged; /* results */
    uint64_t unread;       /* results that are there and that it has not acknowledged */
} belt_reader_status;

typedef struct belt_broker_status {
    const char *name, *version;
    uint64_t epoch, uptime_ms, bytes, budget;
    unsigned clients, workers, slots, jobs;
    uint64_t accepted, done, failed, retried, stale;
    bool draining;
    uint64_t past;          /* jobs that are over and remembered */
    uint64_t failed_kept;   /* failed tasks that are kept with their inputs */
    uint64_t failed_let_go; /* and those that were let go since the broker began, to stay within its bounds */
} belt_broker_status;

typedef struct belt_status {
    belt_what what;
    size_t count;
    const belt_queue_status *queues; /* the one that was asked for is not NULL */
    const belt_worker_status *workers;
    const belt_job_status *jobs;
    const belt_broker_status *broker;
    const belt_reader_status *readers;
    uint64_t total; /* how many there are, which with a limit may be more than `count` */
} belt_status;

/** Which rows are wanted. Fill with belt_status_options_init(). */
typedef struct belt_status_options {
    size_t size;
    uint64_t limit;               /* rows at the most; 0: all */
    unsigned states;              /* of jobs: bits 1 open, 2 ended, 4 complete, 8 cancelled; 0: any */
    const char *function, *owner; /* of jobs; NULL: any */
} belt_status_options;
BELT_API void belt_status_options_init(belt_status_options *options);

/**
 * Asks the broker, page after page; each of these waits up to `timeout_ms`. `name` picks one queue, worker or job (also
 * the readers of one job); NULL: all. Digits, or '#' and digits, are the id of a job and nothing else; any other name
 * is a key, and so is what follows "key:". For a key the living job comes first, then those that are past. Jobs are
 * sorted by id, those that live first; the others by name. *Gives* `*status`. Errors: INVALID (an empty name names
 * nothing), AGAIN.
 */
BELT_API int belt_status_get(belt_pool *pool, belt_what what, const char *name, int64_t timeout_ms,
                             belt_status **status);
/** The same with options (*borrows*; NULL: none). */
BELT_API int belt_status_get_with(belt_pool *pool, belt_what what, const char *name, const belt_status_options *options,
                                  int64_t timeout_ms, belt_status **status);
BELT_API void belt_status_free(belt_status **status);
/** Cancels any job by its id. Errors: UNKNOWN_JOB, JOB_ENDED (it is complete: its results stay), NOT_ALLOWED, AGAIN. */
BELT_API int belt_job_cancel(belt_pool *pool, uint64_t job, int64_t timeout_ms);
/** The same, and a complete job's results are dropped as if they had been read; of one that is past the line in the
 * history goes. Errors: UNKNOWN_JOB, NOT_ALLOWED, AGAIN. */
BELT_API int belt_job_forget(belt_pool *pool, uint64_t job, int64_t timeout_ms);
/** Round trip to the broker in µs. */
BELT_API int belt_pool_ping(belt_pool *pool, int64_t timeout_ms, uint64_t *us);

/* -------------------------------------------------------------- workers */

/** Fill with belt_worker_options_init(). Strings are copied. */
typedef struct belt_worker_options {
    size_t size;
    const char *name;            /* default host:pid */
    int slots;                   /* 0: one per processor */
    uint64_t max_tasks_per_slot; /* 0: no limit */
    int (*slot_init)(void *ctx); /* in each slot before its first task; nonzero: the slot cannot start */
    void (*slot_exit)(void *ctx);
    void *slot_ctx;
    uint64_t drain_ms;         /* SIGTERM: running tasks may finish for this long; 0: 10000 */
    uint64_t start_timeout_ms; /* slot_init may take this long, then the slot is killed and started again; 0: 10000 */
    int64_t kill_after_ms;     /* as in belt_pool_options */
} belt_worker_options;
BELT_API void belt_worker_options_init(belt_worker_options *options);

/**
 * Serves the registered functions to the broker at `broker` (its workers' endpoint, "tcp://host:7879") until SIGTERM
 * or SIGINT. Forks its slots first: call it before the program starts threads.
 */
BELT_API int belt_worker_run(const char *broker, const belt_worker_options *options);

/** The result (*copies*; one that lies in the task's input may be sent from there: leave the input as it is). Once per
 * task. Errors: INVALID (second reply), RESULT_TOO_LARGE. */
BELT_API int belt_task_reply(belt_task *task, const void *data, size_t len);
/** The task failed, for a reason that a person can read. */
BELT_API int belt_task_fail(belt_task *task, const char *text);
/** The same, and no retry will help: the result is TASK_REFUSED whatever the job's retries. */
BELT_API int belt_task_fail_final(belt_task *task, const char *text);
/** How far a long task is, in units of its own; shown by `belt jobs`. Cheap: call it as often as you like. */
BELT_API void belt_task_progress(belt_task *task, uint64_t done, uint64_t total);
/** True when the result is not wanted any more: return soon, the slot is stopped by force after a grace. */
BELT_API bool belt_task_cancelled(const belt_task *task);
BELT_API uint64_t belt_task_index(const belt_task *task);
BELT_API unsigned belt_task_attempt(const belt_task *task);
/** What all tasks of the job share (option `argument`), aligned to BELT_ALIGNMENT. Valid during the call. */
BELT_API const void *belt_task_argument(const belt_task *task, size_t *len);

#ifdef __cplusplus
}
#endif

#endif
