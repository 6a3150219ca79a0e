/* SPDX-License-Identifier: Apache-2.0
 *
 * Explores every order in which two readers, the I/O thread, a thread that asks the broker something and the broker can
 * make their steps around the helm of a connection. The machine is that of the library (client/helm.c); what stands
 * around it in client/io.c, reader.c and flow.c is told here in steps, of which each is one access to what threads
 * share. What happens under the lock of a reader's mail, with one step of the machine at most, is one step: nobody else
 * sees what is between. Time does not exist: whoever sleeps without a limit sleeps until he is woken, and a sleep of a
 * millisecond may end at any moment.
 *
 *   helm_explore [READERS [ROUNDS [ASKERS]]]
 *
 * With two readers, steps that are not the machine's are made together with the one before them.
 * -DWORK_FIRST plants the order in which the I/O thread works first and waits afterwards: it takes the word of work and
 * gives the helm away without doing the work. Faults of the machine itself are planted by helm_faults.sh.
 *
 * Checks in every state: at most one drives, and the machine knows who; no driver sleeps while there is work that
 * nobody is about to tell of; the I/O thread does not sleep for good while nobody drives; somebody can go on. And from
 * every state the end can be reached. Ends with 1, and the way there, when one of these does not hold.
 */
#include "client/helm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READERS    2
#define ASKER      3 /* threads: the readers are 0 and 1 */
#define IO_THREAD  2
#define BROKER     4
#define THREADS    5
#define CHOICES    3
#define STATES_MAX 8000000u
#define NO_STATE   UINT32_MAX

/* Where a thread is. */
enum place {
    /* a reader */
    R_FEED,
    R_TOUCH,
    R_PUSH,
    R_KICK,
    R_RING_DRIVER,
    R_RING_ASIDE,
    R_LOOK,
    R_NOT_ALONE,
    R_CHECK,
    R_WAIT,
    R_SLEEP,
    R_WAKE,
    R_DRAIN,
    R_WORK,
    R_CONDITION,
    R_END,
    R_TAKE_RESULT,
    /* the I/O thread */
    I_TAKE,
    I_TURN,
    I_WAIT,
    I_SLEEP,
    I_WAKE,
    I_DRAIN,
    I_WORK,
    I_GIVE,
    I_HAND_OVER,
    S_STAND_BY,
    S_POLL,
    S_DEEPEN,
    S_SLEEP,
    S_ROUSE,
    S_READ,
    S_LOOK_AGAIN,
    S_COME_BACK,
    /* who asks */
    A_ASK,
    A_KICK,
    A_RING_DRIVER,
    A_RING_ASIDE,
    A_WAIT,
    DONE
};

static const char *const places[] = {
    [R_FEED] = "feeds",
    [R_TOUCH] = "client_io_touch: marks the stream",
    [R_PUSH] = "client_io_touch: queues the stream",
    [R_KICK] = "client_helm_kick",
    [R_RING_DRIVER] = "rings for the driver",
    [R_RING_ASIDE] = "rings for the I/O thread",
    [R_LOOK] = "client_helm_take_reader, if it would like to",
    [R_NOT_ALONE] = "client_helm_leave: it is not alone",
    [R_CHECK] = "looks for its result",
    [R_WAIT] = "client_helm_begin_wait or client_helm_take_word",
    [R_SLEEP] = "sleeps at the helm",
    [R_WAKE] = "client_helm_end_wait",
    [R_DRAIN] = "drains the driver's bell",
    [R_WORK] = "works",
    [R_CONDITION] = "sleeps on its condition",
    [R_END] = "client_helm_leave or client_helm_forgo",
    [R_TAKE_RESULT] = "takes its result",
    [I_TAKE] = "client_helm_take",
    [I_TURN] = "looks whether a reader wants the helm",
    [I_WAIT] = "client_helm_begin_wait or client_helm_take_word",
    [I_SLEEP] = "sleeps at the helm",
    [I_WAKE] = "client_helm_end_wait",
    [I_DRAIN] = "drains the driver's bell",
    [I_WORK] = "works",
    [I_GIVE] = "client_helm_give",
    [I_HAND_OVER] = "client_helm_hand_over or client_helm_release",
    [S_STAND_BY] = "client_helm_stand_by",
    [S_POLL] = "sleeps for a millisecond",
    [S_DEEPEN] = "client_helm_deepen",
    [S_SLEEP] = "sleeps until its bell rings",
    [S_ROUSE] = "client_helm_rouse",
    [S_READ] = "drains its bell",
    [S_LOOK_AGAIN] = "client_helm_look_again",
    [S_COME_BACK] = "client_helm_come_back",
    [A_ASK] = "asks",
    [A_KICK] = "client_helm_kick",
    [A_RING_DRIVER] = "rings for the driver",
    [A_RING_ASIDE] = "rings for the I/O thread",
    [A_WAIT] = "waits for the answer",
    [DONE] = "is done",
};

