/* SPDX-License-Identifier: Apache-2.0
 *
 * The helm of a pool's connection (client/helm.c, io.c, reader.c): who drives it, and how he who is about to sleep
 * learns that there is work. Explored by spin; the steps bear the names of the functions, and those of helm.c happen at
 * once here as they do there. tests/wake/helm_explore.c explores the same with the C code of helm.c.
 *
 * Four processes: the I/O thread; a reader who feeds a task and waits for its result, in one call or two, ROUNDS times;
 * another thread that asks for the status once; the broker. Each access to what threads share without a lock is a step; what
 * happens under the mail's lock alone is one. The heartbeat, and the 5 ms after which acknowledgements go, do not exist
 * here: whoever sleeps with work sleeps for ever, and spin finds an invalid end state. A nap of a millisecond ends by
 * itself, since what naps is meant to be that late.
 *
 * -DWORK_FIRST plants the order in which the I/O thread works first and waits afterwards: it takes the word of work
 * and gives the helm away without doing the work. -DWORK_AGAIN plants a cure of it that is none: hand_over() says that
 * there is work, and the word may be taken by a turn that gives the helm away again.
 */
#ifndef ROUNDS
#define ROUNDS 1 /* 2 takes 40 s and finds nothing more */
#endif

mtype = { AWAKE, NAP, ASLEEP };
mtype = { NOBODY, IO_THREAD, READER };
mtype = { HERE, ASIDE, DISTANT };

/* what the threads share: struct client_helm and the two bells */
bool work, wanted, drove;
mtype sleep = AWAKE, driver = NOBODY, aside = HERE;
bool wake_fd, standby_fd;
bool queue, queued; /* the one stream is in the list of those that want attention; its own mark of that */

/* the stream's mail */
bool lock, waiting, in_cond, task, result;

/* the status request: 0 none, 1 to be sent, 2 sent, 3 answered */
byte request;

/* between the client and the broker */
bool task_out, result_in, asked, answer_in;

bool fed, answered; /* the ends of the two users */
#define finished (fed && answered)

inline mail_lock() { atomic { !lock -> lock = true } }
inline mail_unlock() { lock = false }

/* client_io_touch(): two steps, another thread may come between them */
inline touch()
{
    if
    :: atomic { queued -> skip }
    :: atomic { !queued -> queued = true }; queue = true
    fi
}

/* client_helm_kick(), then ring() */
inline kick(urgent)
{
    atomic {
        work = true;
        ring_driver = (sleep == ASLEEP || (sleep == NAP && urgent));
        ring_aside = ring_driver && aside != HERE && driver == NOBODY;
        sleep = (ring_driver -> AWAKE : sleep)
    };
    if
    :: atomic { ring_driver -> ring_driver = false; wake_fd = true }
    :: !ring_driver
    fi;
    if
    :: atomic { ring_aside -> ring_aside = false; standby_fd = true }
    :: !ring_aside
    fi
}

/* client_helm_take() */
inline take(mine)
{
    if
    :: atomic { driver != NOBODY -> mine = false }
    :: atomic { driver == NOBODY -> driver = IO_THREAD; sleep = AWAKE; mine = true }
    fi
}

/* client_helm_take_reader() */
inline take_reader(mine, later)
{
    if
    :: atomic { driver != NOBODY -> mine = false; wanted = wanted || later }
    :: atomic { driver == NOBODY -> driver = READER; sleep = AWAKE; drove = true; mine = true }
    fi
}

/* wait(): client_helm_begin_wait(), sleep_until_alarm() with client_helm_end_wait(). The socket may be asked at any
 * time before the sleep: what comes is there by then, or ends it (watch.pml). */
inline wait(nap)
{
    if
    :: atomic { work -> work = false } /* no sleep */
    :: atomic { !work -> sleep = (nap -> NAP : ASLEEP) };
        if
        :: nap -> skip
        :: wake_fd || result_in || answer_in || finished
        fi;
        if
        :: atomic { wake_fd -> rung = true }
        :: atomic { !wake_fd -> skip }
        fi;
        sleep = AWAKE
    fi;
    if
    :: atomic { rung -> rung = false; wake_fd = false }
    :: !rung
    fi
}

/* work(): receive() and publish(), client_flow_work() and collect(), client_admin_work() */
inline do_work()
{
    if
    :: atomic { result_in && !lock -> result_in = false; result = true; in_cond = (waiting -> false : in_cond) }
    :: !result_in
    fi;
    if
    :: atomic { answer_in -> answer_in = false; request = 3 }
    :: !answer_in
    fi;
    if
    :: atomic { queue -> queue = false };
        queued = false;
        atomic { !lock -> task_out = task_out || task; task = false }
    :: atomic { !queue -> skip }
    fi;
    if
    :: atomic { request == 1 -> request = 2; asked = true }
    :: request != 1
    fi
}

