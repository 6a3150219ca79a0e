/* SPDX-License-Identifier: Apache-2.0
 *
 * The helm of a pool's connection (client/io.c, client/reader.c): who drives it, and how he who is about to sleep
 * learns that there is work. Explored by spin; the steps bear the names of the functions.
 *
 * Four processes: the I/O thread; a reader who feeds a task and waits for its result, in one call or two, ROUNDS times;
 * another thread that asks for the status once; the broker. Each access to what threads share without a lock is a step; what
 * happens under the mail's lock alone is one. The heartbeat, and the 5 ms after which acknowledgements go, do not exist
 * here: whoever sleeps with work sleeps for ever, and spin finds an invalid end state. A nap of a millisecond ends by
 * itself, since what naps is meant to be that late; how often a reader was at the helm meanwhile is left to chance.
 *
 * -DWORK_FIRST plants the order in which the I/O thread works first and waits afterwards: it takes the word of work
 * and gives the helm away without doing the work. -DWORK_AGAIN plants a cure of it that is none: hand_over() says that
 * there is work, and the word may be taken by a turn that gives the helm away again.
 */
#ifndef ROUNDS
#define ROUNDS 1 /* 2 takes 40 s and finds nothing more */
#endif

mtype = { AWAKE, NAP, SLEEP };

/* what the threads share: struct belt_pool */
bool work, helm, wanted, standing_by, deep;
mtype io_state = AWAKE;
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

/* client_io_kick() */
inline kick(urgent)
{
    work = true;
    state = io_state;
    if
    :: state == AWAKE || (state == NAP && !urgent)
    :: else ->
        if
        :: atomic { io_state != state -> state = AWAKE }
        :: atomic { io_state == state -> io_state = AWAKE; state = AWAKE };
            wake_fd = true;
            if
            :: standing_by ->
                if
                :: !helm -> standby_fd = true
                :: helm
                fi
            :: !standing_by
            fi
        fi
    fi;
    state = AWAKE
}

/* take_helm() */
inline take_helm(mine)
{
    if
    :: atomic { helm -> mine = false }
    :: atomic { !helm -> helm = true; mine = true }; io_state = AWAKE
    fi
}

/* wait(): take_word and sleep. The socket may be asked at any time before the sleep: what comes is there by then, or
 * ends it (watch.pml). */
inline wait(nap)
{
    if
    :: nap -> io_state = NAP
    :: !nap -> io_state = SLEEP
    fi;
    if
    :: atomic { work -> work = false } /* take_word: no sleep */
    :: atomic { !work -> skip };
        if
        :: nap -> skip
        :: wake_fd || result_in || answer_in || finished
        fi;
        if
        :: atomic { wake_fd -> rung = true }
        :: atomic { !wake_fd -> skip }
        fi
    fi;
    io_state = AWAKE;
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
    standing_by = true;
    do
    :: true ->
        if
        :: standby_fd /* the poll is ended by a ring ... */
        :: true       /* ... or by its millisecond, within which a reader was at the helm, ... */
        :: true ->    /* ... or was not */
            deep = true;
            if
            :: helm -> (standby_fd || finished)
            :: !helm
            fi;
            deep = false
        fi;
        if
        :: atomic { standby_fd -> standby_fd = false }; break
        :: atomic { !standby_fd -> skip }
        fi;
        if
        :: finished -> break
        :: !helm -> break
        :: true
        fi
    od;
    standing_by = false
}

/* hand_over() */
inline hand_over()
{
    mail_lock();
#ifdef WORK_AGAIN
    work = true;
#endif
    standing_by = true;
    io_state = NAP;
    helm = false;
    in_cond = false;
    mail_unlock()
}

active proctype io_thread()
{
    bool mine, rung, nap;

    do
    :: finished -> break
    :: !finished ->
        take_helm(mine);
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
            :: atomic { wanted -> wanted = false }; hand_over(); stand_by()
            :: atomic { !wanted -> skip }; helm = false
            fi
        fi
    od
}

active proctype reader()
{
    bool mine, rung, soon, again;
    mtype state = AWAKE;
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
                take_helm(mine);
                if
                :: mine
                :: !mine -> wanted = true
                fi
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
                atomic { lock = false; in_cond = true }; /* client_wait() */
                atomic { !in_cond && !lock -> lock = true };
                if
                :: soon && !result -> take_helm(mine)
                :: !soon || result
                fi
            :: !result && mine -> /* client_io_turn() */
                mail_unlock();
                wait(false);
                do_work();
                mail_lock()
            od;
            if
            :: mine -> /* client_io_leave() */
                mine = false;
                io_state = NAP;
                helm = false;
                if
                :: deep -> standby_fd = true
                :: !deep
                fi
            :: !mine && soon -> wanted = false
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
    mtype state = AWAKE;

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
