/* SPDX-License-Identifier: Apache-2.0
 *
 * The broker process: poll -> decode -> core_step -> send. Decides nothing.
 */
#ifndef BELT_BROKER_H
#define BELT_BROKER_H

#include <stdbool.h>
#include <stdint.h>

struct broker_admission;

/** Zero or NULL: the default. Strings are borrowed during the call. */
struct belt_broker_options {
    const char *clients; /* endpoint for clients and administration, default tcp://127.0.0.1:7878 */
    const char *workers; /* endpoint for workers, default tcp://127.0.0.1:7879 */
    const char
        *admin; /* a further endpoint for clients, ipc://PATH: descriptors and places are kept for it; may be NULL */
    uint32_t max_peers;      /* that may be connected at a time */
    const char *name;        /* default: the host's name */
    bool insecure_plaintext; /* listen without keys, though there are some, and on addresses that are not loopback */
    const struct broker_admission *admission; /* who checks keys (admission.h); NULL: a broker without keys */
    uint32_t max_payload;                     /* bytes */
    uint64_t memory_budget;
    const char *memory_option; /* what advice says to raise it with, default "--memory-budget of the broker" */
    uint32_t heartbeat_ms, lease_ms;
    uint64_t grace_ms;     /* of jobs that are not detached, whose client is gone */
    uint64_t drain_ms;     /* how long SIGTERM waits for running jobs, default 10000 */
    const char *state;     /* directory of the store; NULL: jobs end with the broker */
    uint32_t max_failed;   /* failed tasks that are kept of a function */
    uint64_t failed_bytes; /* and their bytes */
    uint64_t history_ms;   /* a job that is over and forgotten is remembered for this long */
    uint64_t keep_ms;      /* a durable job that nobody reads or feeds is kept for this long */
    uint64_t keep_max_ms;  /* the most that a job may ask for instead of keep_ms */
    bool trace;            /* trace lines of the core to standard error */
    bool quiet;            /* no log on standard error below warnings */
    int ready_fd;    /* > 0: "CLIENTS-ENDPOINT WORKERS-ENDPOINT\n" is written there once bound, then it is closed */
    int lifeline_fd; /* > 0: end (as on SIGTERM with no grace) when this descriptor reads end of file */
    int owner_fd;    /* > 0: end likewise when the process of this pidfd has ended */
};

/**
 * Runs until SIGTERM or SIGINT has drained it. Installs its signal handling (signalfd), raises RLIMIT_NOFILE.
 * Returns BELT_OK, or a code with the reason in `error` (`size` bytes): BELT_INVALID
 * (bad endpoint, plaintext refused), BELT_SYSTEM (address in use, no descriptors).
 */
int belt_broker_run(const struct belt_broker_options *options, char *error, uint32_t size);

#endif