/* stand_by() */
inline stand_by()
{
    atomic { aside = ASIDE; drove = false }; /* client_helm_stand_by() */
    do
    :: true ->
        if
        :: standby_fd /* the poll is ended by a ring ... */
        :: true ->    /* ... or by its millisecond */
            if        /* client_helm_deepen() */
            :: atomic { !drove && driver != NOBODY -> aside = DISTANT };
                (standby_fd || finished);
                aside = ASIDE /* client_helm_rouse() */
            :: atomic { drove || driver == NOBODY -> skip }
            fi
        fi;
        if
        :: atomic { standby_fd -> standby_fd = false }; break
        :: atomic { !standby_fd -> skip }
        fi;
        if /* client_helm_look_again() */
        :: finished -> break
        :: atomic { driver == NOBODY && !drove -> break }
        :: atomic { driver != NOBODY || drove -> drove = false }
        fi
    od;
    aside = HERE /* client_helm_come_back() */
}

/* hand_over(): client_helm_hand_over(), with the lock */
inline hand_over()
{
    mail_lock();
#ifdef WORK_AGAIN
    work = true;
#endif
    atomic { aside = ASIDE; sleep = NAP; driver = NOBODY };
    in_cond = false;
    mail_unlock()
}

active proctype io_thread()
{
    bool mine, rung, nap;

    do
    :: finished -> break
    :: !finished ->
        take(mine);
        if
        :: !mine -> stand_by()
        :: mine ->
            mine = false;
            /* turn() */
#if defined(WORK_FIRST) || defined(WORK_AGAIN)
            do_work();
#endif
            if
            :: wanted
            :: !wanted ->
                if
                :: nap = true
                :: nap = false
                fi;
                wait(nap);
                nap = false
            fi;
#if !defined(WORK_FIRST) && !defined(WORK_AGAIN)
            do_work();
#endif
            if
            :: atomic { wanted -> wanted = false }; hand_over(); stand_by() /* client_helm_give() */
            :: atomic { !wanted -> driver = NOBODY }
            fi
        fi
    od
}

active proctype reader()
{
    bool mine, rung, soon, again, ring_driver, ring_aside;
    byte round;

    do
    :: round == ROUNDS -> break
    :: round < ROUNDS ->
        if
        :: !again -> /* belt_stream_feed(): add_task() and kick() */
            atomic { !lock -> task = true };
            touch();
            kick(false)
        :: again
        fi;
        /* belt_stream_next(): sleep_until() and wait_for_mail() */
        atomic { !lock -> lock = true; waiting = true };
        if
        :: result
        :: !result ->
            if
            :: soon = true; /* comes_back_soon() */
                take_reader(mine, true)
            :: true
            fi;
            mail_unlock();
            if
            :: !again -> /* client_settle(): what was fed without haste is told again */
                touch();
                kick(true)
            :: again
            fi;
            mail_lock();
            do
            :: result -> break
            :: !result && !again && mine -> again = true; break /* his time is over: he calls again */
            :: !result && !mine ->
                atomic { lock = false; in_cond = true }; /* wait_sleep() */
                atomic { !in_cond && !lock -> lock = true };
                if
                :: soon && !result -> take_reader(mine, false)
                :: !soon || result
                fi
            :: !result && mine -> /* client_io_turn() */
                mail_unlock();
                wait(false);
                do_work();
                mail_lock()
            od;
            if
            :: mine ->
                mine = false;
                atomic { ring_aside = (aside == DISTANT); sleep = NAP; driver = NOBODY }; /* client_helm_leave() */
                if
                :: atomic { ring_aside -> ring_aside = false; standby_fd = true }
                :: !ring_aside
                fi
            :: !mine && soon -> wanted = false /* client_helm_forgo() */
            :: !mine && !soon
            fi;
            soon = false
        fi;
        atomic {
            if
            :: result -> result = false; again = false; round++
            :: else
            fi;
            waiting = false;
            lock = false
        }
    od;
    fed = true
}

/* client_admin_ask() */
active proctype asker()
{
    bool ring_driver, ring_aside;

    request = 1;
    kick(true);
    request == 3;
    answered = true
}

/* The first task may run longer than everything else takes. */
active proctype broker()
{
    bool runs_long;

    if
    :: runs_long = true
    :: true
    fi;
    do
    :: atomic { task_out && (!runs_long || answered) -> task_out = false; result_in = true }
    :: atomic { asked -> asked = false; answer_in = true }
    :: finished -> break
    od
}