/* Where the work of a round is. */
enum { WORK_RECEIVE, WORK_TAKE_QUEUE = READERS, WORK_STREAMS, WORK_ANSWER = WORK_STREAMS + 2 * READERS, WORK_ASK };

enum queued { NOT_QUEUED, MARKED, QUEUED };
enum request { NONE, TO_SEND, SENT, ANSWERED };

struct driver {
    uint8_t work;  /* the step of its work */
    uint8_t taken; /* streams that it has taken from the queue: bits */
    bool nap, rung;
};

struct reader {
    uint8_t place, after, round, rings;                 /* `after`: where it goes on when it has rung */
    uint8_t queued;                                     /* enum queued */
    bool task, result, waiting, in_condition, attached; /* mail and stream */
    bool task_out, result_in;                           /* on the way to and from the broker */
    bool mine, soon, again, urgent;                     /* its own */
    struct driver driver;
};

struct state {
    struct client_helm helm;
    bool driver_bell, aside_bell;
    uint8_t io_place, want; /* the number of the reader who is to get the helm */
    uint8_t asker_place, asker_rings, request;
    bool asked, answer_in;
    struct driver io_driver;
    struct reader reader[READERS];
};

static unsigned readers = READERS, rounds = 1, askers = 1;

static bool is_over(const struct state *s)
{
    bool over = s->asker_place == DONE;

    for (unsigned i = 0; i < readers; i++)
        over = over && s->reader[i].place == DONE;
    return over;
}

static bool message_there(const struct state *s)
{
    return s->answer_in || s->reader[0].result_in || s->reader[1].result_in;
}

static bool is_alone(const struct state *s, unsigned r)
{
    return s->reader[r].attached && !s->reader[1 - r].attached;
}

/* ---- the work of a round, by whoever drives ---- */

/* Skips the streams that are not in the list that was taken. */
static void skip(struct driver *d)
{
    while (d->work >= WORK_STREAMS && d->work < WORK_ANSWER && !(d->taken & 1u << (d->work - WORK_STREAMS) / 2))
        d->work++;
}

static void work_on_stream(struct state *s, struct driver *d)
{
    unsigned at = d->work - WORK_STREAMS;
    struct reader *r = &s->reader[at / 2];

    if (at % 2 == 0) { /* client_flow_work() */
        r->queued = NOT_QUEUED;
        return;
    }
    r->attached = true; /* stream_work(), collect() */
    r->task_out = r->task_out || r->task;
    r->task = false;
    d->taken &= (uint8_t)~(1u << at / 2);
}

