/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what (PROTOCOL.md §12.2): one table of verb, role and whose job it is. A session without an account is one
 * of a broker without keys, and may do all. Private to broker/core.
 */
#ifndef BELT_CORE_ACCESS_H
#define BELT_CORE_ACCESS_H

#include "broker/core/model/state.h"

/* What a message wants to do. */
enum access_verb {
    ACCESS_FEED,    /* OPEN, PUSH, END */
    ACCESS_READ,    /* SUBSCRIBE, ACK, DETACH */
    ACCESS_CANCEL,  /* CANCEL, of a job, a task or a reader */
    ACCESS_LIST,    /* STATUS of jobs, and of readers of jobs */
    ACCESS_READERS, /* STATUS of the readers that others have in a job */
    ACCESS_LOOK,    /* STATUS of queues, workers and the broker */
    ACCESS_FAILED,  /* FAILED list, show */
    ACCESS_RETRY,   /* FAILED retry, drop */
    ACCESS_SERVE    /* SYNC, RESULTS, RETURNED, LEAVING, PROGRESS */
};
#define ACCESS_VERBS (ACCESS_SERVE + 1)

/* Whose job it is, seen by the asker. */
enum access_whose {
    ACCESS_OWN,    /* of the asker's owner; also a job that is to be made, and what is about no job */
    ACCESS_SHARED, /* another owner's, opened with `share` */
    ACCESS_OTHERS,
    ACCESS_NOBODYS /* opened when the broker had no keys */
};
#define ACCESS_WHOSE (ACCESS_NOBODYS + 1)

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_DENIED, /* NOT_ALLOWED */
    ACCESS_HIDDEN  /* as if there were no such job */
};

/* `roles`: enum belt_identity_role, or'ed. */
enum access_verdict access_judge(unsigned roles, enum access_verb verb, enum access_whose whose);

enum access_whose access_whose(const struct session *from, const struct job *job);
/* May the session do it with this job? */
enum access_verdict access_to_job(const struct session *from, enum access_verb verb, const struct job *job);
/* The same of what is left of jobs that are over: failed tasks, lines of the history. `owner`: empty for nobody's. */
bool access_to_past(const struct session *from, enum access_verb verb, struct belt_bytes owner);
/* May it see all jobs, so that nothing needs to be chosen for it? */
bool access_sees_all(const struct session *from);
/* It is not bound by the rules among the sessions of an owner: an administrator, or whoever said that he acts as one on
 * a job of his own. */
bool access_rules(const struct session *from, const struct job *job);
/* The account of a reader of the job that is this session's: NULL stands for that of the job. */
struct account *access_reader_of(const struct session *from, const struct job *job);

#endif
