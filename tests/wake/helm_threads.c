/* SPDX-License-Identifier: Apache-2.0
 *
 * The threads around the helm of a connection, in steps. The machine is that of the library (client/helm.c); what
 * stands around it in client/io.c, reader.c and flow.c is told here. See helm_explore.c.
 */
#include "tests/wake/helm_threads.h"

const char *const places[] = {
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

unsigned readers = READERS, rounds = 1, askers = 1;

bool is_over(const struct state *s)
{
    bool over = s->asker_place == DONE;

    for (unsigned i = 0; i < readers; i++)
        over = over && s->reader[i].place == DONE;
    return over;
}

bool message_there(const struct state *s)
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

bool move(struct state *s, unsigned thread, unsigned choice)
{
    if (!moves(s, thread, choice))
        return false;
    while (readers == READERS && is_inner(s, thread))
        if (!moves(s, thread, 0))
            return false;
    return true;
}

const char *step_of(const struct state *s, unsigned thread)
{
    if (thread < READERS)
        return places[s->reader[thread].place];
    if (thread == IO_THREAD)
        return places[s->io_place];
    return thread == ASKER ? places[s->asker_place] : "answers";
}