/* True when the work is done. */
static bool work(struct state *s, struct driver *d)
{
    if (d->work < WORK_TAKE_QUEUE) { /* receive(), publish() */
        struct reader *r = &s->reader[d->work];

        r->result = r->result || r->result_in;
        if (r->result_in && r->waiting)
            r->in_condition = false;
        r->result_in = false;
    } else if (d->work == WORK_TAKE_QUEUE) {
        for (unsigned i = 0; i < readers; i++)
            d->taken |= (uint8_t)((s->reader[i].queued == QUEUED) << i);
    } else if (d->work < WORK_ANSWER) {
        work_on_stream(s, d);
    } else if (d->work == WORK_ANSWER) {
        s->request = s->answer_in ? ANSWERED : s->request;
        s->answer_in = false;
    } else {
        s->asked = s->asked || s->request == TO_SEND;
        s->request = s->request == TO_SEND ? SENT : s->request;
    }
    /* What is taken is not in the queue any more: one exchange. */
    if (d->work == WORK_TAKE_QUEUE)
        for (unsigned i = 0; i < readers; i++)
            if (d->taken & 1u << i)
                s->reader[i].queued = MARKED;
    if (d->work == WORK_ASK || (d->work == WORK_TAKE_QUEUE && askers == 0 && d->taken == 0)) {
        *d = (struct driver){0};
        return true;
    }
    d->work++;
    skip(d);
    return false;
}

/* wait() of io.c: `choice` 0: the socket is not seen to have anything; 1: it is. Answers where to go on. */
static bool begin_wait(struct state *s, struct driver *d, unsigned choice, bool *sleeps)
{
    if (choice == 1) {
        if (!message_there(s))
            return false;
        client_helm_take_word(&s->helm, 0);
        *sleeps = false;
        return true;
    }
    *sleeps = client_helm_begin_wait(&s->helm, d->nap) != 0;
    return choice == 0;
}

static bool wake(const struct state *s, struct driver *d)
{
    if (!d->nap && !s->driver_bell && !message_there(s) && !is_over(s))
        return false;
    d->rung = s->driver_bell;
    return true;
}

static void drain(struct state *s, struct driver *d)
{
    if (d->rung)
        s->driver_bell = false;
    *d = (struct driver){0};
}

/* ---- a reader: belt_stream_feed() and belt_stream_next(), in one call or several ---- */

/* Rings, then goes on. */
static void ring_then(struct reader *r, uint32_t rings, enum place after)
{
    r->rings = (uint8_t)rings;
    r->after = rings ? (uint8_t)after : 0;
    if (rings & CLIENT_HELM_RING_DRIVER)
        r->place = R_RING_DRIVER;
    else
        r->place = rings & CLIENT_HELM_RING_ASIDE ? R_RING_ASIDE : (uint8_t)after;
    r->urgent = r->urgent && r->place != R_CHECK;
}

/* Before it waits: what was fed without haste is told again (client_settle). */
static enum place settle(struct reader *r)
{
    r->urgent = !r->again;
    return r->again ? R_CHECK : R_TOUCH;
}

static bool take(struct state *s, unsigned n, uint32_t number)
{
    struct reader *r = &s->reader[n];

    if (!client_helm_take_reader(&s->helm, number))
        return false;
    r->mine = true;
    return is_alone(s, n);
}

/* wait_for_mail(): the first look, with the lock. */
static bool look(struct state *s, unsigned n, unsigned choice)
{
    struct reader *r = &s->reader[n];

    r->waiting = true;
    if (r->result) {
        r->place = R_TAKE_RESULT;
        return choice == 0;
    }
    r->soon = choice == 1;
    r->place = (uint8_t)settle(r);
    if (r->soon && !take(s, n, n + 1) && r->mine) {
        r->after = r->place;
        r->place = R_NOT_ALONE;
    }
    return choice <= 1;
}

static bool check(struct reader *r, unsigned choice)
{
    if (r->result) {
        r->place = R_END;
        return choice == 0;
    }
    if (choice == 1) { /* its time is over: it calls again */
        r->again = true;
        r->place = R_END;
        return true;
    }
    r->in_condition = !r->mine;
    r->place = r->mine ? R_WAIT : R_CONDITION;
    return choice == 0;
}

