/* SPDX-License-Identifier: Apache-2.0
 *
 * The one table of codes: results of tasks, errors on the wire, and what the
 * functions of libbelt return are numbers from here, so a user meets the same
 * word everywhere.
 *
 *   X(NAME, number, "text", "what the caller can do")
 *
 *   0         success
 *   1 .. 31   outcome of one task (a result carries it)
 *   32 .. 63  answer of the broker to a message (ERROR carries it)
 *   64 .. 95  outcome of a call of libbelt; never on the wire
 */
#ifndef BELT_CODES_H
#define BELT_CODES_H

#define BELT_CODES(X)                                                                                                  \
    X(OK, 0, "ok", "nothing to do")                                                                                    \
    X(TASK_FAILED, 1, "the task failed", "read the task's own message")                                                \
    X(TASK_TIMEOUT, 2, "the task ran over its time-out and was stopped",                                               \
      "raise the time-out or make the task smaller")                                                                   \
    X(TASK_LOST, 3, "the slot died while it ran the task", "run this input by itself and look why its process dies")   \
    X(TASK_CANCELLED, 4, "the task was cancelled", "nothing: it was asked for")                                        \
    X(TASK_EXPIRED, 5, "the deadline passed before the task ran", "add workers or time")                               \
    X(SOURCE_FAILED, 6, "the source failed to produce this input", "look at the source")                               \
    X(RESULT_TOO_LARGE, 7, "the result is larger than the payload limit",                                              \
      "raise max_payload of the private pool or --max-payload of its broker, or write large results to shared "        \
      "storage")                                                                                                       \
    X(NOT_SERVED, 8, "the worker does not serve this function", "register the function there")                         \
    X(TASK_REFUSED, 9, "the task refused its input for good", "correct the input: it was not tried again")             \
    X(SLOT_FAILED, 10, "no slot could start to run the task", "read why its initialiser or its command failed")        \
    X(BAD_MESSAGE, 32, "the message is malformed", "compare both programs' versions")                                  \
    X(BAD_VERSION, 33, "the protocol version is not supported", "install matching versions")                           \
    X(BAD_ROLE, 34, "this endpoint does not serve that role",                                                          \
      "clients and workers have an endpoint each: check the address; a session keeps its role")                        \
    X(SYNC_LOST, 35, "the connection must be made anew", "say hello again")                                            \
    X(UNKNOWN_JOB, 36, "there is no such job", "list the jobs: it may have ended or expired")                          \
    X(UNKNOWN_READER, 37, "there is no such subscription", "subscribe again")                                          \
    X(BAD_OPTION, 38, "an option is unknown or has a bad value", "correct the option")                                 \
    X(TOO_LARGE, 39, "the payload is over the limit",                                                                  \
      "send less, or raise max_payload of the private pool or --max-payload of its broker")                            \
    X(LIMIT, 40, "a limit of the broker is reached", "wait, close something, or raise the limit")                      \
    X(DRAINING, 41, "the broker is shutting down and takes no new work", "try another broker")                         \
    X(NOT_DURABLE, 42, "the broker keeps no durable jobs", "start it with a state directory")                          \
    X(NOT_ALLOWED, 43, "the peer may not do that", "ask the operator for the role")                                    \
    X(GONE, 44, "these results were read and released", "subscribe from the first that is kept")                       \
    X(JOB_ENDED, 45, "the job has ended and takes no more tasks", "open another job")                                  \
    X(JOB_CANCELLED, 46, "the job was cancelled", "nothing: it was asked for")                                         \
    X(NO_WORKER, 47, "no connected worker serves this function", "start a worker that serves it; the job waits")       \
    X(STORE_FAILED, 48, "the store cannot take new work", "make room on the broker's disk")                            \
    X(UNKNOWN_TASK, 49, "there is no such failed task", "list the failed tasks: it may have been retried or dropped")  \
    X(QUOTA, 50, "a quota of the owner is used up", "end or read what the text names, or ask the operator for more")   \
    X(END, 64, "the stream is at its end", "close it")                                                                 \
    X(AGAIN, 65, "nothing is ready within the time given", "call again")                                               \
    X(WINDOW_FULL, 66, "the window is full", "take a result, then feed again")                                         \
    X(NO_BROKER, 67, "the broker cannot be reached", "check the address and that it runs")                             \
    X(LOST_BROKER, 68, "the connection to the broker was lost and did not come back",                                  \
      "check the broker; a job that it still knows can be read again")                                                 \
    X(INVALID, 69, "an argument is invalid", "correct the call")                                                       \
    X(NO_MEMORY, 70, "out of memory", "use a smaller window")                                                          \
    X(SYSTEM, 71, "a system call failed", "see the text of the error")                                                 \
    X(CLOSED, 72, "the pool or stream is closed", "open it again")                                                     \
    X(INTERRUPTED, 73, "interrupted by a signal", "call again, or close")

/** Every code, as BELT_OK, BELT_TASK_FAILED, … */
typedef enum belt_code {
#define BELT_CODE_ENUM(name, number, text, advice) BELT_##name = (number),
    BELT_CODES(BELT_CODE_ENUM)
#undef BELT_CODE_ENUM
} belt_code;

#endif