/* Its condition was signalled. */
static bool woken(struct state *s, unsigned n)
{
    struct reader *r = &s->reader[n];

    if (r->in_condition)
        return false;
    r->place = R_CHECK;
    if (r->soon && !r->result && !take(s, n, 0) && r->mine) {
        r->after = R_CHECK;
        r->place = R_NOT_ALONE;
    }
    return true;
}

static void end(struct state *s, unsigned n)
{
    struct reader *r = &s->reader[n];

    r->place = R_TAKE_RESULT;
    if (r->mine) {
        r->mine = false;
        ring_then(r, client_helm_leave(&s->helm, 0), R_TAKE_RESULT);
    } else if (r->soon) {
        client_helm_forgo(&s->helm, n + 1);
    }
    r->soon = false;
}

static void take_result(struct reader *r)
{
    if (r->result) {
        r->result = r->again = false;
        r->round++;
    }
    r->waiting = r->urgent = false;
    r->place = r->round == rounds ? DONE : R_FEED;
}

static bool reader_moves(struct state *s, unsigned n, unsigned choice)
{
    struct reader *r = &s->reader[n];
    bool sleeps;

    switch ((enum place)r->place) {
    case R_FEED: /* add_task(), with the lock */
        r->task = r->task || !r->again;
        r->place = r->again ? R_LOOK : R_TOUCH;
        break;
    case R_TOUCH:
        r->place = r->queued == NOT_QUEUED ? R_PUSH : R_KICK;
        r->queued = r->queued == NOT_QUEUED ? MARKED : r->queued;
        break;
    case R_PUSH:
        r->queued = QUEUED;
        r->place = R_KICK;
        break;
    case R_KICK:
        ring_then(r, client_helm_kick(&s->helm, r->urgent), r->urgent ? R_CHECK : R_LOOK);
        break;
    case R_RING_DRIVER:
        s->driver_bell = true;
        ring_then(r, r->rings & ~CLIENT_HELM_RING_DRIVER, (enum place)r->after);
        break;
    case R_RING_ASIDE:
        s->aside_bell = true;
        ring_then(r, 0, (enum place)r->after);
        break;
    case R_LOOK:
        return look(s, n, choice);
    case R_NOT_ALONE: /* client_io_take(): others would not be served */
        r->mine = false;
        ring_then(r, client_helm_leave(&s->helm, 0), (enum place)r->after);
        break;
    case R_CHECK:
        return check(r, choice);
    case R_WAIT:
        r->driver = (struct driver){0};
        if (!begin_wait(s, &r->driver, choice, &sleeps))
            return false;
        r->place = sleeps ? R_SLEEP : R_WORK;
        return true;
    case R_SLEEP:
        r->place = R_WAKE;
        return choice == 0 && wake(s, &r->driver);
    case R_WAKE:
        client_helm_end_wait(&s->helm, 0);
        r->place = r->driver.rung ? R_DRAIN : R_WORK;
        break;
    case R_DRAIN:
        drain(s, &r->driver);
        r->place = R_WORK;
        break;
    case R_WORK:
        if (work(s, &r->driver))
            r->place = R_CHECK;
        break;
    case R_CONDITION:
        return choice == 0 && woken(s, n);
    case R_END:
        end(s, n);
        break;
    case R_TAKE_RESULT:
        take_result(r);
        break;
    default:
        return false;
    }
    return choice == 0;
}

/* ---- the I/O thread: drive() and stand_by() ---- */

static void hand_over(struct state *s)
{
    unsigned n = s->want - 1u;

    s->want = 0;
    if (!is_alone(s, n)) {
        client_helm_release(&s->helm, 0);
        s->io_place = I_TAKE;
        return;
    }
    client_helm_hand_over(&s->helm, 0);
    s->reader[n].in_condition = false;
    s->io_place = S_STAND_BY;
}

static bool stands_by(struct state *s, unsigned choice)
{
    switch ((enum place)s->io_place) {
    case S_STAND_BY:
        client_helm_stand_by(&s->helm, 0);
        s->io_place = S_POLL;
        break;
    case S_POLL: /* 0: its bell ends it; 1: the time */
        s->io_place = choice == 0 ? S_READ : S_DEEPEN;
        return choice == 1 || (choice == 0 && s->aside_bell);
    case S_DEEPEN:
        s->io_place = client_helm_deepen(&s->helm, 0) ? S_SLEEP : S_READ;
        break;
    case S_SLEEP:
        s->io_place = S_ROUSE;
        return choice == 0 && (s->aside_bell || is_over(s));
    case S_ROUSE:
        client_helm_rouse(&s->helm, 0);
        s->io_place = S_READ;
        break;
    case S_READ:
        s->io_place = s->aside_bell ? S_COME_BACK : S_LOOK_AGAIN;
        s->aside_bell = false;
        break;
    case S_LOOK_AGAIN:
        s->io_place = client_helm_look_again(&s->helm, 0) && !is_over(s) ? S_POLL : S_COME_BACK;
        break;
    case S_COME_BACK:
        client_helm_come_back(&s->helm, 0);
        s->io_place = I_TAKE;
        break;
    default:
        return false;
    }
    return choice == 0;
}

#ifdef WORK_FIRST
#define TURN_BEGINS(s)   I_WORK
#define AFTER_WAITING(s) I_GIVE
#define AFTER_WORK(s)    ((s)->helm.wanted ? I_GIVE : I_WAIT)
#else
#define TURN_BEGINS(s)   ((s)->helm.wanted ? I_WORK : I_WAIT)
#define AFTER_WAITING(s) I_WORK
#define AFTER_WORK(s)    I_GIVE
#endif

static bool io_moves(struct state *s, unsigned choice)
{
    bool sleeps;

    switch ((enum place)s->io_place) {
    case I_TAKE:
        if (is_over(s))
            s->io_place = DONE;
        else
            s->io_place = client_helm_take(&s->helm, 0) ? I_TURN : S_STAND_BY;
        break;
    case I_TURN: /* 0: it naps; 1: it sleeps */
        s->io_driver = (struct driver){.nap = choice == 0};
        s->io_place = TURN_BEGINS(s);
        return choice <= 1;
    case I_WAIT:
        if (!begin_wait(s, &s->io_driver, choice, &sleeps))
            return false;
        s->io_place = sleeps ? I_SLEEP : AFTER_WAITING(s);
        return true;
    case I_SLEEP:
        s->io_place = I_WAKE;
        return choice == 0 && wake(s, &s->io_driver);
    case I_WAKE:
        client_helm_end_wait(&s->helm, 0);
        s->io_place = s->io_driver.rung ? I_DRAIN : AFTER_WAITING(s);
        s->io_driver.nap = false;
        break;
    case I_DRAIN:
        drain(s, &s->io_driver);
        s->io_place = AFTER_WAITING(s);
        break;
    case I_WORK:
        s->io_driver.nap = false;
        if (work(s, &s->io_driver))
            s->io_place = AFTER_WORK(s);
        break;
    case I_GIVE:
        s->want = (uint8_t)client_helm_give(&s->helm, 0);
        s->io_place = s->want ? I_HAND_OVER : I_TAKE;
        break;
    case I_HAND_OVER:
        hand_over(s);
        break;
    default:
        return stands_by(s, choice);
    }
    return choice == 0;
}

/* ---- who asks, and the broker ---- */

static void asker_rings(struct state *s)
{
    if (s->asker_rings & CLIENT_HELM_RING_DRIVER)
        s->asker_place = A_RING_DRIVER;
    else
        s->asker_place = s->asker_rings & CLIENT_HELM_RING_ASIDE ? A_RING_ASIDE : A_WAIT;
}

static bool asker_moves(struct state *s)
{
    switch ((enum place)s->asker_place) {
    case A_ASK: /* client_admin_ask() */
        s->request = TO_SEND;
        s->asker_place = A_KICK;
        break;
    case A_KICK:
        s->asker_rings = (uint8_t)client_helm_kick(&s->helm, true);
        asker_rings(s);
        break;
    case A_RING_DRIVER:
        s->driver_bell = true;
        s->asker_rings &= (uint8_t)~CLIENT_HELM_RING_DRIVER;
        asker_rings(s);
        break;
    case A_RING_ASIDE:
        s->aside_bell = true;
        s->asker_rings = 0;
        s->asker_place = A_WAIT;
        break;
    case A_WAIT:
        if (s->request != ANSWERED)
            return false;
        s->asker_place = DONE;
        break;
    default:
        return false;
    }
    return true;
}

/* `choice`: of whom it serves next. */
static bool broker_moves(struct state *s, unsigned choice)
{
    if (choice < READERS && s->reader[choice].task_out) {
        s->reader[choice].task_out = false;
        s->reader[choice].result_in = true;
        return true;
    }
    if (choice != READERS || !s->asked)
        return false;
    s->asked = false;
    s->answer_in = true;
    return true;
}

static bool moves(struct state *s, unsigned thread, unsigned choice)
{
    if (thread < READERS)
        return thread < readers && reader_moves(s, thread, choice);
    if (thread == IO_THREAD)
        return io_moves(s, choice);
    if (thread == ASKER)
        return choice == 0 && asker_moves(s);
    return broker_moves(s, choice);
}

/* Steps that are made together with the one before, where there are two readers: none of them is the machine's. */
static bool is_inner(const struct state *s, unsigned thread)
{
    static const bool inner[] = {
        [R_PUSH] = true, [R_DRAIN] = true, [R_WORK] = true, [R_TAKE_RESULT] = true, [I_DRAIN] = true,
        [I_WORK] = true, [S_READ] = true,  [R_FEED] = true, [DONE] = false};

    if (thread < READERS)
        return inner[s->reader[thread].place];
    return thread == IO_THREAD && inner[s->io_place];
}

static bool move(struct state *s, unsigned thread, unsigned choice)
{
    if (!moves(s, thread, choice))
        return false;
    while (readers == READERS && is_inner(s, thread))
        if (!moves(s, thread, 0))
            return false;
    return true;
}

/* ---- what must hold ---- */

static bool io_drives(const struct state *s)
{
    return s->io_place >= I_TURN && s->io_place <= I_HAND_OVER;
}

static const char *check_driver(const struct state *s)
{
    unsigned driving = io_drives(s), driver = io_drives(s) ? CLIENT_HELM_IO_THREAD : CLIENT_HELM_NOBODY;

    for (unsigned i = 0; i < readers; i++)
        if (s->reader[i].mine) {
            driving++;
            driver = CLIENT_HELM_READER;
        }
    if (driving > 1)
        return "two drive";
    return driver == s->helm.driver ? NULL : "the machine does not know who drives";
}

/* Somebody has left work, or is about to, and will still tell of it. */
static bool will_tell(const struct state *s)
{
    bool tells = s->asker_place >= A_KICK && s->asker_place <= A_RING_ASIDE;

    for (unsigned i = 0; i < readers; i++)
        tells = tells || (s->reader[i].place >= R_TOUCH && s->reader[i].place <= R_RING_ASIDE);
    return tells;
}

static bool is_work(const struct state *s)
{
    bool there = s->request == TO_SEND;

    for (unsigned i = 0; i < readers; i++)
        there = there || s->reader[i].queued == QUEUED;
    return there;
}

static const char *check_sleep(const struct state *s)
{
    bool asleep = s->io_place == I_SLEEP && !s->io_driver.nap;

    for (unsigned i = 0; i < readers; i++)
        asleep = asleep || s->reader[i].place == R_SLEEP;
    if (asleep && is_work(s) && !s->driver_bell && !message_there(s) && !will_tell(s))
        return "a driver sleeps while there is work";
    if (s->io_place == S_SLEEP && s->helm.driver == CLIENT_HELM_NOBODY && !s->aside_bell) {
        for (unsigned i = 0; i < readers; i++)
            if (s->reader[i].place == R_RING_ASIDE)
                return NULL;
        return "nobody drives, and the I/O thread sleeps until it is rung for";
    }
    return NULL;
}

static const char *check_state(const struct state *s)
{
    const char *wrong = check_driver(s);

    return wrong ? wrong : check_sleep(s);
}

/* Two readers are alike: which of them is the first says nothing. */
static void put_in_order(struct state *s)
{
    struct reader first = s->reader[0];
    uint8_t taken = s->io_driver.taken;

    if (readers < 2 || memcmp(&s->reader[0], &s->reader[1], sizeof(first)) <= 0)
        return;
    s->reader[0] = s->reader[1];
    s->reader[1] = first;
    s->helm.wanted = s->helm.wanted ? 3 - s->helm.wanted : 0;
    s->want = s->want ? (uint8_t)(3 - s->want) : 0;
    s->io_driver.taken = (uint8_t)((taken & 1u) << 1 | (taken & 2u) >> 1);
}

/* ---- exploring ---- */

struct edge {
    uint32_t from, next; /* of the edges to the same state */
};

static struct state *states;
static uint32_t count, *table, table_size, *parent;
static uint8_t *parent_thread;
static struct edge *edges;
static uint32_t edge_count, edge_room, *edges_to;

static uint64_t hash(const struct state *s)
{
    const uint8_t *bytes = (const uint8_t *)s;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < sizeof(*s); i++)
        h = (h ^ bytes[i]) * 1099511628211u;
    return h ^ h >> 29;
}

static void *grow(void *old, size_t size)
{
    void *memory = realloc(old, size);

    if (!memory) {
        fprintf(stderr, "helm_explore: out of memory\n");
        exit(2);
    }
    return memory;
}

static void rehash(void)
{
    table_size = table_size ? 2 * table_size : 1u << 16;
    table = grow(table, table_size * sizeof(*table));
    memset(table, 0xff, table_size * sizeof(*table));
    states = grow(states, table_size / 2 * sizeof(*states));
    parent = grow(parent, table_size / 2 * sizeof(*parent));
    parent_thread = grow(parent_thread, table_size / 2);
    edges_to = grow(edges_to, table_size / 2 * sizeof(*edges_to));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)hash(&states[i]) & (table_size - 1);

        while (table[at] != NO_STATE)
            at = (at + 1) & (table_size - 1);
        table[at] = i;
    }
}

/* The number of a state, which may be new. */
static uint32_t number_of(const struct state *s, uint32_t from, unsigned thread)
{
    uint32_t at;

    if (count == table_size / 2)
        rehash();
    for (at = (uint32_t)hash(s) & (table_size - 1); table[at] != NO_STATE; at = (at + 1) & (table_size - 1))
        if (memcmp(&states[table[at]], s, sizeof(*s)) == 0)
            return table[at];
    if (count == STATES_MAX) {
        fprintf(stderr, "helm_explore: more than %u states: the machine has become too large to be explored\n",
                STATES_MAX);
        exit(2);
    }
    states[count] = *s;
    parent[count] = from;
    parent_thread[count] = (uint8_t)thread;
    edges_to[count] = NO_STATE;
    table[at] = count;
    return count++;
}

static void note_edge(uint32_t from, uint32_t to)
{
    if (edge_count == edge_room) {
        edge_room = edge_room ? 2 * edge_room : 1u << 16;
        edges = grow(edges, edge_room * sizeof(*edges));
    }
    edges[edge_count] = (struct edge){from, edges_to[to]};
    edges_to[to] = edge_count++;
}

static const char *step_of(const struct state *s, unsigned thread)
{
    if (thread < READERS)
        return places[s->reader[thread].place];
    if (thread == IO_THREAD)
        return places[s->io_place];
    return thread == ASKER ? places[s->asker_place] : "answers";
}

static void print_way(uint32_t at)
{
    static const char *const names[THREADS] = {"reader 1", "reader 2", "I/O thread", "asker", "broker"};
    uint32_t from = parent[at];

    if (from == NO_STATE)
        return;
    print_way(from);
    printf("  %-10s %s\n", names[parent_thread[at]], step_of(&states[from], parent_thread[at]));
}

static int fail(uint32_t at, const char *why)
{
    static const char *const drivers[] = {"nobody", "the I/O thread", "a reader"};
    const struct state *s = &states[at];

    print_way(at);
    printf("then: reader 1 %s, reader 2 %s, the I/O thread %s, the asker %s; %s drives\n", places[s->reader[0].place],
           places[s->reader[1].place], places[s->io_place], places[s->asker_place], drivers[s->helm.driver]);
    printf("%s\n", why);
    return 1;
}

/* Every state that follows one. False: none does. */
static bool follow(uint32_t from)
{
    bool any = false;

    for (unsigned thread = 0; thread < THREADS; thread++)
        for (unsigned choice = 0; choice < CHOICES; choice++) {
            struct state next = states[from];

            if (!move(&next, thread, choice))
                continue;
            any = true;
            put_in_order(&next);
            note_edge(from, number_of(&next, from, thread));
        }
    return any;
}

/* From every state the end can be reached: backwards from the ends. */
static uint32_t find_endless(void)
{
    bool *ends = calloc(count, sizeof(*ends));
    uint32_t *open = malloc(count * sizeof(*open)), opened = 0, found = NO_STATE;

    if (!ends || !open)
        exit(2);
    for (uint32_t i = 0; i < count; i++)
        if (is_over(&states[i]) && states[i].io_place == DONE) {
            ends[i] = true;
            open[opened++] = i;
        }
    while (opened > 0)
        for (uint32_t e = edges_to[open[--opened]]; e != NO_STATE; e = edges[e].next)
            if (!ends[edges[e].from]) {
                ends[edges[e].from] = true;
                open[opened++] = edges[e].from;
            }
    for (uint32_t i = 0; i < count && found == NO_STATE; i++)
        if (!ends[i])
            found = i;
    free(ends);
    free(open);
    return found;
}

static int explore(void)
{
    uint32_t endless;

    for (uint32_t at = 0; at < count; at++) {
        const char *wrong = check_state(&states[at]);

        if (wrong)
            return fail(at, wrong);
        if (!follow(at) && !(is_over(&states[at]) && states[at].io_place == DONE))
            return fail(at, "nobody can go on: somebody sleeps through what he waits for");
    }
    endless = find_endless();
    if (endless != NO_STATE)
        return fail(endless, "from here the end cannot be reached");
    printf("%u readers, %u rounds, %u askers: %u states, %u steps: nobody sleeps with work\n", readers, rounds, askers,
           count, edge_count);
    return 0;
}

int main(int argc, char **argv)
{
    struct state first;
    int rc;

    readers = argc > 1 ? (unsigned)atoi(argv[1]) : readers;
    rounds = argc > 2 ? (unsigned)atoi(argv[2]) : rounds;
    askers = argc > 3 ? (unsigned)atoi(argv[3]) : askers;
    if (readers < 1 || readers > READERS || rounds < 1 || rounds > 100 || askers > 1) {
        fprintf(stderr, "usage: helm_explore [READERS (1 or 2) [ROUNDS [ASKERS (0 or 1)]]]\n");
        return 2;
    }
    memset(&first, 0, sizeof(first)); /* states are compared as bytes */
    first.io_place = I_TAKE;
    first.asker_place = askers ? A_ASK : DONE;
    for (unsigned i = 0; i < READERS; i++)
        first.reader[i].place = i < readers ? R_FEED : DONE;
    number_of(&first, NO_STATE, 0);
    rc = explore();
    free(states);
    free(table);
    free(parent);
    free(parent_thread);
    free(edges);
    free(edges_to);
    return rc;
}
